using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;

namespace ModGen.Oracle;

/// <summary>Runs nodes in order over float64 values: the meaning of a graph before anything is fused or planned.</summary>
public static class GraphInterpreter
{
    /// <summary>Runs a whole graph.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="given">A tensor for every input and parameter.</param>
    /// <param name="context">What operations need beside their inputs.</param>
    /// <returns>Every value of the graph.</returns>
    public static Dictionary<Value, Tensor> Run(TensorGraph graph, IReadOnlyDictionary<Value, Tensor> given, OpContext? context = null)
    {
        var values = new Dictionary<Value, Tensor>(given);
        Run(graph.Nodes, values, context ?? new OpContext());
        return values;
    }

    /// <summary>Runs nodes and adds their results to <paramref name="values"/>.</summary>
    public static void Run(IEnumerable<Node> nodes, Dictionary<Value, Tensor> values, OpContext context)
    {
        foreach (var node in nodes)
        {
            var results = OpMeaning.Evaluate(node.Op, [.. node.Inputs.Select(i => context.RoundsOperands && ReadsOperands(node.Op) ? Rounded(values[i]) : values[i])], context);
            for (var i = 0; i < results.Length; i++)
                values.Add(node.Outputs[i], new Tensor(node.Outputs[i].Type, results[i]));
        }
    }

    private static bool ReadsOperands(Op op) => op is
        Linear or LinearInputGradient or LinearWeightGradient or CausalAttention or CausalAttentionGradient or CachedAttention or SwiGlu or SwiGluGradient;

    /// <summary>To the nearest bfloat16, ties to even.</summary>
    private static Tensor Rounded(Tensor tensor) => tensor.Type.Element == ElementType.Int32 ? tensor : new Tensor(tensor.Type, Array.ConvertAll(tensor.Values, value =>
    {
        var bits = BitConverter.SingleToUInt32Bits((float)value);
        return (double)BitConverter.UInt32BitsToSingle((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000);
    }));
}
