using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;

namespace ModGen.Compiler.Autodiff;

/// <summary>What a gradient rule sees: one node, the gradients of its results, and a place to add nodes.</summary>
public sealed class GradientScope
{
    private readonly Differentiator _differentiator;
    private readonly Node _node;

    internal GradientScope(Differentiator differentiator, Node node)
    {
        _differentiator = differentiator;
        _node = node;
    }

    /// <summary>Gradient of the loss with respect to the first result.</summary>
    public Value Upstream => _differentiator.GradientOf(_node.Output)
        ?? throw new GraphException($"No gradient reached {_node}.");

    /// <summary>An input of the node.</summary>
    public Value Input(int index) => _node.Inputs[index];

    /// <summary>Number of inputs.</summary>
    public int Inputs => _node.Inputs.Count;

    /// <summary>A result of the node.</summary>
    public Value Output(int index) => _node.Outputs[index];

    /// <summary>True when the gradient of input <paramref name="index"/> is of use to anyone.</summary>
    public bool Needs(int index) => _differentiator.IsWanted(_node.Inputs[index]);

    /// <summary>Adds an operation whose only result is the contribution to input <paramref name="index"/>, if that is wanted.</summary>
    public void Contribute(int index, Op op, params Value[] inputs)
    {
        if (Needs(index))
            Contribute(index, _differentiator.Builder.Add("d" + _node.Inputs[index].Name, op, inputs));
    }

    /// <summary>Adds <paramref name="gradient"/> to the gradient of input <paramref name="index"/>.</summary>
    public void Contribute(int index, Value gradient)
    {
        if (Needs(index))
            _differentiator.Contribute(_node.Inputs[index], gradient);
    }

    /// <summary>Adds an operation whose results are the contributions to the given inputs, in order.</summary>
    public void ContributeAll(int[] indices, Op op, params Value[] inputs)
    {
        var names = indices.Select(i => "d" + _node.Inputs[i].Name).ToArray();
        IReadOnlyList<Value> gradients = _differentiator.Builder.AddAll(names, op, inputs);
        for (var i = 0; i < indices.Length; i++)
            Contribute(indices[i], gradients[i]);
    }
}
