using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Planning;

/// <summary>The order of a section's parameters in the arena, the same for all programs of a model.</summary>
internal static class ParameterOrder
{
    /// <summary>
    /// Parameters of whole cache lines first, so that odd ones (a bias of one element) leave the matrices' rows aligned;
    /// among those, as the graph has them.
    /// </summary>
    public static IReadOnlyList<Value> Of(TensorGraph graph) =>
        graph.Parameters.OrderBy(p => p.Type.Elements % Storage.Alignment == 0 ? 0 : 1).ToList();
}
