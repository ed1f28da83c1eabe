using System.Linq;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>Builders of entry points.</summary>
internal static class CudaTexts
{
    /// <summary>A pointer parameter with the shape behind it.</summary>
    public static EntryParameter Pointer(string type, string name, string shape) => new(type + "*", name, shape);

    /// <summary>A parameter that is no pointer.</summary>
    public static EntryParameter Value(string type, string name) => new(type, name);

    /// <summary>The rows that the kernel runs over.</summary>
    public static EntryParameter Rows { get; } = new("Rows", "rows");

    /// <summary>An entry point of 256 threads a block with the given call in it.</summary>
    public static CudaText Entry(string name, string family, string body, params EntryParameter[] parameters) =>
        new(name, "prelude " + family, 256, parameters.ToEquatableArray(), body);

    /// <summary>An entry point of 256 threads a block that hands its parameters on in their order.</summary>
    public static CudaText Forwarding(string name, string family, string function, params EntryParameter[] parameters) =>
        Entry(name, family, $"{function}({string.Join(", ", parameters.Select(p => p.Name))});", parameters);

    /// <summary>
    /// Blocks a multiprocessor of a kernel over few rows, all of which should run at once: four where a warp has a row to itself, which
    /// 64 registers are enough for.
    /// </summary>
    public static int BlocksOfFewRows(int width) => width <= 1024 ? 4 : 1;

    /// <summary>What tells the names of two forms of a kernel apart: one takes float32 where the other takes operands.</summary>
    public static string Suffix(string element) => element == "float" ? "_float" : "";

    /// <summary>What tells the names of kernels over selections apart.</summary>
    public static string Selection(int length, int selected) => length == 0 ? "" : $"_{Literal.Of(selected)}_of_{Literal.Of(length)}";

    /// <summary>A flag as C++ writes it.</summary>
    public static string Flag(bool value) => value ? "true" : "false";
}
