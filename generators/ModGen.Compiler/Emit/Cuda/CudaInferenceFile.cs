using System.Linq;
using ModGen.Compiler.Emit.CSharp;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>Writes the inference program of a GPU: a class nested in the model's, whose passes append launches.</summary>
internal sealed class CudaInferenceFile(InferencePlan plan, KernelCatalog catalog)
{
    private readonly CodeWriter _writer = new();

    private ModelGraph Model => plan.Model;

    public string Write()
    {
        var spec = Model.Spec;
        SourceFile.Header(_writer, spec, "its inference program on a GPU");
        using (SourceFile.Type(_writer, spec))
        {
            _writer.Line("/// <summary>Causal pass over cached sequences on a GPU: each row is the next token of one of them, and how many there are is known there alone.</summary>");
            using (_writer.Block("private sealed class CudaInference : Programs::CudaInferenceProgram"))
            {
                WriteMembers();
                WriteRun();
                foreach (var block in plan.Blocks)
                    WriteBlock(block);
                _writer.Line();
                LayerLoops.WriteOffsets(_writer, "WeightsAt", "Offset of a layer's parameters.", plan.Segments, plan.Parameters.Layers);
            }
        }

        return _writer.ToString();
    }

    private void WriteMembers()
    {
        _writer.Line("// Activations of one row, in elements; a buffer lies at MaximumRows times its offset. The residual stream comes first.");
        _writer.Line("private const long Stream = 0;");
        _writer.Line($"private const long Scratch = {Literal.Of(plan.Scratch)}; // that of operands starts at 0");
        _writer.Line($"private const long RowFloats = {Literal.Of(plan.Total.Words)};");
        _writer.Line($"private const long RowOperands = {Literal.Of(plan.Total.Operands)};");
        _writer.Line();
        using (_writer.Block($"public CudaInference({Model.Spec.Type.Identifier} model, Runtime::CudaDevice device, int sequences, int maximumRows)\n    : base(model, device, sequences, maximumRows, RowFloats, RowOperands)"))
        {
        }
    }

    private void WriteRun()
    {
        _writer.Line();
        using (_writer.Block("protected override void Run()"))
        {
            _writer.Line("Embed();");
            LayerLoops.Write(_writer, plan.Segments, backwards: false, (kind, layer) => $"{Model.Kinds[kind].Name}({layer});");
            _writer.Line("Head();");
        }

        _writer.Line();
        _writer.Line("/// <summary>Rows of the embedding by token id.</summary>");
        using (_writer.Block("private void Embed()"))
        {
            _writer.Line("var rows = Rows;");
            Pass(plan.Embedding);
        }

        _writer.Line();
        _writer.Line("/// <summary>Logits of the wanted rows.</summary>");
        using (_writer.Block("private void Head()"))
        {
            if (CudaDecodeKernels.Head(plan.Logits, catalog, value => PlaceOf(plan.Logits, value)) is { } statement)
                WriteDecoding(new DecodeBranch(0, [statement]));
            _writer.Line("var active = Wanted;");
            Pass(plan.Logits);
        }
    }

    private void WriteBlock(SectionPlan block)
    {
        var spec = Model.Kinds.First(k => k.Name == block.Section.Name).Spec;
        var routed = spec.Routing is not null;
        _writer.Line();
        _writer.Line(InferenceFile.SummaryOf(spec));
        using (_writer.Block($"private void {block.Section.Name}(int layer)"))
        {
            _writer.Line("var rows = Rows;");
            _writer.Line("var weights = WeightsAt(layer);");
            var pass = Writer(block);
            string Inline(Value value) => PlaceOf(block, value);
            var decoding = CudaDecodeKernels.Branch(block, catalog, Inline, launch => CudaKernels.Emit(new CudaCall(launch, Inline, block, catalog, samples: true)));
            var before = decoding?.After ?? 0;
            pass.Write(block.Forward.Take(before));
            if (decoding is not null)
                WriteDecoding(decoding);
            pass.Write(block.Forward.Skip(before));
        }
    }

    /// <summary>A decode step has a few rows: for those a block is a few fused kernels.</summary>
    private void WriteDecoding(DecodeBranch decoding)
    {
        if (decoding.After > 0)
            _writer.Line();
        using (_writer.Block("if (Decodes)"))
        {
            foreach (var statement in decoding.Statements)
                _writer.Line(statement);
            _writer.Line("return;");
        }

        if (decoding.After == 0)
            _writer.Line();
    }

    private void Pass(SectionPlan section) => Writer(section).Write(section.Forward);

    private PassWriter Writer(SectionPlan section) => new(_writer, section, new PassContext(
        value => Expression(section, value),
        (storage, value) => Place(section, storage, value),
        (launch, nameOf) => CudaKernels.Emit(new CudaCall(launch, nameOf, section, catalog, samples: true))));

    /// <summary>The expression of a value where there is no local for it.</summary>
    private string PlaceOf(SectionPlan section, Value value) => Expression(section, value) ?? Place(section, section.Storage[value], value);

    private string Place(SectionPlan section, Storage storage, Value value) =>
        CudaPlaces.Parameter(plan.Parameters, section, storage, value) ?? Activation(storage, value.Type);

    private static string? Expression(SectionPlan section, Value value) =>
        section.Storage[value].Kind != StorageKind.External ? null : value.Name switch
        {
            "tokens" => "Tokens",
            "positions" => "Positions",
            "sequences" => "RowSequences",
            "wanted" => "WantedRows",
            "entered" => "EnteredRows",
            "enteredPositions" => "EnteredPositions",
            "enteredSequences" => "EnteredSequences",
            "logits" => "LogitsOut",
            _ => null,
        };

    private static string Activation(Storage storage, TensorType type) => CudaPlaces.Activation(storage, type, storage.Kind switch
    {
        StorageKind.StreamIn or StorageKind.StreamOut => "Stream",
        StorageKind.Scratch => CudaPlaces.Behind(storage.Precision == Precision.Word ? "Scratch" : "0", storage.Offset),
        _ => throw new GraphException($"Inference has no pointer for {storage}."),
    });
}
