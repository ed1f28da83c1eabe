using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Autodiff;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;

namespace ModGen.Compiler.Planning;

/// <summary>
/// A router whose loss sends a gradient into every row of the stream. Rows that its block left alone are the same behind it, so
/// that the section above, which has them and their gradient in registers, adds that: d · w to the gradient of the stream and d · x to
/// that of w, with d = σ(score) · dloss / rows.
/// </summary>
/// <param name="Scores">(T) the router's scores.</param>
/// <param name="Selected">(k) the rows that entered: their part is the block's own.</param>
/// <param name="Router">The router's weights.</param>
/// <param name="LossWeight">What its loss is weighted with.</param>
public sealed record PassingRouter(Value Scores, Value Selected, Value Router, double LossWeight);

/// <summary>
/// A routed block whose backward pass touches the rows that entered and no others. It reads these as they were gathered, so that the
/// block may update the stream in place.
/// </summary>
/// <param name="Graph">Its graph.</param>
/// <param name="Passing">What that leaves to the section above, or null when it is nothing.</param>
internal sealed record EnteredGradients(TensorGraph Graph, PassingRouter? Passing)
{
    /// <summary>The block's graph with all that its backward pass does to the stream's gradient done to the rows that entered; null where it has another form.</summary>
    /// <param name="graph">Forward nodes, then backward nodes.</param>
    /// <param name="gradients">The differentiated section.</param>
    /// <param name="rounded">The gradient of the stream as operands.</param>
    public static EnteredGradients? Of(TensorGraph graph, DifferentiatedSection gradients, GradientRounding rounded)
    {
        var m = new Matcher(graph, []);
        if (gradients.GradientIn is not { } gradientIn || gradients.GradientOut is not { } gradientOut || m.Producer<Add>(gradientOut) is not { } last)
            return null;
        var router = graph.Nodes.FirstOrDefault(n => n.Op is RouterWeightGradient && n.Inputs[0] == gradients.Section.StreamIn);
        var entered = router is null ? last : m.Producer<Add>(last.Inputs[0]);
        if (entered is null || entered.Inputs[0] != gradientIn || m.Producer<ScatterRows>(entered.Inputs[1]) is not { } scatter)
            return null;
        var found = router is null ? new EnteredGradients(graph, null) : OfRouter(graph, m, router, scatter, entered, last);
        if (found is null || ReadsAgain(found.Graph, gradients.Section))
            return null;
        return rounded.Out is null ? found : found with { Graph = RoundedInPlace(found.Graph, rounded, gradientOut, scatter.Inputs[1]) };
    }

    /// <summary>True when the section's input is read behind its result.</summary>
    private static bool ReadsAgain(TensorGraph graph, Section section) =>
        graph.Nodes.SkipWhile(n => n.Output != section.StreamOut).Skip(1).Any(n => n.Inputs.Contains(section.StreamIn!));

    private static EnteredGradients? OfRouter(TensorGraph graph, Matcher m, Node router, Node scatter, Node entered, Node last)
    {
        var (dscores, indices) = (router.Inputs[1], scatter.Inputs[1]);
        var sum = m.Producer<Add>(dscores);
        var gate = m.Producer<GateGradient>(sum?.Inputs[0] ?? dscores);
        var loss = sum is null ? null : m.Producer<RoutingLossGradient>(sum.Inputs[1]);
        var input = m.Use<RouterInputGradient>(dscores);
        var gather = m.Uses(router.Inputs[0]).FirstOrDefault(n => n.Op is GatherRows && n.Inputs[1] == indices);
        if (gate is null || gate.Inputs[2] != indices || input is null || last.Inputs[1] != input.Output || gather is null)
            return null;
        if (sum is not null && (loss is null || loss.Inputs[1] != indices))
            return null;
        var nextId = graph.Inputs.Concat(graph.Parameters).Concat(graph.Nodes.SelectMany(n => n.Outputs)).Max(v => v.Id) + 1;
        Value New(Value old, TensorType type) => new(nextId++, old.Name + "Entered", type);

        var dentered = New(gate.Output, indices.Type with { Element = ElementType.Float32 });
        var change = New(input.Output, scatter.Inputs[0].Type);
        var both = New(entered.Output, change.Type);
        var scattered = New(scatter.Output, scatter.Output.Type);
        List<Node> end =
        [
            new(new EnteredScoresGradient(((GateGradient)gate.Op).Kind), loss is null ? gate.Inputs : [.. gate.Inputs, loss.Inputs[0], loss.Inputs[2]], [dentered]),
            new(new RouterInputGradient(), [dentered, input.Inputs[1]], [change]),
            new(new Add(), [scatter.Inputs[0], change], [both]),
            new(new ScatterRows(scattered.Type), [both, indices], [scattered]),
            new(new Add(), [entered.Inputs[0], scattered], [last.Output]),
        ];
        Node?[] gone = [gate, sum, loss, scatter, entered, input];
        var nodes = graph.Nodes.Where(n => !gone.Contains(n)).SelectMany(n =>
            n == last ? end
            : n == router ? [new Node(new RouterWeightGradient(), [gather.Output, dentered], router.Outputs)]
            : (IEnumerable<Node>)[n]);
        return new EnteredGradients(
            new TensorGraph(graph.Inputs, graph.Parameters, nodes.ToList()),
            loss is null ? null : new PassingRouter(loss.Inputs[0], indices, input.Inputs[1], (m.Producer<Scale>(loss.Inputs[2])?.Op as Scale)?.Factor ?? 1));
    }

    /// <summary>The rounding of the outgoing gradient over that of the incoming one: most rows are the same.</summary>
    private static TensorGraph RoundedInPlace(TensorGraph graph, GradientRounding rounded, Value gradientOut, Value indices) => rounded.In is not { } given
        ? throw new GraphException($"{rounded.Out} is the rounding of a few rows alone.")
        : new TensorGraph(
            graph.Inputs, graph.Parameters,
            [.. graph.Nodes.Select(n => n.Outputs[0] == rounded.Out ? new Node(new NarrowRows(), [gradientOut, given, indices], n.Outputs) : n)]);
}
