using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Emit.CSharp;

/// <summary>Writes the training program of the CPU: a class nested in the model's.</summary>
internal sealed class TrainingFile(TrainingPlan plan)
{
    private readonly CodeWriter _writer = new();

    public string Write()
    {
        var spec = plan.Model.Spec;
        SourceFile.Header(_writer, spec, "its training program on the CPU");
        using (SourceFile.Type(_writer, spec))
        {
            _writer.Line("/// <summary>Forward and backward pass over whole sequences on the CPU.</summary>");
            using (_writer.Block("private sealed class CpuTraining : Programs::CpuTrainingProgram"))
            {
                WriteMembers();
                WriteEntryPoints();
                WriteSection(plan.Embedding, "Embedding", "tokens");
                foreach (var block in plan.Blocks)
                    WriteSection(block, block.Section.Name, "block");
                WriteReports();
                WriteLayout();
            }
        }

        return _writer.ToString();
    }

    private ModelGraph Model => plan.Model;

    /// <summary>True for a kind of block whose scores are drawn.</summary>
    internal static bool UsesDraw(BlockKind kind) => kind.Spec.Routing?.Kind == Spec.RoutingKind.Random;

    /// <summary>True for a kind of block that has a loss of its own.</summary>
    private bool HasLoss(int kind) => plan.Blocks[kind].Gradients?.LossScale is not null;

    private void WriteMembers()
    {
        var spec = Model.Spec;
        var memory = plan.Memory;
        _writer.Line("// Activations of one sequence, in floats; in a batch, a buffer lies at Batch times its offset.");
        _writer.Line($"private const long Stream = {memory.Streams[0]}; // residual stream before each layer, and behind the last");
        _writer.Line($"private const long StreamStep = {memory.StreamStep};");
        _writer.Line($"private const long StreamGradient = {memory.StreamGradient};");
        _writer.Line($"private const long Scratch = {memory.Scratch.Words};");
        _writer.Line($"private const long SequenceFloats = {memory.Total.Words};");
        _writer.Line($"private const long LargestTensor = {LargestTensor()};");
        _writer.Line();
        _writer.Line($"private readonly float[] _cos = new float[{(long)spec.Context * spec.HeadWidth / 2}]; // ({spec.Context}, {spec.HeadWidth / 2})");
        _writer.Line($"private readonly float[] _sin = new float[{(long)spec.Context * spec.HeadWidth / 2}]; // ({spec.Context}, {spec.HeadWidth / 2})");
        _writer.Line($"private readonly int[] _positions; // (B, {spec.Context})");
        foreach (var (field, _) in LossFields())
            _writer.Line($"private readonly float[] {field} = new float[{spec.Layers}];");
        _writer.Line();
        using (_writer.Block($"public CpuTraining({spec.Type.Identifier} model, Runtime::CpuDevice device, int batch)\n    : base(model, device, batch, SequenceFloats, LargestTensor)"))
        {
            _writer.Line($"_positions = new int[batch * {spec.Context}];");
            using (_writer.Block("for (var i = 0; i < _positions.Length; i++)"))
                _writer.Line($"_positions[i] = i % {spec.Context};");
            _writer.Line($"Cpu::Rotary.FillTable(_cos, _sin, {spec.Context}, {spec.HeadWidth}, {Literal.Double(spec.RotaryBase)});");
        }
    }

    // Logits are made in pieces, or are the caller's.
    private long LargestTensor() => plan.Blocks.Append(plan.Embedding).Append(plan.LossAndGradient)
        .SelectMany(s => s.Storage).Where(s => s.Key.Type.GrowsWithBatch && s.Value.Kind != StorageKind.External).Max(s => s.Value.Length);

    private void WriteEntryPoints()
    {
        _writer.Line();
        using (_writer.Block("protected override void Forward(global::System.ReadOnlySpan<int> tokens, ulong draw)"))
        {
            _writer.Line("EmbeddingForward(tokens);");
            LayerLoops.Write(_writer, plan.Segments, backwards: false, (kind, layer) => $"{Model.Kinds[kind].Name}Forward({layer}{(UsesDraw(Model.Kinds[kind]) ? ", draw" : "")});");
        }

        _writer.Line();
        using (_writer.Block("protected override float Loss(global::System.ReadOnlySpan<int> targets)"))
        {
            Pass(plan.Loss, plan.Loss.Forward);
            _writer.Line();
            _writer.Line("return crossEntropy;");
        }

        _writer.Line();
        using (_writer.Block("protected override float LossAndBackward(global::System.ReadOnlySpan<int> tokens, global::System.ReadOnlySpan<int> targets, float scale)"))
        {
            Pass(plan.LossAndGradient, plan.LossAndGradient.Backward);
            _writer.Line();
            LayerLoops.Write(_writer, plan.Segments, backwards: true, (kind, layer) => $"{Model.Kinds[kind].Name}Backward({layer}{(HasLoss(kind) ? ", scale" : "")});");
            _writer.Line("EmbeddingBackward(tokens);");
            _writer.Line("return crossEntropy;");
        }

        _writer.Line();
        using (_writer.Block("protected override void Head(global::System.Span<float> logits)"))
            Pass(plan.Logits, plan.Logits.Forward);
    }

    private void WriteSection(SectionPlan section, string name, string what)
    {
        var isBlock = section.Section.StreamIn is not null;
        var tokens = "global::System.ReadOnlySpan<int> tokens";
        _writer.Line();
        _writer.Line(isBlock ? $"/// <summary>{Describe(section)}</summary>" : $"/// <summary>Rows of the embedding by token id.</summary>");
        using (_writer.Block($"private void {name}Forward({(isBlock ? "int layer" + (UsesDraw(Model.Kinds[Index(section)]) ? ", ulong draw" : "") : tokens)})"))
            WriteLayerPass(section, section.Forward, isBlock);
        _writer.Line();
        _writer.Line(isBlock
            ? "/// <summary>Turns the gradient of the stream behind the layer into that before it, and adds up the parameters' gradients.</summary>"
            : "/// <summary>Adds up the gradient of the embedding in row order.</summary>");
        using (_writer.Block($"private void {name}Backward({(isBlock ? "int layer" + (HasLoss(Index(section)) ? ", float scale" : "") : tokens)})"))
            WriteLayerPass(section, section.Backward, isBlock);
    }

    private void WriteLayerPass(SectionPlan section, IReadOnlyList<Launch> launches, bool isBlock)
    {
        if (isBlock)
        {
            _writer.Line("var weights = WeightsAt(layer);");
            if (section.Saved.Words > 0)
                _writer.Line("var saved = SavedAt(layer);");
        }

        Pass(section, launches);
    }

    private string Describe(SectionPlan section) =>
        Model.Kinds.First(k => k.Name == section.Section.Name).Spec.Routing is { } routing
            ? $"A block that the {routing.Tokens} of {Model.Spec.Context} tokens with the largest scores enter; the others pass by."
            : "A block that every token enters.";

    private void Pass(SectionPlan section, IReadOnlyList<Launch> launches) =>
        new PassWriter(_writer, section, new PassContext(
            value => Expression(section, value),
            (storage, value) => CpuPlaces.Parameter(plan.Parameters, section, storage, value) ?? SpanOf(section, storage, value.Type),
            (launch, nameOf) => CpuKernels.Emit(new CpuCall(launch, nameOf, _ => "Batch"))))
        .Write(launches);

    private static string? Expression(SectionPlan section, Value value)
    {
        if (value == section.Gradients?.LossScale)
            return "scale";
        if (section.Section.Reports.FirstOrDefault(r => r.Value == value) is { } report)
        {
            switch (report.Kind)
            {
                case ReportKind.AuxiliaryLoss:
                    return "_auxiliaryLosses[layer]";
                case ReportKind.PredictorLoss:
                    return "_predictorLosses[layer]";
                case ReportKind.CrossEntropy:
                    return "crossEntropy";
                case ReportKind.Logits:
                    return "logits";
            }
        }

        return section.Storage[value].Kind == StorageKind.External
            ? value.Name switch { "positions" => "_positions", var name => name }
            : null;
    }

    private static string SpanOf(SectionPlan section, Storage storage, TensorType type)
    {
        var isLast = section.Section.StreamOut is null;
        var offset = storage.Kind switch
        {
            StorageKind.StreamIn => isLast ? "Stream + Layers * StreamStep" : "Stream + layer * StreamStep",
            StorageKind.StreamOut => section.Section.StreamIn is null ? "Stream" : "Stream + (layer + 1) * StreamStep",
            StorageKind.StreamGradient => "StreamGradient",
            StorageKind.Scratch => storage.Offset == 0 ? "Scratch" : $"Scratch + {Literal.Of(storage.Offset)}",
            StorageKind.Saved => storage.Offset == 0 ? "saved" : $"saved + {Literal.Of(storage.Offset)}",
            _ => throw new GraphException($"{section.Section.Name}: no span for {storage}."),
        };
        return $"{(type.Element == ElementType.Int32 ? "Integers" : "Floats")}({offset}, {Literal.Of(storage.Length)})";
    }

    private IEnumerable<(string Field, ReportKind Kind)> LossFields()
    {
        var kinds = plan.Blocks.SelectMany(b => b.Section.Reports).Select(r => r.Kind).Distinct().ToList();
        if (kinds.Contains(ReportKind.AuxiliaryLoss))
            yield return ("_auxiliaryLosses", ReportKind.AuxiliaryLoss);
        if (kinds.Contains(ReportKind.PredictorLoss))
            yield return ("_predictorLosses", ReportKind.PredictorLoss);
    }

    private void WriteReports()
    {
        var losses = LossFields().ToList();
        WriteLoss("AuxiliaryLoss", ReportKind.AuxiliaryLoss);
        WriteLoss("PredictorLoss", ReportKind.PredictorLoss);
        WriteKept("int", "Selected", ReportKind.Selected);
        WriteKept("float", "Scores", ReportKind.Scores);
        WriteKept("float", "PredictorLogits", ReportKind.PredictorLogits);

        void WriteLoss(string name, ReportKind kind)
        {
            var field = losses.Where(l => l.Kind == kind).Select(l => l.Field).FirstOrDefault();
            _writer.Line();
            using (_writer.Block($"public override float {name}(int layer)"))
            {
                _writer.Line("CheckLayer(layer);");
                _writer.Line($"return {(field is null ? "0" : field + "[layer]")};");
            }
        }

        void WriteKept(string element, string name, ReportKind kind)
        {
            _writer.Line();
            using (_writer.Block($"public override global::System.ReadOnlySpan<{element}> {name}(int layer)"))
            {
                _writer.Line("CheckLayer(layer);");
                foreach (var block in plan.Blocks.Where(b => b.Section.Reports.Any(r => r.Kind == kind)))
                {
                    var value = block.Section.Reports.First(r => r.Kind == kind).Value;
                    var storage = block.Storage[value];
                    var span = $"{(element == "int" ? "Integers" : "Floats")}(SavedAt(layer){(storage.Offset == 0 ? "" : $" + {Literal.Of(storage.Offset)}")}, {Literal.Of(storage.Length)})";
                    if (plan.Blocks.Count == 1)
                    {
                        _writer.Line($"return {span}; // {value.Type}");
                        return;
                    }

                    _writer.Line($"if (KindOf(layer) == {Literal.Of(Index(block))})");
                    _writer.Line($"    return {span}; // {value.Type}");
                }

                _writer.Line("return default;");
            }
        }
    }

    private int Index(SectionPlan block) => plan.Blocks.ToList().IndexOf(block);

    private void WriteLayout()
    {
        _writer.Line();
        _writer.Line("/// <summary>A span of activations that starts at an offset and has a length, both counted in one sequence.</summary>");
        _writer.Line("private global::System.Span<float> Floats(long offset, int length) => Activations.Span(Batch * offset, checked(Batch * length));");
        _writer.Line();
        _writer.Line("private global::System.Span<int> Integers(long offset, int length) => Activations.Integers(Batch * offset, checked(Batch * length));");
        _writer.Line();
        LayerLoops.WriteOffsets(_writer, "WeightsAt", "Offset of a layer's parameters.", plan.Segments, plan.Parameters.Layers);
        _writer.Line();
        LayerLoops.WriteOffsets(_writer, "SavedAt", "Offset of what a layer keeps for its backward pass.", plan.Segments, plan.Memory.Saved.Select(s => s.Words).ToEquatableArray());    }
}
