using ModGen.Compiler.Emit.Cuda;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;

namespace ModGen.Oracle;

/// <summary>
/// Runs a training plan in float64 on one memory, as a device would: every launch reads its operands from where the plan puts
/// them, computes its nodes and writes its results there. What no launch has written is NaN. So it holds to the meaning of the
/// graph what the planner decided: fusion, lifetimes, places, and what sections leave for each other.
/// </summary>
public sealed class PlanInterpreter
{
    // The embedding's index: it stands before layer 0.
    private const int Before = -1;

    private readonly TrainingPlan _plan;
    private readonly ModelParameters _parameters;
    private readonly ModelInterpreter.Batch _batch;
    private readonly int _sequences;
    private readonly Dictionary<Precision, double[]> _memory;

    public PlanInterpreter(TrainingPlan plan, ModelParameters parameters, ModelInterpreter.Batch batch)
    {
        (_plan, _parameters, _batch) = (plan, parameters, batch);
        _sequences = batch.Tokens.Length / plan.Model.Spec.Context;
        _memory = new[] { Precision.Word, Precision.Operand }.ToDictionary(p => p, p => new double[plan.Memory.Total[p] * _sequences]);
        foreach (var arena in _memory.Values)
            Array.Fill(arena, double.NaN);
        Gradients = ModelParameters.Zeros(plan.Model);
    }

    /// <summary>The gradients of a step under the plan for a GPU.</summary>
    public static ModelParameters GradientsOnCuda(ModelGraph model, ModelParameters parameters, ModelInterpreter.Batch batch)
    {
        var planned = new PlanInterpreter(TrainingPlan.Create(model, CudaKernels.Training), parameters, batch);
        planned.Run();
        return planned.Gradients;
    }

    /// <summary>What the backward pass has added up.</summary>
    public ModelParameters Gradients { get; }

    /// <summary>Forward and backward pass.</summary>
    public void Run()
    {
        var layers = _plan.Model.Spec.Layers;
        Run(_plan.Embedding, _plan.Embedding.Forward, Before);
        for (var layer = 0; layer < layers; layer++)
            Run(SectionOf(layer), SectionOf(layer).Forward, layer);
        Run(_plan.LossAndGradient, _plan.LossAndGradient.Backward, layers);
        for (var layer = layers - 1; layer >= 0; layer--)
        {
            Pass(layer);
            Run(SectionOf(layer), SectionOf(layer).Backward, layer);
        }

        Run(_plan.Embedding, _plan.Embedding.Backward, Before);
    }

    private SectionPlan SectionOf(int layer) => _plan.Blocks[_plan.Model.KindOfLayer[layer]];

    private void Run(SectionPlan section, IReadOnlyList<Launch> launches, int layer)
    {
        foreach (var launch in launches)
        {
            if (launch == section.FirstNorm && layer > 0 && _plan.NormsForTheLayerAbove(layer - 1))
                continue;
            var values = launch.Reads.Distinct().ToDictionary(v => v, v => Load(section, v, layer));
            GraphInterpreter.Run(launch.Nodes, values, new OpContext(layer, _batch.Draw));
            foreach (var written in launch.Writes)
                Store(section, written, layer, values[written]);
            if (_plan.NormsForTheLayerAbove(layer) && launch == section.ScoresOfStream)
                NormAbove(layer, null);
            if (_plan.NormsForTheLayerAbove(layer) && launch.Writes.Contains(section.Section.StreamOut!))
                NormAbove(layer, Load(section, launch["indices"], layer));
        }
    }

    /// <summary>The first norm of the layer above: of all rows as they are, or of the selected ones.</summary>
    private void NormAbove(int layer, Tensor? selected)
    {
        var above = SectionOf(layer + 1);
        var norm = above.FirstNorm!;
        var results = OpMeaning.Evaluate(norm.Nodes[0].Op, [Load(above, norm["x"], layer + 1), _parameters.Stack(norm["gain"], layer + 1)], new OpContext());
        for (var i = 0; i < results.Length; i++)
        {
            var output = norm.Nodes[0].Outputs[i];
            var made = new Tensor(output.Type, results[i]);
            var width = results[i].Length / (_sequences * _plan.Model.Spec.Context);
            var kept = Load(above, output, layer + 1).Values;
            for (var row = 0; row < kept.Length / width; row++)
            {
                var (sequence, position) = (row / _plan.Model.Spec.Context, row % _plan.Model.Spec.Context);
                if (selected is null || selected.Values.Skip(sequence * selected.Stride).Take(selected.Stride).Contains(position))
                    made.Values.AsSpan(row * width, width).CopyTo(kept.AsSpan(row * width));
            }

            Store(above, output, layer + 1, new Tensor(output.Type, kept));
        }
    }

    /// <summary>What the section above a layer adds for that layer's router, at rows that passed its block by.</summary>
    private void Pass(int layer)
    {
        if (SectionOf(layer) is not { Passing: { } router } section)
            return;
        var (scores, selected, weights) = (Load(section, router.Scores, layer), Load(section, router.Selected, layer), _parameters.Stack(router.Router, layer));
        var (memory, width) = (_plan.Memory, weights.Width);
        var (x, dx) = ((int)memory.Streams[layer + 1] * _sequences, (int)memory.StreamGradient * _sequences);
        var change = new double[width];
        for (var row = 0; row < scores.Values.Length; row++)
        {
            var sequence = row / scores.Stride;
            if (selected.Values.Skip(sequence * selected.Stride).Take(selected.Stride).Contains(row % scores.Stride))
                continue;
            var d = router.LossWeight / (1 + Math.Exp(-scores.Values[row])) / scores.Values.Length;
            for (var i = 0; i < width; i++)
            {
                change[i] += d * _memory[Precision.Word][x + row * width + i];
                _memory[Precision.Word][dx + row * width + i] += d * weights.Values[i];
                if (section.Rounded.In is not null)
                    _memory[Precision.Operand][row * width + i] = _memory[Precision.Word][dx + row * width + i];
            }
        }

        Gradients.AddStacked(router.Router, layer, change);
    }

    private Tensor Load(SectionPlan section, Value value, int layer)
    {
        if (value.Parameter is not null)
            return _parameters.Stack(value, layer);
        var storage = section.Storage[value];
        return storage.Kind switch
        {
            StorageKind.Scalar => new Tensor(value.Type, [1]), // the only one that is read is what the losses' gradient is multiplied with
            StorageKind.External => Tensor.Integers(value.Type, Given(value.Name)),
            _ => new Tensor(value.Type, _memory[storage.Precision].AsSpan(At(storage, layer), (int)storage.Length * _sequences).ToArray()),
        };
    }

    private void Store(SectionPlan section, Value value, int layer, Tensor result)
    {
        var storage = section.Storage[value];
        if (storage.Kind == StorageKind.ParameterGradient)
            Gradients.AddStacked(section.Gradients!.ParameterGradients.First(p => p.Gradient == value).Parameter, layer, result.Values);
        else if (storage.Kind is not (StorageKind.Scalar or StorageKind.External))
            result.Values.CopyTo(_memory[storage.Precision].AsSpan(At(storage, layer)));
    }

    private int At(Storage storage, int layer)
    {
        var memory = _plan.Memory;
        var place = storage.Kind switch
        {
            StorageKind.StreamIn => memory.Streams[layer],
            StorageKind.StreamOut => memory.Streams[layer + 1],
            StorageKind.StreamGradient => storage.Precision == Precision.Word ? memory.StreamGradient : 0,
            StorageKind.Scratch => memory.Scratch[storage.Precision] + storage.Offset,
            StorageKind.Saved => memory.Saved[layer][storage.Precision] + storage.Offset,
            _ => throw new GraphException($"No place for {storage}."),
        };
        return checked((int)(place * _sequences));
    }

    private int[] Given(string name) => name switch
    {
        "tokens" => _batch.Tokens,
        "targets" => _batch.Targets,
        "positions" => [.. Enumerable.Range(0, _batch.Tokens.Length).Select(i => i % _plan.Model.Spec.Context)],
        _ => throw new ArgumentException($"No section should ask for {name}.", nameof(name)),
    };
}
