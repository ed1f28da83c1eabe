using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>Writes the training program of a GPU: a class nested in the model's, whose passes append launches.</summary>
internal sealed class CudaTrainingFile(TrainingPlan plan, KernelCatalog catalog)
{
    private readonly CodeWriter _writer = new();
    private readonly CudaNeighbours _neighbours = new(plan);

    private ModelGraph Model => plan.Model;

    private bool RoundsGradient => plan.Memory.Scratch.Operands > 0;

    public string Write()
    {
        var spec = Model.Spec;
        SourceFile.Header(_writer, spec, "its training program on a GPU");
        using (SourceFile.Type(_writer, spec))
        {
            _writer.Line("/// <summary>Forward and backward pass over whole sequences on a GPU: what a training step launches, in order.</summary>");
            using (_writer.Block("private sealed class CudaTraining : Programs::CudaTrainingProgram"))
            {
                WriteMembers();
                WriteEntryPoints();
                WriteSection(plan.Embedding, "Embedding");
                foreach (var block in plan.Blocks)
                    WriteSection(block, block.Section.Name);
                WriteReports();
                _neighbours.Write(_writer);
                WriteLayout();
            }
        }

        return _writer.ToString();
    }

    private void WriteMembers()
    {
        var memory = plan.Memory;
        _writer.Line("// Activations of one sequence, in elements; in a batch, a buffer lies at Batch times its offset. Floats and operands have an arena each.");
        if (memory.HasStreamForEveryLayer)
        {
            _writer.Line($"private const long Stream = {Literal.Of(memory.Streams[0])}; // residual stream before each layer, and behind the last");
            _writer.Line($"private const long StreamStep = {Literal.Of(memory.StreamStep)};");
        }
        else
        {
            _writer.Line($"private const long Stream = {Literal.Of(memory.Streams[0])}; // residual stream before the first layer; routed blocks update it in place");
            _writer.Line($"private const long StreamEnd = {Literal.Of(memory.Streams[memory.Streams.Count - 1])}; // behind the last");
        }

        _writer.Line($"private const long StreamGradient = {Literal.Of(memory.StreamGradient)};");
        if (RoundsGradient)
            _writer.Line("private const long StreamGradientOperands = 0; // the same, rounded");
        _writer.Line($"private const long Scratch = {Literal.Of(memory.Scratch.Words)};{(RoundsGradient ? "" : " // that of operands starts at 0")}");
        if (RoundsGradient)
            _writer.Line($"private const long ScratchOperands = {Literal.Of(memory.Scratch.Operands)};");
        _writer.Line($"private const long SequenceFloats = {Literal.Of(memory.Total.Words)};");
        _writer.Line($"private const long SequenceOperands = {Literal.Of(memory.Total.Operands)};");
        _writer.Line();
        using (_writer.Block($"public CudaTraining({Model.Spec.Type.Identifier} model, Runtime::CudaDevice device, int batch)\n    : base(model, device, batch, SequenceFloats, SequenceOperands)"))
        {
        }
    }

    private void WriteEntryPoints()
    {
        _writer.Line();
        using (_writer.Block("protected override void Forward()"))
        {
            _writer.Line("EmbeddingForward();");
            LayerLoops.Write(_writer, plan.Segments, backwards: false, (kind, layer) => $"{Model.Kinds[kind].Name}Forward({layer});");
        }

        _writer.Line();
        using (_writer.Block("protected override void Loss()"))
            Pass(plan.Loss, plan.Loss.Forward);
        _writer.Line();
        using (_writer.Block("protected override void LossAndBackward()"))
        {
            _writer.Line("HeadBackward();");
            LayerLoops.Write(_writer, plan.Segments, backwards: true, (kind, layer) => $"{Model.Kinds[kind].Name}Backward({layer});");
            _writer.Line("EmbeddingBackward();");
        }

        _writer.Line();
        using (_writer.Block("protected override void Head()"))
            Pass(plan.Logits, plan.Logits.Forward);
        _writer.Line();
        _writer.Line("/// <summary>The loss, and the gradient of the stream behind the last layer.</summary>");
        using (_writer.Block("private void HeadBackward()"))
            Pass(plan.LossAndGradient, plan.LossAndGradient.Backward);
    }

    private void WriteSection(SectionPlan section, string name)
    {
        var isBlock = section.Section.StreamIn is not null;
        var layer = isBlock ? "int layer" : "";
        _writer.Line();
        _writer.Line($"/// <summary>{(isBlock ? Describe(section) : "Rows of the embedding by token id.")}</summary>");
        using (_writer.Block($"private void {name}Forward({layer})"))
            WriteLayerPass(section, section.Forward, isBlock);
        _writer.Line();
        _writer.Line(isBlock
            ? "/// <summary>Turns the gradient of the stream behind the layer into that before it, and adds up the parameters' gradients.</summary>"
            : "/// <summary>Adds up the gradient of the embedding in row order.</summary>");
        using (_writer.Block($"private void {name}Backward({layer})"))
            WriteLayerPass(section, section.Backward, isBlock);
    }

    private string Describe(SectionPlan section) =>
        Model.Kinds.First(k => k.Name == section.Section.Name).Spec.Routing is { } routing
            ? $"A block that the {routing.Tokens} of {Model.Spec.Context} tokens with the largest scores enter; the others pass by."
            : "A block that every token enters.";

    private void WriteLayerPass(SectionPlan section, IReadOnlyList<Launch> launches, bool isBlock)
    {
        if (isBlock)
        {
            _writer.Line("var weights = WeightsAt(layer);");
            if (section.Saved.Words > 0)
                _writer.Line("var saved = SavedAt(layer);");
            if (section.Saved.Operands > 0)
                _writer.Line("var savedOperands = SavedOperandsAt(layer);");
        }

        Pass(section, launches);
    }

    private void Pass(SectionPlan section, IReadOnlyList<Launch> launches) =>
        new PassWriter(_writer, section, new PassContext(
            value => Expression(section, value),
            (storage, value) => CudaPlaces.Parameter(plan.Parameters, section, storage, value) ?? Activation(section, storage, value.Type),
            (launch, nameOf) => CudaKernels.Emit(new CudaCall(launch, nameOf, section, catalog, samples: false, _neighbours.Of(section, launch)))))
        .Write(launches);

    private static string? Expression(SectionPlan section, Value value)
    {
        if (value == section.Gradients?.LossScale)
            return "Scale";
        var report = section.Section.Reports.FirstOrDefault(r => r.Value == value)?.Kind;
        return report switch
        {
            ReportKind.AuxiliaryLoss => "AuxiliaryLossSlot(layer)",
            ReportKind.PredictorLoss => "PredictorLossSlot(layer)",
            ReportKind.CrossEntropy => "CrossEntropySlot",
            ReportKind.Logits => "LogitsOut",
            _ => section.Storage[value].Kind != StorageKind.External ? null : value.Name switch
            {
                "tokens" => "Tokens",
                "targets" => "Targets",
                "positions" => "Positions",
                _ => null,
            },
        };
    }

    private string Activation(SectionPlan section, Storage storage, TensorType type)
    {
        var isWord = storage.Precision == Precision.Word;
        var everyLayer = plan.Memory.HasStreamForEveryLayer;
        var offset = storage.Kind switch
        {
            StorageKind.StreamIn when section.Section.StreamOut is null => everyLayer ? "Stream + Layers * StreamStep" : "StreamEnd",
            StorageKind.StreamIn => everyLayer ? "Stream + layer * StreamStep" : "StreamBefore(layer)",
            StorageKind.StreamOut when section.Section.StreamIn is null => "Stream",
            StorageKind.StreamOut => everyLayer ? "Stream + (layer + 1) * StreamStep" : "StreamBehind(layer)",
            StorageKind.StreamGradient => isWord ? "StreamGradient" : "StreamGradientOperands",
            StorageKind.Scratch => CudaPlaces.Behind(isWord ? "Scratch" : RoundsGradient ? "ScratchOperands" : "0", storage.Offset),
            StorageKind.Saved => CudaPlaces.Behind(isWord ? "saved" : "savedOperands", storage.Offset),
            _ => throw new GraphException($"{section.Section.Name}: no pointer for {storage}."),
        };
        return CudaPlaces.Activation(storage, type, offset);
    }

    private void WriteReports()
    {
        WriteKept("int", "Selected", ReportKind.Selected);
        WriteKept("float", "Scores", ReportKind.Scores);
        WriteKept("float", "PredictorLogits", ReportKind.PredictorLogits);
    }

    private void WriteKept(string element, string name, ReportKind kind)
    {
        _writer.Line();
        using (_writer.Block($"public override global::System.ReadOnlySpan<{element}> {name}(int layer)"))
        {
            _writer.Line("CheckLayer(layer);");
            foreach (var block in plan.Blocks.Where(b => b.Section.Reports.Any(r => r.Kind == kind)))
            {
                var value = block.Section.Reports.First(r => r.Kind == kind).Value;
                var storage = block.Storage[value];
                var read = $"{(element == "int" ? "ReadIntegers" : "ReadFloats")}({CudaPlaces.Behind("SavedAt(layer)", storage.Offset)}, {Literal.Of(storage.Length)})";
                if (plan.Blocks.Count > 1)
                    _writer.Line($"if (KindOf(layer) == {Literal.Of(plan.Blocks.ToList().IndexOf(block))})");
                _writer.Line($"{(plan.Blocks.Count > 1 ? "    " : "")}return {read}; // {value.Type}");
                if (plan.Blocks.Count == 1)
                    return;
            }

            _writer.Line("return default;");
        }
    }

    private void WriteLayout()
    {
        _writer.Line();
        LayerLoops.WriteOffsets(_writer, "WeightsAt", "Offset of a layer's parameters.", plan.Segments, plan.Parameters.Layers);
        if (!plan.Memory.HasStreamForEveryLayer)
        {
            _writer.Line();
            LayerLoops.WriteOffsets(_writer, "StreamBefore", "Offset of the residual stream before a layer.", plan.Segments, plan.Memory.Streams);
            if (plan.Blocks.Any(b => !b.UpdatesInPlace))
            {
                _writer.Line();
                LayerLoops.WriteOffsets(_writer, "StreamBehind", "Offset of the residual stream behind a layer.", plan.Segments, plan.Memory.Streams.Skip(1).ToEquatableArray());
            }
        }

        _writer.Line();
        LayerLoops.WriteOffsets(_writer, "SavedAt", "Offset of the floats that a layer keeps for its backward pass.", plan.Segments, plan.Memory.Saved.Select(s => s.Words).ToEquatableArray());
        _writer.Line();
        LayerLoops.WriteOffsets(_writer, "SavedOperandsAt", "Offset of the operands that a layer keeps for its backward pass.", plan.Segments, plan.Memory.Saved.Select(s => s.Operands).ToEquatableArray());
    }
}
