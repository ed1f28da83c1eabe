using System.Collections.Generic;
using System.Linq;

namespace ModGen.Compiler.Graph;

/// <summary>Checks what every stage may rely on: types follow from inputs, every value is written once and before it is read, names are unique.</summary>
public static class GraphVerifier
{
    /// <exception cref="GraphException">The graph breaks a rule; the message names the node.</exception>
    public static void Verify(TensorGraph graph, string name)
    {
        HashSet<Value> defined = [.. graph.Inputs, .. graph.Parameters];
        foreach (var node in graph.Nodes)
        {
            foreach (var input in node.Inputs)
                if (!defined.Contains(input))
                    throw new GraphException($"{name}: {node} reads {input.Name} before it is written.");
            var types = node.Op.Infer(node.Inputs.Select(i => i.Type).ToList());
            if (!types.SequenceEqual(node.Outputs.Select(o => o.Type)))
                throw new GraphException($"{name}: {node} has types that its inputs do not imply.");
            foreach (var output in node.Outputs)
                if (!defined.Add(output))
                    throw new GraphException($"{name}: {output.Name} is written twice.");
        }

        var names = new HashSet<string>();
        foreach (var value in defined)
            if (!names.Add(value.Name))
                throw new GraphException($"{name}: two values are called {value.Name}.");
    }
}
