using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using ModGen.Compiler.Ops;

namespace ModGen.Compiler.Graph;

/// <summary>Builds a graph node by node. Types are inferred, names made unique.</summary>
public sealed class GraphBuilder
{
    private readonly List<Value> _inputs = [];
    private readonly List<Value> _parameters = [];
    private readonly List<Node> _nodes = [];
    private readonly HashSet<string> _names = [];
    private int _nextId;

    public GraphBuilder()
    {
    }

    /// <summary>Continues <paramref name="graph"/>: its values and nodes stay as they are.</summary>
    public GraphBuilder(TensorGraph graph)
    {
        _inputs.AddRange(graph.Inputs);
        _parameters.AddRange(graph.Parameters);
        _nodes.AddRange(graph.Nodes);
        foreach (var value in _inputs.Concat(_parameters).Concat(_nodes.SelectMany(n => n.Outputs)))
        {
            _names.Add(value.Name);
            _nextId = System.Math.Max(_nextId, value.Id + 1);
        }
    }

    /// <summary>Adds a value that comes from outside.</summary>
    public Value Input(string name, TensorType type)
    {
        var value = NewValue(name, type);
        _inputs.Add(value);
        return value;
    }

    /// <summary>Adds a parameter.</summary>
    public Value Parameter(TensorType type, ParameterSpec parameter)
    {
        var value = NewValue(parameter.Key, type, parameter);
        _parameters.Add(value);
        return value;
    }

    /// <summary>Adds an operation with one result.</summary>
    public Value Add(string name, Op op, params Value[] inputs) => AddAll([name], op, inputs)[0];

    /// <summary>Adds an operation; <paramref name="names"/> name its results.</summary>
    public IReadOnlyList<Value> AddAll(string[] names, Op op, params Value[] inputs)
    {
        var types = op.Infer(inputs.Select(i => i.Type).ToList());
        if (types.Count != names.Length)
            throw new GraphException($"{op.Name} has {types.Count} results, {names.Length} were named.");
        var outputs = types.Select((type, i) => NewValue(names[i], type)).ToList();
        _nodes.Add(new Node(op, inputs, outputs));
        return outputs;
    }

    /// <summary>The graph as built so far.</summary>
    public TensorGraph Build() => new(_inputs.ToList(), _parameters.ToList(), _nodes.ToList());

    private Value NewValue(string name, TensorType type, ParameterSpec? parameter = null)
    {
        var unique = name;
        for (var i = 2; !_names.Add(unique); i++)
            unique = name + i.ToString(CultureInfo.InvariantCulture);
        return new Value(_nextId++, unique, type, parameter);
    }
}
