namespace ModGen;

/// <summary>What a model's declaration says and costs. The generator writes one for every model.</summary>
public sealed record ModelDescription
{
    /// <summary>The class's full name.</summary>
    public required string Name { get; init; }

    /// <summary>Hash of the declaration: checkpoints of another declaration are refused by it.</summary>
    public required string Fingerprint { get; init; }

    /// <summary>Number of token ids.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int Width { get; init; }

    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Key/value heads.</summary>
    public required int KeyValueHeads { get; init; }

    /// <summary>Width of one head.</summary>
    public required int HeadWidth { get; init; }

    /// <summary>Hidden width of the MLP.</summary>
    public required int FeedForward { get; init; }

    /// <summary>Positions of a training sequence.</summary>
    public required int Context { get; init; }

    /// <summary>True when the head shares the embedding's matrix.</summary>
    public required bool TiedHead { get; init; }

    /// <summary>Base of the rotary embedding.</summary>
    public required double RotaryBase { get; init; }

    /// <summary>ε of RMSNorm.</summary>
    public required double NormEpsilon { get; init; }

    /// <summary>Number of parameters.</summary>
    public required long Parameters { get; init; }

    /// <summary>FLOPs of the forward pass a token of a full context; a multiply-add counts 2, causal attention half.</summary>
    public required double FlopsPerToken { get; init; }

    /// <summary>The same for the model with every block dense.</summary>
    public required double DenseFlopsPerToken { get; init; }

    /// <summary>Bytes of activations a sequence of a training batch, in float32 on the CPU.</summary>
    public required long ActivationBytesPerSequence { get; init; }

    /// <summary>One entry a layer.</summary>
    public required IReadOnlyList<LayerDescription> Layers { get; init; }

    /// <summary>True when tokens may pass some layer by.</summary>
    internal bool IsRouted => Layers.Any(layer => layer.IsRouted);

    /// <summary>Refuses a layer that there is not.</summary>
    internal int CheckLayer(int layer) => (uint)layer < (uint)Layers.Count
        ? layer
        : throw new ArgumentOutOfRangeException(nameof(layer), $"Layer {layer} does not exist: the layers are 0 to {Layers.Count - 1}.");
}

/// <summary>One layer's share of a <see cref="ModelDescription"/>.</summary>
/// <param name="Index">0 for the first layer.</param>
/// <param name="Tokens">k: tokens of a full context that enter; the context itself for a dense layer.</param>
/// <param name="Routing">"dense", "learned" or "random".</param>
/// <param name="Gate">"identity", "sigmoid", "tanh" or "one"; empty for a dense layer.</param>
/// <param name="AuxiliaryWeight">Weight of the auxiliary loss; 0 for none.</param>
/// <param name="PredictorWidth">Hidden width of the predictor; 0 for none.</param>
/// <param name="Parameters">Parameters of the layer.</param>
/// <param name="FlopsPerToken">Forward FLOPs a token of the sequence.</param>
public sealed record LayerDescription(
    int Index, int Tokens, string Routing, string Gate, double AuxiliaryWeight, int PredictorWidth, long Parameters, double FlopsPerToken)
{
    /// <summary>True when only some tokens enter.</summary>
    public bool IsRouted => Routing != "dense";
}
