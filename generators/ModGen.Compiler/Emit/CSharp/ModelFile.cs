using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Planning;
using ModGen.Compiler.Spec;

namespace ModGen.Compiler.Emit.CSharp;

/// <summary>Writes the model's own members: its constants, its costs, its parameters, and how to create it.</summary>
internal sealed class ModelFile(TrainingPlan plan, CostReport cost, string fingerprint)
{
    private readonly CodeWriter _writer = new();

    private ModelSpec Spec => plan.Model.Spec;

    public string Write()
    {
        SourceFile.Header(_writer, Spec, "what it is and what it costs");
        var name = Spec.Type.Identifier;
        using (OpenType())
        {
            WriteConstants();
            WriteInfo();
            _writer.Line($"private {name}(Runtime::Device device, ulong seed)");
            using (_writer.Block("    : base(device, Details, CreateParameters(), seed)"))
            {
            }

            _writer.Line();
            _writer.Line("/// <summary>Creates the model with freshly drawn parameters.</summary>");
            _writer.Line("/// <param name=\"device\">Where its parameters live and its programs run.</param>");
            _writer.Line("/// <param name=\"seed\">Equal seeds draw equal parameters.</param>");
            _writer.Line($"public static {name} Create(Runtime::Device device, ulong seed = 0) => new(device, seed);");
            _writer.Line();
            _writer.Line($"static Runtime::ModelDescription Runtime::IDecoderModel<{name}>.Description => Details;");
            _writer.Line();
            _writer.Line($"static global::System.Collections.Generic.IReadOnlyList<Cuda::Kernel> Runtime::IDecoderModel<{name}>.Kernels => CudaKernels.All;");
            _writer.Line();
            WriteProgram("TrainingProgram", "int batch", "Training", "batch", "The program that trains this model with so many sequences a micro-batch.");
            _writer.Line();
            WriteProgram("InferenceProgram", "int sequences, int maximumRows", "Inference", "sequences, maximumRows", "The program that samples from this model.");
            WriteParameters();
            WriteDetails();
            if (plan.Model.Kinds.Count > 1)
            {
                _writer.Line();
                LayerLoops.WriteKinds(_writer, plan.Segments, string.Join(", ", plan.Model.Kinds.Select((k, i) => $"{Literal.Of(i)} {k.Name}")));
            }
        }

        return _writer.ToString();
    }

    /// <summary>The doc comment is what an editor shows over the class's name: the declaration's costs.</summary>
    private System.IDisposable OpenType()
    {
        var name = Spec.Type.Identifier;
        if (Spec.Type.Namespace.Length > 0)
        {
            _writer.Line($"namespace {Spec.Type.NamespaceIdentifier};");
            _writer.Line();
        }

        var routed = cost.Layers.Where(l => Spec.Blocks[l.Layer].Routing is not null).ToList();
        _writer.Line("/// <remarks>");
        _writer.Line($"/// <para>{Literal.Grouped(cost.Parameters)} parameters in {Spec.Layers} layers{(routed.Count == 0 ? "" : $", {routed.Count} of them routed ({Capacities(routed)})")}.</para>");
        var share = (100 * cost.ShareOfDense).ToString("0.#", CultureInfo.InvariantCulture);
        _writer.Line($"/// <para>{Millions(cost.FlopsPerToken)} MFLOP a token forward{(routed.Count == 0 ? "" : $", {share} % of the dense model's {Millions(cost.DenseFlopsPerToken)}")}.</para>");
        _writer.Line($"/// <para>{(cost.ActivationBytesPerSequence / 1048576.0).ToString("0.0", CultureInfo.InvariantCulture)} MiB of activations a sequence of a training batch.</para>");
        _writer.Line("/// </remarks>");
        return _writer.Block($"partial class {name} : Runtime::DecoderModel<{name}>, Runtime::IDecoderModel<{name}>");
    }

    private string Capacities(IEnumerable<LayerCost> routed) =>
        string.Join(", ", routed.Select(l => l.Tokens).Distinct().Select(k => $"k = {k} of {Spec.Context}"));

    private static string Millions(double flops) => (flops / 1e6).ToString("0.00", CultureInfo.InvariantCulture);

    private void WriteConstants()
    {
        Constant("Vocabulary", Spec.Vocabulary, "Number of token ids.");
        Constant("Width", Spec.Width, "Width of the residual stream.");
        Constant("Layers", Spec.Layers, "Number of blocks.");
        Constant("Heads", Spec.Heads, "Query heads.");
        Constant("KeyValueHeads", Spec.KeyValueHeads, "Key/value heads.");
        Constant("HeadWidth", Spec.HeadWidth, "Width of one head.");
        Constant("FeedForward", Spec.FeedForward, "Hidden width of the MLP.");
        Constant("Context", Spec.Context, "Positions of a training sequence, and the longest that can be sampled.");
    }

    private void Constant(string name, int value, string summary)
    {
        _writer.Line($"/// <summary>{summary}</summary>");
        _writer.Line($"public const int {name} = {Literal.Of(value)};");
        _writer.Line();
    }

    private void WriteInfo()
    {
        _writer.Line("/// <summary>What the declaration costs.</summary>");
        using (_writer.Block("public static class Info"))
        {
            Figure("long", "Parameters", Literal.Of(cost.Parameters), "Number of parameters.");
            Figure("double", "FlopsPerToken", Literal.Double(cost.FlopsPerToken), "FLOPs of the forward pass a token; a multiply-add counts 2, causal attention half.");
            Figure("double", "DenseFlopsPerToken", Literal.Double(cost.DenseFlopsPerToken), "The same with every block dense.");
            Figure("double", "ShareOfDense", Literal.Double(cost.ShareOfDense), "FLOPs as a share of the dense model's.");
            Figure("long", "ActivationBytesPerSequence", Literal.Of(cost.ActivationBytesPerSequence), "Bytes of activations a sequence of a training batch, float32.");
            _writer.Line("/// <summary>Tokens of a full context that enter a layer: k of a routed one.</summary>");
            _writer.Line("/// <param name=\"layer\">0 … Layers − 1.</param>");
            _writer.Line("/// <exception cref=\"global::System.ArgumentOutOfRangeException\">There is no such layer.</exception>");
            _writer.Line($"public static int TokensOf(int layer) => layer is >= 0 and < Layers ? {TokensOfKind()} : throw new global::System.ArgumentOutOfRangeException(nameof(layer), layer, \"The layers are 0 … {Literal.Of(Spec.Layers - 1)}.\");");
        }

        _writer.Line();
    }

    private string TokensOfKind()
    {
        var tokens = plan.Model.Kinds.Select(k => Literal.Of(k.Spec.Routing?.Tokens ?? Spec.Context)).ToList();
        if (tokens.Count == 1)
            return tokens[0];
        var cases = tokens.Select((t, kind) => (kind == tokens.Count - 1 ? "_" : Literal.Of(kind)) + " => " + t);
        return $"KindOf(layer) switch {{ {string.Join(", ", cases)} }}";
    }

    private void Figure(string type, string name, string value, string summary)
    {
        _writer.Line($"/// <summary>{summary}</summary>");
        _writer.Line($"public const {type} {name} = {value};");
        _writer.Line();
    }

    private void WriteProgram(string type, string parameters, string name, string arguments, string summary)
    {
        _writer.Line($"/// <summary>{summary}</summary>");
        using (_writer.Block($"public override Programs::{type} Create{type}({parameters}) => Device switch", close: "};"))
        {
            _writer.Line($"Runtime::CpuDevice cpu => new Cpu{name}(this, cpu, {arguments}),");
            _writer.Line($"Runtime::CudaDevice cuda => new Cuda{name}(this, cuda, {arguments}),");
            _writer.Line($"_ => throw new global::System.NotSupportedException($\"{Spec.Type.Name} has no program for {{Device.Name}}.\"),");
        }
    }

    private void WriteParameters()
    {
        _writer.Line();
        using (_writer.Block("private static Runtime::ParameterTable CreateParameters()"))
        {
            _writer.Line("var table = new Runtime::ParameterTable();");
            foreach (var parameter in plan.Embedding.Section.Graph.Parameters)
                Add(parameter, "");
            LayerLoops.Write(_writer, plan.Segments, backwards: false, (kind, layer) => $"Add{plan.Model.Kinds[kind].Name}(table, $\"model.layers.{{{layer}}}.\");");
            foreach (var parameter in plan.Loss.Section.Graph.Parameters)
                if (!plan.Embedding.Section.Graph.Parameters.Any(p => p.Parameter == parameter.Parameter))
                    Add(parameter, "");
            _writer.Line("return table;");
        }

        foreach (var kind in plan.Model.Kinds)
        {
            _writer.Line();
            using (_writer.Block($"private static void Add{kind.Name}(Runtime::ParameterTable table, string layer)"))
                foreach (var parameter in kind.Training.Graph.Parameters)
                    Add(parameter, "layer + ");
        }
    }

    private void Add(Value value, string prefix)
    {
        var parameter = value.Parameter!;
        foreach (var piece in parameter.Pieces)
        {
            var name = Literal.String(piece.Name.Replace("model.layers.{layer}.", ""));
            var start = parameter.Start switch
            {
                InitialValue.Ones => "Runtime::Initialization.Ones",
                InitialValue.Zeros => "Runtime::Initialization.Zeros",
                _ => $"Runtime::Initialization.Normal, {Literal.Float(parameter.Deviation)}",
            };
            var shape = string.Join(", ", piece.Extents.Select(e => Literal.Of(e)));
            _writer.Line($"table.Add({prefix}{name}, [{shape}], {start}{(parameter.Decays ? ", decays: true" : "")}{(piece == parameter.Pieces[0] ? "" : ", joined: true")});");
        }
    }

    private void WriteDetails()
    {
        _writer.Line();
        using (_writer.Block("private static Runtime::ModelDescription Details { get; } = new()", close: "};"))
        {
            _writer.Line($"Name = {Literal.String(Spec.Type.FullName)},");
            _writer.Line($"Fingerprint = {Literal.String(fingerprint)},");
            foreach (var name in new[] { "Vocabulary", "Width", "Heads", "KeyValueHeads", "HeadWidth", "FeedForward", "Context" })
                _writer.Line($"{name} = {name},");
            _writer.Line($"TiedHead = {(Spec.TiedHead ? "true" : "false")},");
            _writer.Line($"RotaryBase = {Literal.Double(Spec.RotaryBase)},");
            _writer.Line($"NormEpsilon = {Literal.Double(Spec.NormEpsilon)},");
            _writer.Line("Parameters = Info.Parameters,");
            _writer.Line("FlopsPerToken = Info.FlopsPerToken,");
            _writer.Line("DenseFlopsPerToken = Info.DenseFlopsPerToken,");
            _writer.Line("ActivationBytesPerSequence = Info.ActivationBytesPerSequence,");
            _writer.Line("Layers = DescribeLayers(),");
        }

        _writer.Line();
        using (_writer.Block("private static Runtime::LayerDescription[] DescribeLayers()"))
        {
            _writer.Line($"var layers = new Runtime::LayerDescription[{Literal.Of(Spec.Layers)}];");
            LayerLoops.Write(_writer, plan.Segments, backwards: false, Describe);
            _writer.Line("return layers;");
        }
    }

    private string Describe(int kind, string layer)
    {
        var routing = plan.Model.Kinds[kind].Spec.Routing;
        var layerCost = cost.Layers[plan.Model.KindOfLayer.ToList().IndexOf(kind)];
        var description = routing is null
            ? $"\"dense\", \"\", 0, 0"
            : $"\"{Lower(routing.Kind)}\", \"{Lower(routing.Gate)}\", {Literal.Double(routing.AuxiliaryWeight)}, {Literal.Of(routing.PredictorWidth)}";
        return $"layers[{layer}] = new({layer}, {Literal.Of(layerCost.Tokens)}, {description}, {Literal.Of(layerCost.Parameters)}, {Literal.Double(layerCost.FlopsPerToken)});";
    }

    private static string Lower<T>(T value) where T : struct => value.ToString()!.ToLowerInvariant();
}
