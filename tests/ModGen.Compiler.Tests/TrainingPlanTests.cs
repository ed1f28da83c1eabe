using ModGen.Compiler.Emit.CSharp;
using ModGen.Compiler.Emit.Cuda;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;
using ModGen.Oracle;

namespace ModGen.Compiler.Tests;

/// <summary>Whole training plans: that they compute what the unplanned graph says, and what their sections agree on.</summary>
public sealed class TrainingPlanTests
{
    private static readonly Dictionary<string, BackEnd> BackEnds = new() { ["CPU"] = CpuKernels.BackEnd, ["CUDA"] = CudaKernels.Training };

    public static TheoryData<string, string> Plans => [.. TestSpec.Features.Keys.SelectMany(feature => BackEnds.Keys.Select(backEnd => (feature, backEnd)))];

    [Theory]
    [MemberData(nameof(Plans))]
    public void APlanComputesWhatItsGraphSays(string feature, string backEnd)
    {
        var model = ModelGraph.Build(TestSpec.Features[feature]);
        var parameters = ModelParameters.Random(model, seed: 5);
        var random = new Gaussian(6);
        var rows = 2 * model.Spec.Context;
        var batch = new ModelInterpreter.Batch(random.Below(model.Spec.Vocabulary, rows), random.Below(model.Spec.Vocabulary, rows), Draw: 17);
        var expected = new ModelInterpreter(model).Run(parameters, batch, backward: true).Gradients!;

        var planned = new PlanInterpreter(TrainingPlan.Create(model, BackEnds[backEnd]), parameters, batch);
        planned.Run();

        foreach (var name in expected.Names)
            Close.Check(expected[name], planned.Gradients[name], 1e-12, $"gradient of {name}");
    }

    [Fact]
    public void RoutedBlocksThatReadTheirInputOnceUpdateItInPlace()
    {
        // both: dense, routed, routed. The router of the first routed block has no norm above it, and reads its block's input again.
        Assert.Equal([false, false, true], Planned("both").Blocks.Select(b => b.UpdatesInPlace));
        Assert.Equal([false], Planned("tanh").Blocks.Select(b => b.UpdatesInPlace));
        Assert.Equal([false, true], Planned("random").Blocks.Select(b => b.UpdatesInPlace));
        Assert.DoesNotContain(TrainingPlan.Create(ModelGraph.Build(TestSpec.Features["both"]), CpuKernels.BackEnd).Blocks, b => b.UpdatesInPlace);
    }

    [Fact]
    public void TheGradientIsRoundedWhereItIsMade()
    {
        foreach (var feature in TestSpec.Features.Keys)
        {
            var plan = Planned(feature);
            foreach (var section in plan.Blocks)
                Assert.DoesNotContain(section.Backward, l => l.Nodes.Any(n => n.Op is Narrow && n.Inputs[0] == section.Gradients!.GradientIn));
        }

        // sigmoid: dense, routed, dense. What the head rounds comes down to the lowest, through the routed block, which changes few rows of it.
        Assert.Equal([(true, true), (true, true)], Planned("sigmoid").Blocks.Select(b => (b.Rounded.In is not null, b.Rounded.Out is not null)));
        Assert.NotNull(Planned("sigmoid").LossAndGradient.Rounded.Out);
        // tanh: routed blocks alone, which read none of it.
        Assert.Equal((false, false), Planned("tanh").Blocks.Select(b => (b.Rounded.In is not null, b.Rounded.Out is not null)).Single());
        Assert.Null(Planned("tanh").LossAndGradient.Rounded.Out);
    }

    [Fact]
    public void ARoutedBlockTouchesTheRowsThatEnteredWhereANormIsAboveIt()
    {
        foreach (var (feature, passing) in new Dictionary<string, bool[]> { ["sigmoid"] = [false, true], ["identity"] = [false, true], ["both"] = [false, false, true], ["tanh"] = [false], ["all tokens"] = [true], ["predictor"] = [false, false] })
            Assert.Equal(passing, Planned(feature).Blocks.Select(b => b.Passing is not null));
        foreach (var feature in (string[])["sigmoid", "identity", "predictor", "neither", "random"])
            Assert.DoesNotContain(Planned(feature).Blocks.SelectMany(b => b.Backward), l => l.Nodes.Any(n => n.Op is RouterInputGradient && n.Output.Type.Extents[0] == 5));
    }

    [Fact]
    public void AStreamThatTheLayerAboveOverwritesIsFound()
    {
        // both: dense, routed, routed. All three over one another: the norm of the dense block reads its input again, and it is gone.
        var plan = Planned("both");
        var streams = plan.Memory.Streams.ToArray();
        Assert.Equal(4, streams.Length);
        streams[2] = streams[0];
        streams[3] = streams[0];
        Reject(plan with { Memory = plan.Memory with { Streams = streams.ToEquatableArray() } }, "has been overwritten");
    }

    [Fact]
    public void AStreamInTheWrongPlaceIsFound()
    {
        var plan = Planned("identity");
        var streams = plan.Memory.Streams.ToArray();
        Assert.Equal(streams[1], streams[2]);
        Reject(plan with { Memory = plan.Memory with { Streams = EquatableArray.Of(streams[0], streams[1], streams[1] + plan.Memory.StreamStep) } }, "are apart");
        Reject(plan with { Memory = plan.Memory with { Streams = EquatableArray.Of(streams[0], streams[0], streams[0]) } }, "are the same");
    }

    [Fact]
    public void AGradientThatNobodyRoundedIsFound()
    {
        var plan = Planned("dense");
        Reject(plan with { LossAndGradient = plan.LossAndGradient with { Rounded = default } }, "nobody has left");
        Reject(plan with { Blocks = [plan.Blocks[0] with { Rounded = plan.Blocks[0].Rounded with { Out = null } }] }, "nobody has left");
    }

    [Fact]
    public void ARouterWithoutANormAboveItIsFound()
    {
        var plan = Planned("tanh");
        var section = SectionPlanner.PlanTraining(plan.Model.Kinds[0].Training, CudaKernels.Training, new TrainingPlace(EnteredOnly: true));
        Assert.NotNull(section.Passing);
        var streams = plan.Memory.Streams.Select(_ => 0L).ToEquatableArray();
        Reject(plan with { Blocks = [section], Memory = plan.Memory with { Streams = streams } }, "has no norm");
    }

    private static TrainingPlan Planned(string feature) => TrainingPlan.Create(ModelGraph.Build(TestSpec.Features[feature]), CudaKernels.Training);

    private static void Reject(TrainingPlan plan, string expected) =>
        Assert.Contains(expected, Assert.Throws<GraphException>(() => TrainingPlanVerifier.Verify(plan)).Message, StringComparison.Ordinal);
}
