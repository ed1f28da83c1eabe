using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>The entry points that a model's launches have asked for so far: each shape once, by name.</summary>
internal sealed class KernelCatalog
{
    private readonly Dictionary<string, CudaEntry> _entries = [];
    private readonly List<string> _order = [];

    /// <summary>Adds an entry point, or finds it when a launch before needed the same.</summary>
    /// <returns>Its expression in generated C#.</returns>
    public string Add(CudaEntry entry)
    {
        if (!_entries.TryGetValue(entry.Name, out var there))
        {
            _entries.Add(entry.Name, entry);
            _order.Add(entry.Name);
        }
        else if (there != entry)
        {
            throw new GraphException($"Two different kernels are called {entry.Name}.");
        }

        return "CudaKernels." + Pascal(entry.Name);
    }

    /// <summary>Writes the fields that hold the entry points, and the list of all of them.</summary>
    public void Write(CodeWriter writer)
    {
        foreach (var name in _order)
        {
            _entries[name].Write(writer, Pascal(name));
            writer.Line();
        }

        writer.Line("/// <summary>All of them, in all forms.</summary>");
        writer.Line("public static global::System.Collections.Generic.IReadOnlyList<Cuda::Kernel> All { get; } =");
        writer.Line($"    [{string.Join(", ", _order.Select(name => (_entries[name] is SingleEntry ? "" : ".. ") + Pascal(name) + (_entries[name] is SingleEntry ? "" : ".Forms")))}];");
    }

    private static string Pascal(string name)
    {
        var text = new StringBuilder();
        foreach (var part in name.Split('_'))
        {
            // Two numbers stay apart.
            if (text.Length > 0 && char.IsDigit(text[text.Length - 1]) && char.IsDigit(part[0]))
                text.Append('_');
            text.Append(char.ToUpperInvariant(part[0])).Append(part, 1, part.Length - 1);
        }

        return text.ToString();
    }
}
