using System;
using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Emit;

/// <summary>What differs between the methods that a pass is written into.</summary>
/// <param name="Expression">The expression of a value that is no local: an argument, a field, a number. Null for a local.</param>
/// <param name="Place">The expression of a local: where a value lies.</param>
/// <param name="Emit">The statements of a launch, from the names that its values have in the method.</param>
internal sealed record PassContext(
    Func<Value, string?> Expression,
    Func<Storage, Value, string> Place,
    Func<Launch, Func<Value, string>, IEnumerable<string>> Emit);

/// <summary>Writes the body of one pass over one section: a local for each value, with its shape, then the kernel that first needs it.</summary>
internal sealed class PassWriter(CodeWriter writer, SectionPlan plan, PassContext context)
{
    private readonly List<Value> _declared = [];
    private int _launches;

    public void Write(IEnumerable<Launch> launches)
    {
        foreach (var launch in launches)
        {
            var statements = context.Emit(launch, NameOf).ToList();
            if (statements.Count == 0)
                continue;
            if (_launches++ > 0)
                writer.Line();
            foreach (var operand in launch.Operands.Where(o => !o.Provided && Mentions(statements, NameOf(o.Value))))
                Declare(operand.Value);
            foreach (var statement in statements)
                writer.Line(statement);
        }
    }

    private string NameOf(Value value) => context.Expression(value) ?? value.Name;

    private void Declare(Value value)
    {
        if (context.Expression(value) is not null || plan.Storage[value].Kind == StorageKind.Scalar || _declared.Contains(value))
            return;
        var storage = plan.Storage[value];
        if (storage.Kind == StorageKind.External)
            throw new GraphException($"{plan.Section.Name}: the emitter has no name for {value.Name}.");
        var over = _declared.LastOrDefault(d => plan.Storage[d] == storage && storage.Kind != StorageKind.Scratch);
        writer.Line($"var {value.Name} = {context.Place(storage, value)}; // {value.Type}{(over is null ? "" : $", over {over.Name}")}");
        _declared.Add(value);
    }

    /// <summary>True when a statement uses the identifier: operands that a kernel takes in place are not all named.</summary>
    private static bool Mentions(List<string> statements, string name) => statements.Any(s => IndexOfWord(s, name) >= 0);

    private static int IndexOfWord(string text, string word)
    {
        for (var at = text.IndexOf(word, StringComparison.Ordinal); at >= 0; at = text.IndexOf(word, at + 1, StringComparison.Ordinal))
            if ((at == 0 || !IsWord(text[at - 1])) && (at + word.Length == text.Length || !IsWord(text[at + word.Length])))
                return at;
        return -1;
    }

    private static bool IsWord(char c) => char.IsLetterOrDigit(c) || c == '_';
}
