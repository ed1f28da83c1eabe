using ModGen.Compiler;
using ModGen.Compiler.Spec;

namespace ModGen.Generator.Tests;

/// <summary>What validation makes of sound declarations; what it says of others is in <see cref="DiagnosticCases"/>.</summary>
public sealed class SpecValidatorTests
{
    private static readonly DecoderDeclaration Plain = new(
        new("A", "M", "public"), ClassFacts.Suitable,
        new() { Vocabulary = 256, Width = 64, Layers = 6, Heads = 4, Context = 96 }, MixtureOfDepths: null);

    [Fact]
    public void Defaults_are_filled_in()
    {
        var spec = Spec(Plain);
        Assert.Equal((4, 16, 192), (spec.KeyValueHeads, spec.HeadWidth, spec.FeedForward));
        Assert.Equal((false, 10000.0, 1e-5), (spec.TiedHead, spec.RotaryBase, spec.NormEpsilon));
        Assert.All(spec.Blocks, block => Assert.Null(block.Routing));
    }

    [Theory]
    [InlineData(64, 192)]
    [InlineData(256, 704)]
    [InlineData(512, 1376)]
    [InlineData(96, 256)]
    [InlineData(2, 32)]
    [InlineData(65536, 174784)]
    public void Feed_forward_is_eight_thirds_rounded_up_to_32(int width, int feedForward) => Assert.Equal(feedForward, SpecDefaults.FeedForward(width));

    [Theory]
    [InlineData(0.125, 96, 12)]
    [InlineData(0.5, 97, 49)] // 48.5 rounds up
    [InlineData(0.13, 96, 12)] // 12.48
    [InlineData(0.1354167, 96, 13)] // 13.0000032
    [InlineData(1e-9, 96, 1)]
    [InlineData(1, 96, 96)]
    [InlineData(1, 1048576, 1048576)]
    public void Capacity_rounds_half_up_and_is_at_least_one(double capacity, int context, int tokens) =>
        Assert.Equal(tokens, SpecDefaults.Tokens(capacity, context));

    [Theory]
    [InlineData(null, null, new[] { 1, 3, 5 })]
    [InlineData(3, null, new[] { 2, 5 })]
    [InlineData(3, 0, new[] { 0, 3 })]
    [InlineData(1, null, new[] { 0, 1, 2, 3, 4, 5 })]
    [InlineData(1, 4, new[] { 4, 5 })]
    [InlineData(null, 5, new[] { 5 })]
    [InlineData(6, null, new[] { 5 })]
    public void Every_and_first_choose_blocks(int? every, int? first, int[] routed) =>
        Assert.Equal(routed, RoutedLayers(new() { Capacity = 0.125, Every = every, First = first }));

    [Fact]
    public void Listed_layers_need_no_order() =>
        Assert.Equal([0, 2, 5], RoutedLayers(new() { Tokens = 3, Layers = EquatableArray.Of(5, 0, 2) }));

    [Theory]
    [InlineData(null, null, 0.01, 0)]
    [InlineData(null, 16, 0, 16)]
    [InlineData(0.02, 16, 0.02, 16)]
    [InlineData(0.02, 0, 0.02, 0)]
    [InlineData(0.0, 16, 0, 16)]
    public void Either_causal_scheme_is_enough(double? weight, int? predictor, double expectedWeight, int expectedPredictor)
    {
        var routing = Routing(new() { Capacity = 0.125, AuxiliaryWeight = weight, Predictor = predictor });
        Assert.Equal((expectedWeight, expectedPredictor), (routing.AuxiliaryWeight, routing.PredictorWidth));
    }

    [Fact]
    public void No_causal_scheme_is_a_warning_and_leaves_the_spec()
    {
        var result = SpecValidator.Validate(Plain with { MixtureOfDepths = new() { Capacity = 0.5, AuxiliaryWeight = 0 } });
        Assert.Equal(SpecRules.NoCausalDecision, Assert.Single(result.Problems).Rule);
        Assert.NotNull(result.Spec);
    }

    [Fact]
    public void Random_routing_has_a_gate_of_one_and_nothing_to_learn()
    {
        var routing = Routing(new() { Tokens = 7, Routing = (int)RoutingKind.Random });
        Assert.Equal(new(RoutingKind.Random, 7, GateKind.One, 0, 0), routing);
    }

    [Fact]
    public void Equal_declarations_give_equal_specs()
    {
        var depths = new MixtureOfDepthsArguments { Tokens = 3, Layers = EquatableArray.Of(1, 2) };
        Assert.Equal(Spec(Plain with { MixtureOfDepths = depths }), Spec(Plain with { MixtureOfDepths = depths with { Layers = EquatableArray.Of(1, 2) } }));
        Assert.NotEqual(Spec(Plain with { MixtureOfDepths = depths }), Spec(Plain with { MixtureOfDepths = depths with { Layers = EquatableArray.Of(1, 3) } }));
        // A capacity is the number of tokens that it comes to.
        Assert.Equal(Spec(Plain with { MixtureOfDepths = depths }), Spec(Plain with { MixtureOfDepths = depths with { Tokens = null, Capacity = 3.0 / Plain.Decoder.Context } }));
    }

    [Fact]
    public void Independent_mistakes_are_all_told()
    {
        var result = SpecValidator.Validate(Plain with
        {
            Decoder = Plain.Decoder with { Vocabulary = 1, Width = 63, Context = null, NormEpsilon = double.NaN },
            MixtureOfDepths = new() { Capacity = 2, Gate = 9, Layers = EquatableArray.Of(0, 0, 6) },
        });
        Assert.Null(result.Spec);
        Assert.Equal(
            ["Context", "NormEpsilon", "Vocabulary", "Width", "Capacity", "Gate", "Layers", "Layers"],
            result.Problems.Select(p => p.Argument ?? p.MessageArguments[0]).OrderBy(name => name is "Capacity" or "Gate" or "Layers").ThenBy(name => name, StringComparer.Ordinal));
    }

    [Fact]
    public void Absurd_numbers_overflow_nowhere()
    {
        int[] numbers = [int.MinValue, -1, 0, 1, 2, 3, 65536, 1 << 20, 1 << 24, int.MaxValue];
        foreach (var number in numbers)
            foreach (var other in numbers)
            {
                var result = SpecValidator.Validate(Plain with
                {
                    Decoder = new()
                    {
                        Vocabulary = number, Width = other, Layers = Math.Min(number, 2000), Heads = other, Context = number,
                        KeyValueHeads = other, HeadWidth = number, FeedForward = other,
                    },
                    MixtureOfDepths = new() { Tokens = number, Every = other, First = number, Predictor = other },
                });
                Assert.True(result.Spec is null == result.Problems.Any(p => !SpecRules.IsWarning(p.Rule)));
            }
    }

    private static ModelSpec Spec(DecoderDeclaration declaration)
    {
        var result = SpecValidator.Validate(declaration);
        Assert.Empty(result.Problems);
        return Assert.IsType<ModelSpec>(result.Spec);
    }

    private static RoutingSpec Routing(MixtureOfDepthsArguments depths) =>
        Spec(Plain with { MixtureOfDepths = depths }).Blocks.Select(block => block.Routing).OfType<RoutingSpec>().First();

    private static int[] RoutedLayers(MixtureOfDepthsArguments depths)
    {
        var blocks = Spec(Plain with { MixtureOfDepths = depths }).Blocks;
        return [.. Enumerable.Range(0, blocks.Count).Where(layer => blocks[layer].Routing is not null)];
    }
}
