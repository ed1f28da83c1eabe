using ModGen.Compiler.Autodiff;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Oracle;

namespace ModGen.Compiler.Tests;

/// <summary>What differentiation adds to a section, and what it refuses.</summary>
public sealed class DifferentiatorTests
{
    public static TheoryData<string> Features => [.. TestSpec.Features.Keys];

    [Theory]
    [MemberData(nameof(Features))]
    public void ForwardNodesStayAndBackwardNodesAreUsed(string feature)
    {
        foreach (var kind in ModelGraph.Build(TestSpec.Features[feature]).Kinds)
        {
            var section = Differentiator.Differentiate(kind.Training);
            GraphVerifier.Verify(section.Graph, kind.Name);
            Assert.Equal(kind.Training.Graph.Nodes, section.Graph.Nodes.Take(section.ForwardNodes));
            var wanted = section.ParameterGradients.Select(g => g.Gradient).Append(section.GradientOut!).ToHashSet();
            foreach (var node in section.Graph.Nodes.Skip(section.ForwardNodes))
                Assert.True(node.Outputs.Any(o => wanted.Contains(o) || section.Graph.Uses(o).Any()), $"{node} is computed for nothing.");
        }
    }

    [Fact]
    public void AGradientAddsUpOverEveryUse()
    {
        var graph = new GraphBuilder();
        var p = graph.Parameter(TensorType.Fixed(3), Key("p"));
        var twice = graph.Add("twice", new Add(), p, p);
        var thrice = graph.Add("thrice", new Add(), twice, p);
        var section = Differentiator.Differentiate(new Section("Sum", graph.Build(), null, thrice, [], []));

        var values = GraphInterpreter.Run(section.Graph, new Dictionary<Value, Tensor>
        {
            [p] = new(p.Type, [1, 2, 3]),
            [section.GradientIn!] = new(thrice.Type, [1, 10, 100]),
        });

        Assert.Equal([3, 30, 300], values[section.ParameterGradients[0].Gradient].Values);
    }

    [Fact]
    public void AParameterThatNothingDependsOnIsRefused()
    {
        var graph = new GraphBuilder();
        var used = graph.Parameter(TensorType.Fixed(3), Key("used"));
        var idle = graph.Parameter(TensorType.Fixed(3), Key("idle"));
        var stopped = graph.Add("stopped", new StopGradient(), idle);
        var sum = graph.Add("sum", new Add(), used, stopped);

        var error = Assert.Throws<GraphException>(() => Differentiator.Differentiate(new Section("Idle", graph.Build(), null, sum, [], [])));

        Assert.Contains("Parameter idle of Idle has no gradient", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnOpWithoutARuleIsRefused()
    {
        var graph = new GraphBuilder();
        var p = graph.Parameter(TensorType.Fixed(3), Key("p"));
        var y = graph.Add("y", new SiluGradient(), p, p);

        var error = Assert.Throws<GraphException>(() => Differentiator.Differentiate(new Section("Second", graph.Build(), null, y, [], [])));

        Assert.Contains("SiluGradient has no gradient rule", error.Message, StringComparison.Ordinal);
    }

    private static ParameterSpec Key(string key) => new(key, default, InitialValue.Zeros, 0, Decays: false);
}
