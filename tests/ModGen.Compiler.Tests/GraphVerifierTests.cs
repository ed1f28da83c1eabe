using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Oracle;

namespace ModGen.Compiler.Tests;

/// <summary>The verifier between stages finds each kind of defect, and names the node.</summary>
public sealed class GraphVerifierTests
{
    private readonly TensorGraph _graph = ModelGraph.Build(TestSpec.Features["both"]).Kinds[^1].Training.Graph;

    [Fact]
    public void ASoundGraphPasses() => GraphVerifier.Verify(_graph, "sound");

    [Fact]
    public void AReadBeforeTheWriteIsFound()
    {
        var nodes = _graph.Nodes.ToList();
        var late = nodes.FindIndex(n => n.Op is SwiGlu);
        (nodes[late - 1], nodes[late]) = (nodes[late], nodes[late - 1]);
        Reject(nodes, "reads gateUp before it is written");
    }

    [Fact]
    public void AMissingNodeIsFound() =>
        Reject(_graph.Nodes.Where(n => n.Op is not GatherRows), "reads gathered before it is written");

    [Fact]
    public void AWrongTypeIsFound()
    {
        var nodes = _graph.Nodes.ToList();
        var at = nodes.FindIndex(n => n.Op is RouterScores);
        var narrow = nodes[at].Output with { Type = TensorType.Batched(4) };
        nodes[at] = new Node(nodes[at].Op, nodes[at].Inputs, [narrow]);
        Reject(nodes, "has types that its inputs do not imply");
    }

    [Fact]
    public void AnOperandThatDoesNotFitIsFound()
    {
        var nodes = _graph.Nodes.ToList();
        var at = nodes.FindIndex(n => n.Op is ScatterAddRows);
        nodes[at] = new Node(nodes[at].Op, [nodes[at].Inputs[0], nodes[at].Inputs[1], nodes[at].Inputs[0]], nodes[at].Outputs);
        Reject(nodes, "ScatterAddRows does not take");
    }

    [Fact]
    public void ASecondWriteIsFound() => Reject(_graph.Nodes.Append(_graph.Nodes[0]), "is written twice");

    [Fact]
    public void ASharedNameIsFound()
    {
        var twin = _graph.Inputs[0] with { Id = 1000 };
        var error = Assert.Throws<GraphException>(() => GraphVerifier.Verify(new TensorGraph([.. _graph.Inputs, twin], _graph.Parameters, _graph.Nodes), "planted"));
        Assert.Contains("two values are called x", error.Message, StringComparison.Ordinal);
    }

    private void Reject(IEnumerable<Node> nodes, string expected)
    {
        var error = Assert.Throws<GraphException>(() => GraphVerifier.Verify(new TensorGraph(_graph.Inputs, _graph.Parameters, [.. nodes]), "planted"));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }
}
