using System.Collections.Generic;

namespace ModGen.Compiler.Graph;

/// <summary>
/// A part of the model that is emitted once and run for every layer of its kind: the embedding, one kind of block, or
/// the head. The residual stream enters and leaves it.
/// </summary>
/// <param name="Name">Name in emitted code: <c>RoutedBlock</c>.</param>
/// <param name="Graph">The operations.</param>
/// <param name="StreamIn">The residual stream before, or null in the embedding.</param>
/// <param name="StreamOut">The residual stream behind, or null in the head.</param>
/// <param name="LossTerms">Scalars that the total loss sums.</param>
/// <param name="Reports">Values that are kept for the caller, by what they report.</param>
public sealed record Section(
    string Name,
    TensorGraph Graph,
    Value? StreamIn,
    Value? StreamOut,
    IReadOnlyList<Value> LossTerms,
    IReadOnlyList<Report> Reports);

/// <summary>What a kept value tells the caller.</summary>
public enum ReportKind
{
    /// <summary>Mean cross-entropy.</summary>
    CrossEntropy,

    /// <summary>Router scores (B, T).</summary>
    Scores,

    /// <summary>Predictor logits (B, T).</summary>
    PredictorLogits,

    /// <summary>Positions of the selected tokens (B, k).</summary>
    Selected,

    /// <summary>Unweighted auxiliary loss of the router.</summary>
    AuxiliaryLoss,

    /// <summary>Loss of the predictor.</summary>
    PredictorLoss,

    /// <summary>Logits.</summary>
    Logits,
}

/// <summary>A value kept for the caller.</summary>
public sealed record Report(ReportKind Kind, Value Value);
