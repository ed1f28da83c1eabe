using ModGen.Compiler.Graph;

namespace ModGen.Oracle;

/// <summary>What one training step of the interpreter leaves.</summary>
public sealed class TrainingRun
{
    private readonly List<Dictionary<ReportKind, double[]>> _layers;

    internal TrainingRun(double totalLoss, double crossEntropy, double[] logits, List<Dictionary<ReportKind, double[]>> layers, ModelParameters? gradients)
    {
        TotalLoss = totalLoss;
        CrossEntropy = crossEntropy;
        Logits = logits;
        _layers = layers;
        Gradients = gradients;
    }

    /// <summary>The sum of all loss terms, weighted.</summary>
    public double TotalLoss { get; }

    /// <summary>Mean cross-entropy in nats.</summary>
    public double CrossEntropy { get; }

    /// <summary>(B, T, V).</summary>
    public double[] Logits { get; }

    /// <summary>By file name; null after a forward pass alone.</summary>
    public ModelParameters? Gradients { get; }

    /// <summary>Unweighted; 0 without one.</summary>
    public double AuxiliaryLoss(int layer) => Report(layer, ReportKind.AuxiliaryLoss) is [var loss] ? loss : 0;

    /// <summary>0 without a predictor.</summary>
    public double PredictorLoss(int layer) => Report(layer, ReportKind.PredictorLoss) is [var loss] ? loss : 0;

    /// <summary>(B, k) positions; empty in a dense layer.</summary>
    public int[] Selected(int layer) => Array.ConvertAll(Report(layer, ReportKind.Selected), p => (int)p);

    /// <summary>(B, T); empty in a dense layer.</summary>
    public double[] Scores(int layer) => Report(layer, ReportKind.Scores);

    /// <summary>(B, T); empty without a predictor.</summary>
    public double[] PredictorLogits(int layer) => Report(layer, ReportKind.PredictorLogits);

    private double[] Report(int layer, ReportKind kind) => _layers[layer].TryGetValue(kind, out var values) ? values : [];
}
