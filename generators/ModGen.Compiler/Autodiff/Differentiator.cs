using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;

namespace ModGen.Compiler.Autodiff;

/// <summary>Reverse-mode differentiation of a section: walks the gradient rules of its nodes backwards.</summary>
internal sealed class Differentiator
{
    private readonly Dictionary<Value, Value> _gradients = [];
    private readonly HashSet<Value> _wanted = [];

    private Differentiator(Section section)
    {
        Builder = new GraphBuilder(section.Graph);
        if (section.StreamIn is { } stream)
            _wanted.Add(stream);
        _wanted.UnionWith(section.Graph.Parameters);
        foreach (var node in section.Graph.Nodes)
            if (node.Op is not IStopsGradient && node.Inputs.Any(_wanted.Contains))
                _wanted.UnionWith(node.Outputs);
    }

    public GraphBuilder Builder { get; }

    /// <summary>
    /// Extends the section's graph by its backward pass. The gradient of the outgoing stream and the scale of the loss
    /// come from outside.
    /// </summary>
    public static DifferentiatedSection Differentiate(Section section)
    {
        var d = new Differentiator(section);
        Value? gradientIn = null;
        if (section.StreamOut is { } streamOut)
        {
            gradientIn = d.Builder.Input("d" + streamOut.Name, streamOut.Type);
            d._gradients[streamOut] = gradientIn;
        }

        Value? lossScale = null;
        foreach (var term in section.LossTerms)
            d._gradients[term] = lossScale ??= d.Builder.Input("lossScale", TensorType.Scalar);

        foreach (var node in section.Graph.Nodes.Reverse())
            if (node.Outputs.Any(d._gradients.ContainsKey) && node.Inputs.Any(d.IsWanted) && node.Op is not IStopsGradient)
                node.Op.Gradient(new GradientScope(d, node));

        var parameterGradients = section.Graph.Parameters
            .Select(p => new ParameterGradient(p, d.GradientOf(p) ?? throw new GraphException($"Parameter {p.Name} of {section.Name} has no gradient.")))
            .ToEquatableArray();
        var gradientOut = section.StreamIn is { } streamIn ? d.GradientOf(streamIn) : null;
        return new DifferentiatedSection(
            section, d.Builder.Build(), section.Graph.Nodes.Count, gradientIn, gradientOut, lossScale, parameterGradients);
    }

    public Value? GradientOf(Value value) => _gradients.TryGetValue(value, out var gradient) ? gradient : null;

    public bool IsWanted(Value value) => _wanted.Contains(value);

    public void Contribute(Value value, Value gradient) =>
        _gradients[value] = _gradients.TryGetValue(value, out var sum)
            ? Builder.Add("d" + value.Name, new Add(), sum, gradient)
            : gradient;
}

/// <summary>Marks operations through which no gradient flows: selections and stop-gradient.</summary>
internal interface IStopsGradient;

/// <summary>The gradient of one parameter.</summary>
public sealed record ParameterGradient(Value Parameter, Value Gradient);

/// <summary>A section with its backward pass.</summary>
/// <param name="Section">The forward section.</param>
/// <param name="Graph">Forward nodes, then backward nodes.</param>
/// <param name="ForwardNodes">How many of the nodes are forward.</param>
/// <param name="GradientIn">Gradient of the outgoing stream: an input.</param>
/// <param name="GradientOut">Gradient of the incoming stream.</param>
/// <param name="LossScale">What the gradient of the total loss is multiplied by: an input.</param>
/// <param name="ParameterGradients">To be added to the gradient arena.</param>
public sealed record DifferentiatedSection(
    Section Section,
    TensorGraph Graph,
    int ForwardNodes,
    Value? GradientIn,
    Value? GradientOut,
    Value? LossScale,
    EquatableArray<ParameterGradient> ParameterGradients);
