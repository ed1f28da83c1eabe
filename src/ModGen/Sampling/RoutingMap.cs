namespace ModGen;

/// <summary>Which tokens of a sequence entered which routed layers.</summary>
/// <typeparam name="TModel">The model whose layers these are.</typeparam>
public sealed class RoutingMap<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly bool[] _entered;
    private readonly int[] _ordinals;
    private readonly int _capacity;

    internal RoutingMap()
    {
        var layers = TModel.Description.Layers;
        RoutedLayers = [.. layers.Where(layer => layer.IsRouted).Select(layer => layer.Index)];
        _capacity = TModel.Description.Context;
        _ordinals = [.. Enumerable.Repeat(-1, layers.Count)];
        for (var i = 0; i < RoutedLayers.Count; i++)
            _ordinals[RoutedLayers[i]] = i;
        _entered = new bool[RoutedLayers.Count * _capacity];
    }

    /// <summary>Indices of the routed layers, ascending.</summary>
    public IReadOnlyList<int> RoutedLayers { get; }

    /// <summary>Positions known.</summary>
    public int Length { get; internal set; }

    /// <summary>True when the token at <paramref name="position"/> entered <paramref name="layer"/>; a layer that is not routed takes every token.</summary>
    /// <param name="layer">Index among all layers.</param>
    /// <param name="position">Position in the sequence, below <see cref="Length"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such layer, or the position is not known.</exception>
    public bool Entered(int layer, int position)
    {
        TModel.Description.CheckLayer(layer);
        CheckPosition(position);
        return _ordinals[layer] is var ordinal && (ordinal < 0 || _entered[ordinal * _capacity + position]);
    }

    /// <summary>Number of routed layers that the token at <paramref name="position"/> entered.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The position is not known.</exception>
    public int Depth(int position)
    {
        CheckPosition(position);
        var depth = 0;
        for (var i = 0; i < RoutedLayers.Count; i++)
            depth += _entered[i * _capacity + position] ? 1 : 0;
        return depth;
    }

    /// <summary>Share of the positions that entered <paramref name="layer"/>, an index among all layers: its realised capacity.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such layer.</exception>
    public double Share(int layer)
    {
        TModel.Description.CheckLayer(layer);
        var entered = 0;
        for (var position = 0; position < Length; position++)
            entered += Entered(layer, position) ? 1 : 0;
        return Length == 0 ? 0 : (double)entered / Length;
    }

    internal void Set(int layer, int position, bool entered) => _entered[_ordinals[layer] * _capacity + position] = entered;

    private void CheckPosition(int position)
    {
        if ((uint)position >= (uint)Length)
            throw new ArgumentOutOfRangeException(nameof(position), $"Position {position} is not known: the map holds {Length}.");
    }
}
