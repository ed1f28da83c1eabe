namespace ModGen.Programs;

/// <summary>Numbers the routed layers among themselves.</summary>
internal sealed class RoutedLayers
{
    private readonly int[] _ordinals;

    public RoutedLayers(IReadOnlyList<LayerDescription> layers)
    {
        _ordinals = new int[layers.Count];
        for (var layer = 0; layer < _ordinals.Length; layer++)
            _ordinals[layer] = layers[layer].IsRouted ? Count++ : -1;
    }

    public int Count { get; }

    /// <summary>The number of a layer among the routed ones.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The layer is not routed, or there is none such.</exception>
    public int this[int layer] =>
        (uint)layer < (uint)_ordinals.Length && _ordinals[layer] >= 0 ? _ordinals[layer] : throw new ArgumentOutOfRangeException(nameof(layer), $"Layer {layer} is not routed.");
}
