namespace ModGen.Generator.Tests;

/// <summary>
/// One mistake each: the declaration, with the place where the error must show between ⟦ and ⟧, the id, and words that
/// the message must have.
/// </summary>
internal static class DiagnosticCases
{
    public static IReadOnlyList<DiagnosticCase> All { get; } =
    [
        .. Classes(), .. Decoders(), .. Depths(),
    ];

    private const string Good = "Vocabulary = 256, Width = 64, Layers = 4, Heads = 4, Context = 32";

    private static IEnumerable<DiagnosticCase> Classes()
    {
        yield return Class("MODGEN001", "public class ⟦M⟧;", "add 'partial'") with { Also = "CS0260" };
        yield return Class("MODGEN002", "public static partial class ⟦M⟧;", "static");
        yield return Class("MODGEN002", "public abstract partial class ⟦M⟧;", "abstract");
        yield return Class("MODGEN002", "public partial class ⟦M⟧<T>;", "generic");
        yield return Class("MODGEN002", "public partial record ⟦M⟧;", "record");
        yield return Class("MODGEN002", "file partial class ⟦M⟧;", "file-local");
        yield return new("MODGEN002", $"public partial class Outer {{ [ModGen.Decoder({Good})] public partial class ⟦M⟧; }}", "nested in 'Outer'");
        yield return Class("MODGEN003", "public partial class M : ⟦System.IO.MemoryStream⟧;", "MemoryStream");
        yield return Class("MODGEN003", "public partial class M : ⟦System.IO.MemoryStream⟧, System.IFormattable { public string ToString(string? f, System.IFormatProvider? p) => \"\"; }", "MemoryStream");
        yield return Class("MODGEN003", "public partial class M : System.IDisposable; public partial class M : ⟦System.IO.MemoryStream⟧;", "MemoryStream");
        yield return Class("MODGEN001", "public partial class M; public class ⟦M⟧;", "add 'partial'") with { Also = "CS0260" };
        yield return Class("MODGEN006", "public partial class M { public int ⟦Width⟧ => 3; }", "M.Width");
        yield return Class("MODGEN006", "public partial class M { private static void ⟦Create⟧() { } }", "M.Create");
        yield return Class("MODGEN006", "public partial class ⟦Context⟧;", "'Context'");
        yield return Class("MODGEN006", "public partial class ⟦@var⟧;", "'var'");
    }

    private static IEnumerable<DiagnosticCase> Decoders()
    {
        yield return new("MODGEN010", "[⟦ModGen.Decoder⟧] public partial class M;", "Vocabulary, Width, Layers, Heads, Context");
        yield return new("MODGEN010", "[⟦ModGen.Decoder⟧(Vocabulary = 256, Width = 64, Layers = 4, Heads = 4)] public partial class M;", "not given: Context");
        yield return Decoder("MODGEN011", "⟦Vocabulary = 1⟧, Width = 64, Layers = 4, Heads = 4, Context = 32", "Vocabulary 1", "2 … 16777216");
        yield return Decoder("MODGEN011", "Vocabulary = 256, ⟦Width = -64⟧, Layers = 4, Heads = 4, Context = 32", "Width -64");
        yield return Decoder("MODGEN011", "Vocabulary = 256, Width = 64, ⟦Layers = 0⟧, Heads = 4, Context = 32", "Layers 0", "1 … 1024");
        yield return Decoder("MODGEN011", "Vocabulary = 256, Width = 64, Layers = 4, ⟦Heads = 0⟧, Context = 32", "Heads 0");
        yield return Decoder("MODGEN011", "Vocabulary = 256, Width = 64, Layers = 4, Heads = 4, ⟦Context = 1⟧", "Context 1");
        yield return Decoder("MODGEN011", Good + ", ⟦KeyValueHeads = 0⟧", "KeyValueHeads 0", "1 … 4 (Heads)");
        yield return Decoder("MODGEN011", Good + ", ⟦KeyValueHeads = 8⟧", "KeyValueHeads 8", "1 … 4 (Heads)");
        yield return Decoder("MODGEN011", Good + ", ⟦HeadWidth = 0⟧", "HeadWidth 0");
        yield return Decoder("MODGEN011", Good + ", ⟦FeedForward = 0⟧", "FeedForward 0");
        yield return Decoder("MODGEN011", Good + ", ⟦RotaryBase = 1⟧", "RotaryBase 1", "above 1");
        yield return Decoder("MODGEN011", Good + ", ⟦RotaryBase = double.NaN⟧", "NaN");
        yield return Decoder("MODGEN011", Good + ", ⟦NormEpsilon = 0⟧", "NormEpsilon 0");
        yield return Decoder("MODGEN011", Good + ", ⟦NormEpsilon = 1.5⟧", "NormEpsilon 1.5");
        yield return Decoder("MODGEN011", Good + ", ⟦NormEpsilon = double.PositiveInfinity⟧", "Infinity");
        yield return Decoder("MODGEN012", "Vocabulary = 256, ⟦Width = 250⟧, Layers = 4, Heads = 8, Context = 32", "Width 250", "Heads 8", "240 or 256");
        yield return Decoder("MODGEN012", "Vocabulary = 256, ⟦Width = 5⟧, Layers = 4, Heads = 8, Context = 32", "Width 16 would be");
        yield return Decoder("MODGEN013", "Vocabulary = 256, ⟦Width = 24⟧, Layers = 4, Heads = 8, Context = 32", "3 (Width 24 / Heads 8)", "Width 16 or 32");
        yield return Decoder("MODGEN013", Good + ", ⟦HeadWidth = 31⟧", "HeadWidth 31 is odd", "30 or 32");
        yield return Decoder("MODGEN014", "Vocabulary = 256, Width = 64, Layers = 4, Heads = 8, ⟦KeyValueHeads = 3⟧, Context = 32", "KeyValueHeads 3", "Heads 8", "2 or 4");
        yield return Decoder("MODGEN015", "⟦Vocabulary = 4000000⟧, Width = 1024, Layers = 4, Heads = 8, Context = 32", "4096000000", "2147483647");
        yield return Decoder("MODGEN015", "Vocabulary = 256, Width = 65536, Layers = 4, ⟦Heads = 512⟧, FeedForward = 64, Context = 32", "196608 × 65536");
        yield return Decoder("MODGEN015", "Vocabulary = 256, Width = 32768, Layers = 4, Heads = 256, KeyValueHeads = 1, ⟦FeedForward = 1000000⟧, Context = 32", "65536000000");
        yield return Decoder("MODGEN015", "Vocabulary = 256, Width = 4096, Layers = 4, Heads = 32, ⟦Context = 1048576⟧", "1048576 × 4096");
    }

    private static IEnumerable<DiagnosticCase> Depths()
    {
        yield return new("MODGEN020", "[⟦ModGen.MixtureOfDepths⟧(Capacity = 0.5)] public partial class M;", "'M'");
        yield return Mod("MODGEN021", "Capacity = 0.5, ⟦Tokens = 4⟧", "remove one");
        yield return new("MODGEN022", $"[ModGen.Decoder({Good})] [⟦ModGen.MixtureOfDepths⟧(Every = 2)] public partial class M;", "give Capacity");
        yield return Mod("MODGEN011", "⟦Capacity = 0⟧", "Capacity 0", "above 0, at most 1");
        yield return Mod("MODGEN011", "⟦Capacity = 1.01⟧", "Capacity 1.01");
        yield return Mod("MODGEN011", "⟦Capacity = 0.0 / 0.0⟧", "NaN");
        yield return Mod("MODGEN011", "⟦Tokens = 0⟧", "1 … 32 (Context)");
        yield return Mod("MODGEN011", "⟦Tokens = 33⟧", "Tokens 33", "1 … 32 (Context)");
        yield return Mod("MODGEN011", "Capacity = 0.5, ⟦Every = 0⟧", "Every 0");
        yield return Mod("MODGEN011", "Capacity = 0.5, ⟦First = -1⟧", "First -1");
        yield return Mod("MODGEN011", "Capacity = 0.5, ⟦AuxiliaryWeight = -0.5⟧", "AuxiliaryWeight -0.5");
        yield return Mod("MODGEN011", "Capacity = 0.5, ⟦AuxiliaryWeight = double.NaN⟧", "NaN");
        yield return Mod("MODGEN011", "Capacity = 0.5, ⟦Predictor = -1⟧", "Predictor -1");
        yield return Mod("MODGEN023", "Capacity = 0.5, Layers = new[] { 1 }, ⟦Every = 2⟧", "Every has no meaning");
        yield return Mod("MODGEN023", "Capacity = 0.5, Layers = new[] { 1 }, ⟦First = 1⟧", "First has no meaning");
        yield return Mod("MODGEN024", "Capacity = 0.5, Layers = new[] { 1, ⟦4⟧ }", "block 4", "0 … 3");
        yield return Mod("MODGEN024", "Capacity = 0.5, Layers = new int[] { ⟦-1⟧ }", "block -1");
        yield return Mod("MODGEN025", "Capacity = 0.5, Layers = [1, 3, ⟦1⟧]", "block 1 twice");
        yield return Mod("MODGEN026", "Capacity = 0.5, ⟦First = 4⟧", "would be 4", "First from 0 to 3");
        yield return Mod("MODGEN026", "Capacity = 0.5, ⟦Every = 5⟧", "would be 4");
        yield return Mod("MODGEN026", "Capacity = 0.5, ⟦Layers = new int[0]⟧", "Layers is empty");
        yield return Mod("MODGEN027", "Capacity = 0.5, Routing = ModGen.Routing.Random, ⟦Gate = ModGen.Gate.Sigmoid⟧", "Gate says");
        yield return Mod("MODGEN027", "Capacity = 0.5, Routing = ModGen.Routing.Random, ⟦AuxiliaryWeight = 0.1⟧", "AuxiliaryWeight says");
        yield return Mod("MODGEN027", "Capacity = 0.5, Routing = ModGen.Routing.Random, ⟦Predictor = 8⟧", "Predictor says");
        yield return Mod("MODGEN028", "Capacity = 0.5, ⟦AuxiliaryWeight = 0⟧", "give AuxiliaryWeight");
        yield return Mod("MODGEN029", "Capacity = 0.5, ⟦Routing = (ModGen.Routing)2⟧", "Routing 2", "Learned, Random");
        yield return Mod("MODGEN029", "Capacity = 0.5, ⟦Gate = (ModGen.Gate)(-1)⟧", "Gate -1", "Identity, Sigmoid, Tanh");
    }

    private static DiagnosticCase Class(string id, string declaration, params string[] words) =>
        new(id, $"[ModGen.Decoder({Good})] {declaration}", words);

    private static DiagnosticCase Decoder(string id, string arguments, params string[] words) =>
        new(id, $"[ModGen.Decoder({arguments})] public partial class M;", words);

    private static DiagnosticCase Mod(string id, string arguments, params string[] words) =>
        new(id, $"[ModGen.Decoder({Good})] [ModGen.MixtureOfDepths({arguments})] public partial class M;", words);
}

/// <summary>One mistake and what must be said about it.</summary>
/// <param name="Id">The diagnostic.</param>
/// <param name="Marked">The source, with the place between ⟦ and ⟧.</param>
/// <param name="Words">Parts of the message.</param>
internal sealed record DiagnosticCase(string Id, string Marked, params string[] Words)
{
    /// <summary>An error of the compiler's own that cannot be kept from coming too.</summary>
    public string? Also { get; init; }

    public int Start => Marked.IndexOf('⟦', StringComparison.Ordinal);

    public int Length => Marked.IndexOf('⟧', StringComparison.Ordinal) - Start - 1;

    public string Source => Marked.Replace("⟦", "", StringComparison.Ordinal).Replace("⟧", "", StringComparison.Ordinal);

    public override string ToString() => $"{Id}: {Marked}";
}
