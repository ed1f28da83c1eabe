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
    private static readonly char[] Digits = "0123456789".ToCharArray();
    private readonly List<Value> _declared = [];
    private readonly Dictionary<Value, string> _names = [];
    private int _launches;

    public void Write(IEnumerable<Launch> launches)
    {
        var all = launches.ToList();
        NameAll(all);
        foreach (var launch in all)
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

    /// <summary>
    /// Names are unique in a graph, most of whose values fusion has taken out of the pass: here a value is numbered only beside
    /// others of its name.
    /// </summary>
    private void NameAll(IEnumerable<Launch> launches)
    {
        foreach (var value in launches.SelectMany(launch => launch.Operands).Where(operand => !operand.Provided).Select(operand => operand.Value).Distinct())
        {
            var ending = value.Name.EndsWith(PrecisionGraph.Ending, StringComparison.Ordinal) ? PrecisionGraph.Ending : "";
            var stem = value.Name.Substring(0, value.Name.Length - ending.Length).TrimEnd(Digits);
            var name = stem + ending;
            for (var number = 2; _names.ContainsValue(name); number++)
                name = stem + Literal.Of(number) + ending;
            _names.Add(value, name);
        }
    }

    private string NameOf(Value value) => context.Expression(value) ?? (_names.TryGetValue(value, out var name) ? name : value.Name);

    private void Declare(Value value)
    {
        if (context.Expression(value) is not null || plan.Storage[value].Kind == StorageKind.Scalar || _declared.Contains(value))
            return;
        var storage = plan.Storage[value];
        if (storage.Kind == StorageKind.External)
            throw new GraphException($"{plan.Section.Name}: the emitter has no name for {value.Name}.");
        var over = _declared.LastOrDefault(d => plan.Storage[d] == storage && storage.Kind != StorageKind.Scratch);
        writer.Line($"var {NameOf(value)} = {context.Place(storage, value)}; // {value.Type}{(over is null ? "" : $", over {NameOf(over)}")}");
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
