using System.Collections.Generic;
using ModGen.Compiler.Autodiff;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Ops;

/// <summary>Rows of the table (V, D) by token id. Inputs: tokens (…), table.</summary>
public sealed record Embedding : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 2 && inputs[0].Element == ElementType.Int32 && inputs[1].Extents.Count == 2, inputs);
        var extents = new List<int>(inputs[0].Extents) { inputs[1].Last };
        return [new TensorType(ElementType.Float32, inputs[0].Leading, extents.ToEquatableArray())];
    }

    public override void Gradient(GradientScope scope) =>
        scope.Contribute(1, new EmbeddingGradient(scope.Input(1).Type.Extents[0]), scope.Input(0), scope.Upstream);
}

/// <summary>Gradient of the table: rows of dy added up by token id, in row order. Inputs: tokens, dy.</summary>
public sealed record EmbeddingGradient(int Vocabulary) : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs) => [TensorType.Fixed(Vocabulary, inputs[1].Last)];
}
