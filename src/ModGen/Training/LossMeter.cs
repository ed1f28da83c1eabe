using ModGen.Programs;

namespace ModGen;

/// <summary>Means of the losses of several runs, weighted by the targets that count.</summary>
internal sealed class LossMeter
{
    private readonly int[] _auxiliary;
    private readonly int[] _predictors;
    private double _loss;
    private double _auxiliaryLoss;
    private double _predictorLoss;

    public LossMeter(ModelDescription description)
    {
        _auxiliary = [.. description.Layers.Where(layer => layer.IsRouted && layer.AuxiliaryWeight > 0).Select(layer => layer.Index)];
        _predictors = [.. description.Layers.Where(layer => layer.IsRouted && layer.PredictorWidth > 0).Select(layer => layer.Index)];
    }

    public double Weight { get; private set; }

    public double Loss => _loss / Weight;

    public double AuxiliaryLoss => _auxiliaryLoss / Weight;

    public double PredictorLoss => _predictorLoss / Weight;

    public void Clear() => _loss = _auxiliaryLoss = _predictorLoss = Weight = 0;

    public void Add(TrainingProgram program, long targets)
    {
        _loss += targets * (double)program.CrossEntropy;
        var sum = 0.0;
        foreach (var layer in _auxiliary)
            sum += program.AuxiliaryLoss(layer);
        _auxiliaryLoss += targets * sum / Math.Max(_auxiliary.Length, 1);
        sum = 0;
        foreach (var layer in _predictors)
            sum += program.PredictorLoss(layer);
        _predictorLoss += targets * sum / Math.Max(_predictors.Length, 1);
        Weight += targets;
    }
}
