using ModGen.Compiler.Graph;

namespace ModGen.Oracle;

/// <summary>Parameters of a model by their names in weights files, in float64.</summary>
public sealed class ModelParameters
{
    private readonly Dictionary<string, double[]> _values;

    private ModelParameters(Dictionary<string, double[]> values) => _values = values;

    /// <summary>Names, in the order of the model's sections.</summary>
    public IReadOnlyCollection<string> Names => _values.Keys;

    public double[] this[string name] => _values[name];

    /// <summary>Zeros for every parameter of <paramref name="model"/>.</summary>
    public static ModelParameters Zeros(ModelGraph model) =>
        new(PiecesOf(model).ToDictionary(p => p.Name, p => new double[p.Extents.Aggregate(1, (n, e) => n * e)]));

    /// <summary>
    /// Random values away from every special point: gains around one, biases around zero, matrices as large as they start,
    /// times <paramref name="scale"/>. Rounded to float32, so that both sides compute from the same numbers.
    /// </summary>
    public static ModelParameters Random(ModelGraph model, int seed, double scale = 2)
    {
        var random = new Gaussian(seed);
        var result = Zeros(model);
        foreach (var (name, extents) in PiecesOf(model))
        {
            var deviation = extents.Count == 1 ? 0.2 : scale * 0.64 / Math.Sqrt(extents[1]);
            var mean = name.EndsWith("norm.weight", StringComparison.Ordinal) ? 1 : 0;
            var values = result[name];
            for (var i = 0; i < values.Length; i++)
                values[i] = (float)(mean + deviation * random.Next());
        }

        return result;
    }

    /// <summary>The tensor of a graph's parameter in a layer: its pieces stacked.</summary>
    public Tensor Stack(Value parameter, int layer) =>
        new(parameter.Type, [.. parameter.Parameter!.Pieces.SelectMany(p => this[NameIn(p, layer)])]);

    /// <summary>Adds the gradient of a stacked parameter to its pieces.</summary>
    public void AddStacked(Value parameter, int layer, double[] gradient)
    {
        var from = 0;
        foreach (var piece in parameter.Parameter!.Pieces)
        {
            var values = this[NameIn(piece, layer)];
            for (var i = 0; i < values.Length; i++)
                values[i] += gradient[from++];
        }
    }

    /// <summary>A copy to change.</summary>
    public ModelParameters Copy() => new(_values.ToDictionary(p => p.Key, p => (double[])p.Value.Clone()));

    private static IEnumerable<(string Name, IReadOnlyList<int> Extents)> PiecesOf(ModelGraph model) =>
        Of(model.Embedding, 0)
            .Concat(Enumerable.Range(0, model.Spec.Layers).SelectMany(layer => Of(model.KindOf(layer).Training, layer)))
            .Concat(Of(model.Loss, 0))
            .DistinctBy(p => p.Name);

    private static IEnumerable<(string Name, IReadOnlyList<int> Extents)> Of(Section section, int layer) =>
        section.Graph.Parameters.SelectMany(p => p.Parameter!.Pieces).Select(p => (NameIn(p, layer), (IReadOnlyList<int>)p.Extents));

    private static string NameIn(ParameterPiece piece, int layer) =>
        piece.Name.Replace("{layer}", layer.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal);
}

/// <summary>Normal numbers from a seed.</summary>
public sealed class Gaussian(int seed)
{
    private readonly Random _random = new(seed);

    public double Next() => Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble());

    public double[] Next(long count)
    {
        var values = new double[count];
        for (var i = 0; i < count; i++)
            values[i] = Next();
        return values;
    }

    public int Below(int bound) => _random.Next(bound);

    public int[] Below(int bound, int count) => [.. Enumerable.Range(0, count).Select(_ => _random.Next(bound))];
}
