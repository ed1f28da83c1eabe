using ModGen.Compiler;
using ModGen.Compiler.Spec;

namespace ModGen.Oracle.Tests;

/// <summary>Valid declarations drawn from a seed: small, odd, and every argument now and then.</summary>
internal sealed class RandomSpecs(int seed)
{
    private readonly Random _random = new(seed);

    /// <summary>The specification of a declaration that the validator accepts.</summary>
    public ModelSpec Draw()
    {
        var layers = Between(1, 6);
        var context = Between(2, 14);
        var heads = Between(1, 5);
        var givesHeadWidth = Chance(0.5);
        var decoder = new DecoderArguments
        {
            Vocabulary = Between(2, 40),
            Width = givesHeadWidth ? Between(2, 35) : 2 * heads * Between(1, 5),
            Layers = layers,
            Heads = heads,
            KeyValueHeads = Chance(0.5) ? Divisor(heads) : null,
            HeadWidth = givesHeadWidth ? 2 * Between(1, 9) : null,
            FeedForward = Chance(0.9) ? Between(1, 45) : null,
            Context = context,
            TiedHead = Chance(0.5) ? Chance(0.5) : null,
            RotaryBase = Chance(0.5) ? Math.Exp(0.1 + 20 * _random.NextDouble()) : null,
            NormEpsilon = Chance(0.5) ? Math.Pow(10, -1 - 11 * _random.NextDouble()) : null,
        };
        var depths = Chance(0.8) ? Depths(layers, context) : null;
        return SpecReader.Valid(new DecoderDeclaration(new TypeIdentity("Drawn", $"Model{seed}", "public"), ClassFacts.Suitable, decoder, depths));
    }

    private MixtureOfDepthsArguments Depths(int layers, int context)
    {
        var depths = new MixtureOfDepthsArguments();
        depths = Chance(0.5)
            ? depths with { Capacity = Math.Max(1e-3, _random.NextDouble()) }
            : depths with { Tokens = Between(1, context) };
        depths = _random.Next(3) switch
        {
            0 => depths with { Layers = Enumerable.Range(0, layers).Where(_ => Chance(0.5)).DefaultIfEmpty(layers - 1).ToEquatableArray() },
            1 => depths with { Every = Between(1, layers), First = Between(0, layers - 1) },
            _ => depths with { Every = Between(1, layers) },
        };
        if (Chance(0.2))
            return depths with { Routing = 1 };
        if (Chance(0.7))
            depths = depths with { Gate = Between(0, 2) };
        return _random.Next(4) switch
        {
            0 => depths,
            1 => depths with { AuxiliaryWeight = 2 * _random.NextDouble() + 0.01 },
            2 => depths with { Predictor = Between(1, 20) },
            _ => depths with { AuxiliaryWeight = 0.1, Predictor = Between(1, 20) },
        };
    }

    private bool Chance(double probability) => _random.NextDouble() < probability;

    private int Between(int least, int most) => _random.Next(least, most + 1);

    private int Divisor(int number)
    {
        var divisors = Enumerable.Range(1, number).Where(d => number % d == 0).ToArray();
        return divisors[_random.Next(divisors.Length)];
    }
}
