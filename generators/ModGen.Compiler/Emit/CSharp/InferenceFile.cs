using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Planning;
using ModGen.Compiler.Spec;

namespace ModGen.Compiler.Emit.CSharp;

/// <summary>Writes the inference program of the CPU: a class nested in the model's.</summary>
internal sealed class InferenceFile(InferencePlan plan)
{
    private readonly CodeWriter _writer = new();

    private ModelGraph Model => plan.Model;

    public string Write()
    {
        var spec = Model.Spec;
        SourceFile.Header(_writer, spec, "its inference program on the CPU");
        using (SourceFile.Type(_writer, spec))
        {
            _writer.Line("/// <summary>Causal pass over cached sequences on the CPU: each row is the next token of one of them.</summary>");
            using (_writer.Block("private sealed class CpuInference : Programs::CpuInferenceProgram"))
            {
                WriteMembers();
                WriteRun();
                foreach (var block in plan.Blocks)
                    WriteBlock(block);
                WriteLayout();
            }
        }

        return _writer.ToString();
    }

    private void WriteMembers()
    {
        var spec = Model.Spec;
        var tables = (long)spec.Context * spec.HeadWidth / 2;
        _writer.Line("// Activations of one row, in floats; a buffer lies at MaximumRows times its offset. The residual stream comes first.");
        _writer.Line("private const long Stream = 0;");
        _writer.Line($"private const long Scratch = {Literal.Of(plan.Scratch)};");
        _writer.Line($"private const long RowFloats = {Literal.Of(plan.Total.Words)};");
        _writer.Line();
        _writer.Line($"private readonly float[] _cos = new float[{tables}]; // ({spec.Context}, {spec.HeadWidth / 2})");
        _writer.Line($"private readonly float[] _sin = new float[{tables}]; // ({spec.Context}, {spec.HeadWidth / 2})");
        _writer.Line();
        using (_writer.Block($"public CpuInference({spec.Type.Identifier} model, Runtime::CpuDevice device, int sequences, int maximumRows)\n    : base(model, device, sequences, maximumRows, RowFloats)"))
            _writer.Line($"Cpu::Rotary.FillTable(_cos, _sin, {spec.Context}, {spec.HeadWidth}, {Literal.Double(spec.RotaryBase)});");
    }

    private void WriteRun()
    {
        _writer.Line();
        using (_writer.Block("protected override void Run(Programs::InferenceRows batch, global::System.ReadOnlySpan<int> wanted, global::System.Span<float> logits, ulong draw)"))
        {
            _writer.Line("Embed(batch);");
            LayerLoops.Write(_writer, plan.Segments, backwards: false, (kind, layer) => $"{Model.Kinds[kind].Name}({layer}, batch{(TrainingFile.UsesDraw(Model.Kinds[kind]) ? ", draw" : "")});");
            _writer.Line("if (!wanted.IsEmpty)");
            _writer.Line("    Head(batch.Count, wanted, logits);");
        }

        _writer.Line();
        _writer.Line("/// <summary>Rows of the embedding by token id.</summary>");
        using (_writer.Block("private void Embed(Programs::InferenceRows batch)"))
        {
            _writer.Line("var rows = batch.Count;");
            Pass(plan.Embedding);
        }

        _writer.Line();
        _writer.Line("/// <summary>Logits of the wanted rows.</summary>");
        using (_writer.Block("private void Head(int rows, global::System.ReadOnlySpan<int> wanted, global::System.Span<float> logits)"))
        {
            _writer.Line("var active = wanted.Length;");
            Pass(plan.Logits);
        }
    }

    /// <summary>The doc comment of a block's pass, on every back end.</summary>
    public static string SummaryOf(BlockSpec block) => block.Routing switch
    {
        null => "/// <summary>A block that every row enters.</summary>",
        { Kind: RoutingKind.Random } => "/// <summary>A block that rows enter by a draw; a row that passes by leaves nothing in the layer's cache.</summary>",
        _ => "/// <summary>A block that rows enter by their own logit; a row that passes by leaves nothing in the layer's cache.</summary>",
    };

    private void WriteBlock(SectionPlan block)
    {
        var kind = Model.Kinds.First(k => k.Name == block.Section.Name);
        var routed = kind.Spec.Routing is not null;
        _writer.Line();
        _writer.Line(SummaryOf(kind.Spec));
        using (_writer.Block($"private void {block.Section.Name}(int layer, Programs::InferenceRows batch{(TrainingFile.UsesDraw(kind) ? ", ulong draw" : "")})"))
        {
            _writer.Line("var rows = batch.Count;");
            _writer.Line("var weights = WeightsAt(layer);");
            Pass(block);
        }
    }

    private void Pass(SectionPlan section) => new PassWriter(_writer, section, new PassContext(
        value => Expression(section, value),
        (storage, value) => CpuPlaces.Parameter(plan.Parameters, section, storage, value) ?? SpanOf(storage, value.Type),
        (launch, nameOf) => CpuKernels.Emit(new CpuCall(launch, nameOf, leading => leading == LeadingExtent.Active ? "active" : "rows")))).Write(section.Forward);

    private static string? Expression(SectionPlan section, Value value)
    {
        if (section.Storage[value].Kind != StorageKind.External)
            return null;
        return value.Name switch
        {
            "tokens" => "batch.Tokens",
            "positions" => "batch.Positions",
            "sequences" => "batch.Sequences",
            "entered" => "entered.Indices",
            "enteredPositions" => "entered.Positions",
            "enteredSequences" => "entered.Sequences",
            var name => name,
        };
    }

    private static string SpanOf(Storage storage, TensorType type)
    {
        var offset = storage.Kind switch
        {
            StorageKind.StreamIn or StorageKind.StreamOut => "Stream",
            StorageKind.Scratch => storage.Offset == 0 ? "Scratch" : $"Scratch + {Literal.Of(storage.Offset)}",
            _ => throw new GraphException($"Inference has no span for {storage}."),
        };
        var count = type.Leading == LeadingExtent.Active ? "active" : "rows";
        var length = storage.Length == 1 ? count : $"{count} * {Literal.Of(storage.Length)}";
        return $"{(type.Element == ElementType.Int32 ? "Integers" : "Floats")}({offset}, {length})";
    }

    private void WriteLayout()
    {
        _writer.Line();
        _writer.Line("/// <summary>A span of activations that starts at an offset counted in one row.</summary>");
        _writer.Line("private global::System.Span<float> Floats(long offset, int length) => Activations.Span(MaximumRows * offset, length);");
        if (plan.Blocks.SelectMany(b => b.Storage).Any(s => s.Key.Type.Element == ElementType.Int32 && s.Value.Kind == StorageKind.Scratch))
        {
            _writer.Line();
            _writer.Line("private global::System.Span<int> Integers(long offset, int length) => Activations.Integers(MaximumRows * offset, length);");
        }

        _writer.Line();
        LayerLoops.WriteOffsets(_writer, "WeightsAt", "Offset of a layer's parameters.", plan.Segments, plan.Parameters.Layers);
    }
}
