using ModGen.Compiler.Graph;

namespace ModGen.Oracle.Tests;

/// <summary>
/// Models drawn at random, under the plan for a GPU and without one: run in float64 on one memory, it must make the gradients of the
/// unplanned graph. What kernels compute is not asked here.
/// </summary>
public sealed class RandomPlanTests
{
    private const int Models = 300;

    [Fact]
    public void APlanComputesWhatItsGraphSays() => Parallel.For(1, Models + 1, seed =>
    {
        var model = ModelGraph.Build(new RandomSpecs(seed).Draw());
        var parameters = ModelParameters.Random(model, seed);
        var batch = StepComparison.RandomBatch(model, sequences: 1 + seed % 3, seed);
        var expected = new ModelInterpreter(model).Run(parameters, batch, backward: true).Gradients!;
        var planned = PlanInterpreter.GradientsOnCuda(model, parameters, batch);
        var whole = Close.Norm([.. expected.Names.Select(name => Close.Norm(expected[name]))]);
        foreach (var name in expected.Names)
            Close.Check(expected[name], planned[name], 1e-10, $"{model.Spec}: gradient of {name}", floor: 1e-12 * whole);
    });
}
