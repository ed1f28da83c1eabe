using ModGen.Compiler.Emit.CSharp;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Planning;
using ModGen.Oracle;

namespace ModGen.Compiler.Tests;

/// <summary>Plans with one planted defect each: the verifier must find every one.</summary>
public sealed class PlanVerifierTests
{
    private readonly SectionPlan _plan = SectionPlanner.PlanTraining(
        ModelGraph.Build(TestSpec.Features["both"]).Kinds[^1].Training, CpuKernels.BackEnd);

    public static TheoryData<string> Features => [.. TestSpec.Features.Keys];

    [Theory]
    [MemberData(nameof(Features))]
    public void EveryFeatureHasASoundPlan(string feature)
    {
        var plan = TrainingPlan.Create(ModelGraph.Build(TestSpec.Features[feature]), CpuKernels.BackEnd);
        foreach (var section in (SectionPlan[])[plan.Embedding, .. plan.Blocks, plan.LossAndGradient, plan.Loss, plan.Logits])
            PlanVerifier.Verify(section);
        var inference = InferencePlan.Create(plan.Model, CpuKernels.BackEnd);
        foreach (var section in (SectionPlan[])[inference.Embedding, .. inference.Blocks, inference.Logits])
            PlanVerifier.Verify(section);
    }

    [Fact]
    public void EveryOverlapOfLiveBuffersIsFound()
    {
        // Move each kept value onto each other one: all of them are alive when the backward pass starts.
        var saved = _plan.Storage.Where(s => s.Value.Kind == StorageKind.Saved).GroupBy(s => s.Value.Offset).ToList();
        Assert.True(saved.Count > 5);
        foreach (var moved in saved)
        {
            foreach (var other in saved.Where(s => s.Key != moved.Key))
            {
                var storage = _plan.Storage.ToDictionary(s => s.Key, s => s.Value);
                foreach (var (value, place) in moved)
                    storage[value] = place with { Offset = other.Key };
                Reject(_plan with { Storage = storage }, "whose memory holds something else", "over its own operand");
            }
        }
    }

    [Fact]
    public void OverlappingScratchIsFound()
    {
        var storage = _plan.Storage.ToDictionary(s => s.Key, s => s.Value);
        var scratch = storage.Where(s => s.Value.Kind == StorageKind.Scratch).Select(s => s.Key).ToList();
        foreach (var value in scratch)
            storage[value] = storage[value] with { Offset = 0 };
        Reject(_plan with { Storage = storage }, "whose memory holds something else", "over its own operand");
    }

    [Fact]
    public void AResultOverItsOwnOperandIsFound()
    {
        // A product cannot be written over its factor, even when nobody needs the factor afterwards.
        var launch = _plan.Backward.First(l => l.Kernel == "linear_input_gradient" && _plan.Storage[l["dy"]].Kind == StorageKind.Scratch);
        var storage = _plan.Storage.ToDictionary(s => s.Key, s => s.Value);
        storage[launch["dx"]] = storage[launch["dx"]] with { Kind = StorageKind.Scratch, Offset = storage[launch["dy"]].Offset };
        Reject(_plan with { Storage = storage }, $"over its own operand {launch["dy"].Name}");
    }

    [Fact]
    public void AReadBeforeTheWriteIsFound()
    {
        for (var i = 0; i + 1 < _plan.Forward.Count; i++)
        {
            if (!_plan.Forward[i + 1].Reads.Intersect(_plan.Forward[i].Writes).Any(IsInMemory))
                continue;
            var launches = _plan.Forward.ToList();
            (launches[i], launches[i + 1]) = (launches[i + 1], launches[i]);
            Reject(_plan with { Forward = launches }, "whose memory holds something else");
        }
    }

    [Fact]
    public void AMissingLaunchIsFound()
    {
        for (var i = 0; i < _plan.Forward.Count; i++)
            Reject(_plan with { Forward = [.. _plan.Forward.Where((_, at) => at != i)] }, "");
        for (var i = 0; i < _plan.Backward.Count; i++)
            Reject(_plan with { Backward = [.. _plan.Backward.Where((_, at) => at != i)] }, "");
    }

    [Fact]
    public void ALaunchThatRunsTwiceIsFound() => Reject(_plan with { Forward = [.. _plan.Forward, _plan.Forward[^1]] }, "");

    [Fact]
    public void AValueWithoutAPlaceIsFound()
    {
        var lost = _plan.Forward[^1].Writes.First();
        Reject(_plan with { Storage = _plan.Storage.Where(s => s.Key != lost).ToDictionary(s => s.Key, s => s.Value) }, "has no place");
    }

    private bool IsInMemory(Value value) => _plan.Storage[value].Kind is StorageKind.Saved or StorageKind.Scratch;

    private static void Reject(SectionPlan plan, params string[] expected)
    {
        var error = Assert.Throws<GraphException>(() => PlanVerifier.Verify(plan));
        Assert.True(expected.Any(e => error.Message.Contains(e, StringComparison.Ordinal)), error.Message);
    }
}
