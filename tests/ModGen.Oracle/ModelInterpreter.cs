using ModGen.Compiler.Autodiff;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;

namespace ModGen.Oracle;

/// <summary>Runs a whole model over sequences in float64: forward, losses, and backward through the differentiated sections.</summary>
public sealed class ModelInterpreter
{
    private readonly ModelGraph _model;
    private readonly DifferentiatedSection _embedding, _loss;
    private readonly List<DifferentiatedSection> _kinds;

    public ModelInterpreter(ModelGraph model)
    {
        _model = model;
        _embedding = Differentiator.Differentiate(model.Embedding);
        _loss = Differentiator.Differentiate(model.Loss);
        _kinds = [.. model.Kinds.Select(k => Differentiator.Differentiate(k.Training))];
    }

    /// <summary>One batch to run on.</summary>
    /// <param name="Tokens">(B, T).</param>
    /// <param name="Targets">(B, T), negative where they do not count.</param>
    /// <param name="Draw">Number that random routing draws from.</param>
    /// <param name="Selected">For every layer, (B, k) positions that replace the top k, or null.</param>
    /// <param name="RoundsOperands">True to read operands as bfloat16.</param>
    public sealed record Batch(int[] Tokens, int[] Targets, ulong Draw = 0, IReadOnlyList<int[]?>? Selected = null, bool RoundsOperands = false);

    /// <summary>Losses, logits and reports; gradients too when asked.</summary>
    /// <param name="parameters">The model's parameters.</param>
    /// <param name="batch">What to run on.</param>
    /// <param name="backward">True to differentiate.</param>
    public TrainingRun Run(ModelParameters parameters, Batch batch, bool backward = false)
    {
        var pass = new Pass(parameters, batch, _model.Spec.Context);
        var first = pass.Forward(_model.Embedding, 0, null);
        List<Dictionary<Value, Tensor>> layers = [];
        var stream = first[_model.Embedding.StreamOut!];
        for (var layer = 0; layer < _model.Spec.Layers; layer++)
        {
            var section = _model.KindOf(layer).Training;
            layers.Add(pass.Forward(section, layer, stream));
            stream = layers[layer][section.StreamOut!];
        }

        var last = pass.Forward(_model.Loss, 0, stream);
        var reports = layers.Select((values, layer) => ReportsOf(_model.KindOf(layer).Training, values)).ToList();
        var total = LossOf(_model.Loss, last) + layers.Select((values, layer) => LossOf(_model.KindOf(layer).Training, values)).Sum();
        var logits = last[_model.Loss.Graph.Nodes.Single(n => n.Op is CrossEntropy).Inputs[0]].Values;
        return new TrainingRun(
            total, ReportsOf(_model.Loss, last)[ReportKind.CrossEntropy][0], logits, reports,
            backward ? Backward(pass, first, layers, last) : null);
    }

    private ModelParameters Backward(Pass pass, Dictionary<Value, Tensor> first, List<Dictionary<Value, Tensor>> layers, Dictionary<Value, Tensor> last)
    {
        var gradients = ModelParameters.Zeros(_model);
        var stream = pass.Backward(_loss, 0, last, null, gradients);
        for (var layer = layers.Count - 1; layer >= 0; layer--)
            stream = pass.Backward(_kinds[_model.KindOfLayer[layer]], layer, layers[layer], stream, gradients);
        pass.Backward(_embedding, 0, first, stream, gradients);
        return gradients;
    }

    private static double LossOf(Section section, Dictionary<Value, Tensor> values) => section.LossTerms.Sum(t => values[t].Values[0]);

    private static Dictionary<ReportKind, double[]> ReportsOf(Section section, Dictionary<Value, Tensor> values) =>
        section.Reports.ToDictionary(r => r.Kind, r => values[r.Value].Values);

    private sealed class Pass(ModelParameters parameters, Batch batch, int context)
    {
        public Dictionary<Value, Tensor> Forward(Section section, int layer, Tensor? stream)
        {
            var given = section.Graph.Parameters.ToDictionary(p => p, p => parameters.Stack(p, layer));
            foreach (var input in section.Graph.Inputs)
                given[input] = input == section.StreamIn ? stream! : Tensor.Integers(input.Type, Given(input.Name));
            return GraphInterpreter.Run(section.Graph, given, ContextOf(layer));
        }

        /// <summary>Continues a forward pass backwards; returns the gradient of the incoming stream.</summary>
        public Tensor? Backward(DifferentiatedSection section, int layer, Dictionary<Value, Tensor> values, Tensor? gradient, ModelParameters gradients)
        {
            if (section.GradientIn is { } gradientIn)
                values[gradientIn] = gradient!;
            if (section.LossScale is { } scale)
                values[scale] = new Tensor(scale.Type, [1]);
            GraphInterpreter.Run(section.Graph.Nodes.Skip(section.ForwardNodes), values, ContextOf(layer));
            foreach (var (parameter, value) in section.ParameterGradients)
                gradients.AddStacked(parameter, layer, values[value].Values);
            return section.GradientOut is { } gradientOut ? values[gradientOut] : null;
        }

        private OpContext ContextOf(int layer) => new(layer, batch.Draw) { Selected = batch.Selected?[layer], RoundsOperands = batch.RoundsOperands };

        private int[] Given(string name) => name switch
        {
            "tokens" => batch.Tokens,
            "targets" => batch.Targets,
            "positions" => [.. Enumerable.Range(0, batch.Tokens.Length).Select(i => i % context)],
            _ => throw new ArgumentException($"No section should ask for {name}.", nameof(name)),
        };
    }
}
