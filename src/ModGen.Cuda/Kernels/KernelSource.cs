using System.Text;

namespace ModGen.Cuda;

/// <summary>
/// The complete text of a kernel: definitions, the families it names, its entry point. Line directives let the compiler
/// speak of a family's own lines.
/// </summary>
public static class KernelSource
{
    private const string Extension = ".cuh";
    private static readonly HashSet<string> BFloat16Alone = ["linear_sm80", "linear_sm90", "attention_fwd", "attention_bwd", "attention_sm90", "cached_attention_tiles", "decode_products", "wgmma"];
    private static readonly Dictionary<string, string> Texts = ReadFamilies();

    /// <summary>The families that this library carries.</summary>
    public static IReadOnlyCollection<string> Families => Texts.Keys;

    /// <summary>Whether a kernel can be compiled for a precision: those for tensor cores take bfloat16 alone.</summary>
    public static bool IsFor(Kernel kernel, bool float32)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        return !float32 || !kernel.Families.Split(' ').Any(BFloat16Alone.Contains);
    }

    /// <summary>The text that the compiler is given.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="define">A text to stand in front of everything, as constants of a tile; null for none.</param>
    /// <exception cref="ArgumentException">The kernel names a family that there is not.</exception>
    public static string Of(Kernel kernel, string? define = null)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        var text = new StringBuilder();
        foreach (var (name, part) in Parts(kernel, define))
        {
            text.Append("#line 1 \"").Append(name).Append("\"\n").Append(part);
            if (!part.EndsWith('\n'))
                text.Append('\n');
        }

        return text.ToString();
    }

    /// <summary>The parts of the text under the names by which the compiler's messages call them.</summary>
    internal static IEnumerable<(string Name, string Text)> Parts(Kernel kernel, string? define)
    {
        if (!string.IsNullOrEmpty(define))
            yield return ("defines", define);
        foreach (var family in kernel.Families.Split(' ', StringSplitOptions.RemoveEmptyEntries).Distinct(StringComparer.Ordinal))
        {
            if (!Texts.TryGetValue(family, out var text))
                throw new ArgumentException($"Kernel {kernel.Name} names the family '{family}'; there are {string.Join(", ", Texts.Keys.Order(StringComparer.Ordinal))}.", nameof(kernel));
            yield return (family + Extension, text);
        }

        yield return (kernel.Name, kernel.Text);
    }

    private static Dictionary<string, string> ReadFamilies()
    {
        var assembly = typeof(KernelSource).Assembly;
        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var resource in assembly.GetManifestResourceNames().Where(name => name.EndsWith(Extension, StringComparison.Ordinal)))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!);
            texts.Add(resource[..^Extension.Length], reader.ReadToEnd());
        }

        return texts;
    }
}
