using System.Collections.Generic;
using System.Globalization;
using System.Linq;

namespace ModGen.Compiler.Spec;

public static partial class SpecValidator
{
    /// <summary>The numbers of <c>[Decoder]</c>, defaults filled in; 0 for one that is missing or wrong.</summary>
    private readonly record struct Sizes(
        int Vocabulary, int Width, int Layers, int Heads, int KeyValueHeads, int HeadWidth, int FeedForward, int Context);

    private static Sizes ReadSizes(DecoderArguments decoder, ProblemList problems)
    {
        NoteMissing(decoder, problems);
        var vocabulary = Sound("Vocabulary", decoder.Vocabulary, 2, SpecLimits.Vocabulary, problems);
        var width = Sound("Width", decoder.Width, 2, SpecLimits.Width, problems);
        var layers = Sound("Layers", decoder.Layers, 1, SpecLimits.Layers, problems);
        var heads = Sound("Heads", decoder.Heads, 1, SpecLimits.Heads, problems);
        var context = Sound("Context", decoder.Context, 2, SpecLimits.Context, problems);
        var feedForward = decoder.FeedForward is null && width > 0
            ? SpecDefaults.FeedForward(width)
            : Sound("FeedForward", decoder.FeedForward, 1, SpecLimits.FeedForward, problems);
        var keyValueHeads = ReadKeyValueHeads(decoder.KeyValueHeads, heads, problems);
        var headWidth = ReadHeadWidth(decoder.HeadWidth, width, heads, problems);
        if (decoder.RotaryBase is { } rotaryBase)
            problems.InRange(DeclarationPart.Decoder, "RotaryBase", rotaryBase, 1, SpecLimits.RotaryBase, openBelow: true);
        if (decoder.NormEpsilon is { } epsilon)
            problems.InRange(DeclarationPart.Decoder, "NormEpsilon", epsilon, SpecLimits.LeastNormEpsilon, SpecLimits.NormEpsilon);
        var sizes = new Sizes(vocabulary, width, layers, heads, keyValueHeads, headWidth, feedForward, context);
        CheckProducts(sizes, decoder, problems);
        return sizes;
    }

    private static void NoteMissing(DecoderArguments decoder, ProblemList problems)
    {
        var required = new (string Name, int? Value)[]
        {
            ("Vocabulary", decoder.Vocabulary), ("Width", decoder.Width), ("Layers", decoder.Layers),
            ("Heads", decoder.Heads), ("Context", decoder.Context),
        };
        var missing = required.Where(r => r.Value is null).Select(r => r.Name).ToArray();
        if (missing.Length > 0)
            problems.Add(SpecRules.Missing, DeclarationPart.Decoder, null, string.Join(", ", missing));
    }

    private static int Sound(string argument, int? value, int least, int most, ProblemList problems) =>
        value is { } number && problems.InRange(DeclarationPart.Decoder, argument, number, least, most) ? number : 0;

    private static int ReadKeyValueHeads(int? given, int heads, ProblemList problems)
    {
        if (given is not { } value)
            return heads;
        var most = heads > 0 ? heads : SpecLimits.Heads;
        if (!problems.InRange(DeclarationPart.Decoder, "KeyValueHeads", value, 1, most, heads > 0 ? " (Heads)" : "") || heads == 0)
            return 0;
        if (heads % value == 0)
            return value;
        var divisors = Enumerable.Range(1, heads).Where(d => heads % d == 0).ToArray();
        int[] mends = [divisors.Last(d => d < value), divisors.First(d => d > value)];
        problems.AddMendable(
            SpecRules.KeyValueHeadsDoNotDivide, DeclarationPart.Decoder, "KeyValueHeads", mends, value, heads, Or(mends));
        return 0;
    }

    private static int ReadHeadWidth(int? given, int width, int heads, ProblemList problems)
    {
        if (given is { } value)
        {
            if (!problems.InRange(DeclarationPart.Decoder, "HeadWidth", value, 2, SpecLimits.HeadWidth))
                return 0;
            if (value % 2 == 0)
                return value;
            int[] even = [value - 1, value + 1];
            problems.AddMendable(
                SpecRules.OddHeadWidth, DeclarationPart.Decoder, "HeadWidth", even, $"HeadWidth {Number(value)}", $"HeadWidth {Or(even)}");
            return 0;
        }
        if (width == 0 || heads == 0)
            return 0;
        // A mend must satisfy both rules, so it is a multiple of 2 · Heads.
        var below = width / (2 * heads) * 2 * heads;
        int[] mends = below > 0 ? [below, below + 2 * heads] : [2 * heads];
        if (width % heads != 0)
            problems.AddMendable(SpecRules.WidthNotDivisible, DeclarationPart.Decoder, "Width", mends, width, heads, Or(mends));
        else if (width / heads % 2 != 0)
            problems.AddMendable(
                SpecRules.OddHeadWidth, DeclarationPart.Decoder, "Width", mends,
                $"The head width {Number(width / heads)} (Width {Number(width)} / Heads {Number(heads)})", $"Width {Or(mends)}");
        else
            return width / heads;
        return 0;
    }

    /// <summary>No tensor of the model, and no activation of one sequence, may have more elements than an int counts.</summary>
    private static void CheckProducts(in Sizes s, DecoderArguments decoder, ProblemList problems)
    {
        var projections = ((long)s.Heads + 2L * s.KeyValueHeads) * s.HeadWidth;
        var headArgument = decoder.HeadWidth is null ? "Heads" : "HeadWidth";
        var feedForward = decoder.FeedForward is null ? "Width" : "FeedForward";
        var products = new (string Argument, string What, long Rows, long Columns)[]
        {
            ("Vocabulary", "The embedding (Vocabulary × Width)", s.Vocabulary, s.Width),
            (headArgument, "The query, key and value projection ((Heads + 2 · KeyValueHeads) · HeadWidth × Width)", projections, s.Width),
            (feedForward, "The gate and up projection (2 · FeedForward × Width)", 2L * s.FeedForward, s.Width),
            ("Context", "The residual stream of one sequence (Context × Width)", s.Context, s.Width),
            ("Context", "The projections of one sequence (Context × (Heads + 2 · KeyValueHeads) · HeadWidth)", s.Context, projections),
            ("Context", "The MLP of one sequence (Context × 2 · FeedForward)", s.Context, 2L * s.FeedForward),
        };
        var reported = new HashSet<string>();
        foreach (var (argument, what, rows, columns) in products)
            if (rows * columns > SpecLimits.TensorElements && reported.Add(argument))
                problems.Add(SpecRules.TooLarge, DeclarationPart.Decoder, argument, what, $"{Number(rows)} × {Number(columns)} = {Number(rows * columns)}");
    }

    private static string Or(int[] values) => string.Join(" or ", values.Select(value => Number(value)));

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
