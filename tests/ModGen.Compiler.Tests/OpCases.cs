using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Spec;

namespace ModGen.Compiler.Tests;

/// <summary>An operation on odd sizes, to be differentiated. Float inputs are random; integer inputs are given.</summary>
internal sealed record OpCase(Op Op, TensorType[] Inputs, params int[][] Integers);

/// <summary>One case or more for every operation with a gradient rule; two sequences each.</summary>
internal static class OpCases
{
    public const int Batch = 2;

    private static readonly int[] Positions = [0, 1, 2, 3, 4, 0, 1, 2, 3, 4];
    private static readonly int[] Selected = [1, 3, 4, 0, 1, 4];

    public static IReadOnlyDictionary<string, OpCase> All { get; } = new Dictionary<string, OpCase>
    {
        ["add"] = new(new Add(), [Rows(3), Rows(3)]),
        ["scale"] = new(new Scale(-0.7), [Rows(3)]),
        ["silu"] = new(new Silu(), [Rows(3)]),
        ["swiglu"] = new(new SwiGlu(), [Rows(6)]),
        ["linear"] = new(new Linear(), [Rows(3), TensorType.Fixed(7, 3)]),
        ["linear with bias"] = new(new Linear(), [Rows(3), TensorType.Fixed(7, 3), TensorType.Fixed(7)]),
        ["embedding"] = new(new Embedding(), [Indices(5), TensorType.Fixed(6, 3)], [5, 0, 2, 2, 1, 0, 0, 4, 3, 2]),
        ["norm"] = new(new RmsNorm(1e-2), [Rows(7), TensorType.Fixed(7)]),
        ["rotary"] = new(new Rotary(2, 4, 50), [Rows(11), Indices(5)], Positions),
        ["rotary of selected"] = new(new Rotary(1, 2, 50), [TensorType.Batched(3, 2), Indices(3)], Selected),
        ["attention"] = new(new CausalAttention(3, 3, 4), [Rows(36)]),
        ["attention of grouped heads"] = new(new CausalAttention(6, 2, 2), [Rows(20)]),
        ["attention to one head"] = new(new CausalAttention(3, 1, 2), [Rows(10)]),
        ["cross-entropy"] = new(new CrossEntropy(), [Rows(6), Indices(5)], [5, 0, 2, -1, 1, -1, -1, 4, 3, 2]),
        ["router"] = new(new RouterScores(), [Rows(7), TensorType.Fixed(1, 7)]),
        ["identity gate"] = new(new Gate(GateKind.Identity), [TensorType.Batched(5), Indices(3)], Selected),
        ["sigmoid gate"] = new(new Gate(GateKind.Sigmoid), [TensorType.Batched(5), Indices(3)], Selected),
        ["tanh gate"] = new(new Gate(GateKind.Tanh), [TensorType.Batched(5), Indices(3)], Selected),
        ["routing loss"] = new(new RoutingLoss(), [TensorType.Batched(5), Indices(3)], Selected),
        ["routing loss of a column"] = new(new RoutingLoss(), [Rows(1), Indices(3)], Selected),
        ["gather"] = new(new GatherRows(), [Rows(7), Indices(3)], Selected),
        ["scatter-add"] = new(new ScatterAddRows(), [Rows(7), Indices(3), TensorType.Batched(3, 7)], Selected),
        ["scale rows"] = new(new ScaleRows(), [TensorType.Batched(3, 7), TensorType.Batched(3)]),
    };

    private static TensorType Rows(int width) => TensorType.Batched(5, width);

    private static TensorType Indices(int count) => TensorType.BatchedIntegers(count);
}
