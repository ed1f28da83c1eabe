using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Planning;

/// <summary>The kernels of one section in order, and where every value lies.</summary>
/// <param name="Section">The section.</param>
/// <param name="Graph">What the launches compute: forward nodes, then backward nodes.</param>
/// <param name="Forward">Launches of the forward pass.</param>
/// <param name="Backward">Launches of the backward pass; empty without one.</param>
/// <param name="Storage">The place of every value that a launch touches.</param>
/// <param name="Parameters">Parameters of the section.</param>
/// <param name="ParameterExtent">Elements that they take in the arena: each starts on a cache line.</param>
/// <param name="Saved">Elements a sequence that each layer keeps for its backward pass.</param>
/// <param name="Scratch">Largest need of shared scratch, elements a sequence.</param>
/// <param name="Gradients">The differentiated section, or null.</param>
/// <param name="Rounded">The gradient of the stream as operands, where it comes and where it goes so.</param>
/// <param name="Passing">What the section's router leaves to the section above, or null.</param>
public sealed record SectionPlan(
    Section Section,
    TensorGraph Graph,
    IReadOnlyList<Launch> Forward,
    IReadOnlyList<Launch> Backward,
    IReadOnlyDictionary<Value, Storage> Storage,
    long Parameters,
    long ParameterExtent,
    Footprint Saved,
    Footprint Scratch,
    Autodiff.DifferentiatedSection? Gradients,
    GradientRounding Rounded = default,
    PassingRouter? Passing = null)
{
    /// <summary>The launch that ends the backward pass with the gradient of a norm of the stream, row by row; null where something else does.</summary>
    public Launch? NormOfStream => Backward.FirstOrDefault(l =>
        Gradients?.GradientOut is { } gradientOut && l.Writes.Contains(gradientOut) && l.Nodes.Any(n => n.Op is Ops.RmsNormGradient && n.Inputs[1] == Section.StreamIn));

    /// <summary>The launch that begins the forward pass with a norm of the stream alone, kept for the backward pass; null where something else does.</summary>
    public Launch? FirstNorm => Forward.FirstOrDefault(l =>
        l.Nodes.Count == 1 && l.Nodes[0] is { Op: Ops.RmsNorm } norm && norm.Inputs[0] == Section.StreamIn && norm.Outputs.All(o => Storage[o].Kind == StorageKind.Saved));

    /// <summary>The launch of a routed block that reads the whole stream for the router's scores; null where rows that pass by are not left as they are.</summary>
    public Launch? ScoresOfStream => UpdatesInPlace ? Forward.FirstOrDefault(l => l.Nodes.Any(n => n.Op is Ops.RouterScores && n.Inputs[0] == Section.StreamIn)) : null;

    /// <summary>True when the section's result lies over the stream that it reads.</summary>
    public bool UpdatesInPlace => Section.StreamOut is { } streamOut && Storage[streamOut].Kind == StorageKind.StreamIn;
}
