using System.Reflection;
using ModGen.Compiler.Autodiff;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Oracle;

namespace ModGen.Compiler.Tests;

/// <summary>Every gradient rule against central differences of the operation's own meaning.</summary>
public sealed class OpGradientTests
{
    public static TheoryData<string> Cases => [.. OpCases.All.Keys];

    [Theory]
    [MemberData(nameof(Cases))]
    public void AGradientRuleIsTheDerivative(string name)
    {
        var (section, given) = Build(OpCases.All[name]);
        var differentiated = Differentiator.Differentiate(section);
        var random = new Gaussian(7);
        var seed = new Dictionary<Value, Tensor>(given);
        if (differentiated.LossScale is { } scale)
            seed[scale] = new Tensor(scale.Type, [0.6]);
        if (differentiated.GradientIn is { } gradientIn)
            seed[gradientIn] = new Tensor(gradientIn.Type, random.Next(gradientIn.Type.Elements * OpCases.Batch));

        var values = GraphInterpreter.Run(differentiated.Graph, seed);

        foreach (var (parameter, gradient) in differentiated.ParameterGradients)
        {
            var numerical = Numerical.Gradient(given[parameter].Values, Objective);
            Assert.True(Close.Norm(numerical) > 1e-3, "The case is degenerate: its gradient vanishes.");
            Close.Check(numerical, values[gradient].Values, Numerical.Tolerance, $"{name}, gradient of {parameter.Name}");
        }

        double Objective()
        {
            var results = GraphInterpreter.Run(section.Graph, given);
            return section.StreamOut is { } output
                ? OpMeaning.Dot(results[output].Values, seed[differentiated.GradientIn!].Values)
                : 0.6 * results[section.LossTerms[0]].Values[0];
        }
    }

    [Fact]
    public void EveryGradientRuleHasACase()
    {
        var rules = typeof(Op).Assembly.GetTypes()
            .Where(t => t.IsSubclassOf(typeof(Op)) && t.GetMethod(nameof(Op.Gradient), BindingFlags.Public | BindingFlags.Instance)!.DeclaringType == t)
            .ToList();
        Assert.NotEmpty(rules);
        Assert.Equal([], rules.Except(OpCases.All.Values.Select(c => c.Op.GetType())).Select(t => t.Name));
    }

    [Fact]
    public void SelectionsPassNoGradient()
    {
        var stops = typeof(Op).Assembly.GetTypes().Where(t => !t.IsInterface && t.IsAssignableTo(typeof(IStopsGradient))).Select(t => t.Name);
        Assert.Equal(["CausalSelect", "RandomScores", "StopGradient", "TopK"], stops.Order(StringComparer.Ordinal));
    }

    /// <summary>The operation as a section whose float inputs are parameters, so that the gradient of each is asked for.</summary>
    private static (Section Section, Dictionary<Value, Tensor> Given) Build(OpCase test)
    {
        var graph = new GraphBuilder();
        var random = new Gaussian(3);
        var given = new Dictionary<Value, Tensor>();
        var integers = 0;
        var inputs = test.Inputs.Select((type, i) =>
        {
            var key = $"input{i}";
            var isInteger = type.Element == ElementType.Int32;
            var value = isInteger ? graph.Input(key, type) : graph.Parameter(type, new ParameterSpec(key, default, InitialValue.Zeros, 0, false));
            given[value] = isInteger
                ? Tensor.Integers(type, test.Integers[integers++])
                : new Tensor(type, random.Next(type.Elements * (type.GrowsWithBatch ? OpCases.Batch : 1)));
            return value;
        }).ToArray();
        var results = test.Op.Infer([.. test.Inputs]).Count;
        var output = graph.AddAll([.. Enumerable.Range(0, results).Select(i => $"result{i}")], test.Op, inputs)[0];
        var isLoss = output.Type == TensorType.Scalar;
        var section = new Section("Case", graph.Build(), null, isLoss ? null : output, isLoss ? [output] : [], []);
        return (section, given);
    }
}
