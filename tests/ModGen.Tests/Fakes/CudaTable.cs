using ModGen.Cuda;
using ModGen.Programs;

namespace ModGen.Tests.Fakes;

/// <summary>
/// The smallest model with CUDA programs: a number a token. Its loss is the mean squared distance of the token's number
/// from the target's id. Its second layer is "routed": odd tokens enter. The kernels are those of <see cref="CudaTableKernels"/>.
/// </summary>
internal sealed class CudaTable(Device device, ulong seed) : DecoderModel<CudaTable>(device, Shape, Table(), seed), IDecoderModel<CudaTable>
{
    public const int Context = 4, Vocabulary = 32;

    private static readonly ModelDescription Shape = Bigram<Tiny>.Describe("Tests.CudaTable", Vocabulary, 2, Context, "table");

    static ModelDescription IDecoderModel<CudaTable>.Description => Shape;

    public static CudaTable Create(Device device, ulong seed = 0) => new(device, seed);

    public override TrainingProgram CreateTrainingProgram(int batch) =>
        Device is CudaDevice cuda ? new CudaTraining(this, cuda, batch) : new CpuTraining(this, (CpuDevice)Device, batch);

    public override InferenceProgram CreateInferenceProgram(int sequences, int maximumRows) =>
        new CudaInference(this, (CudaDevice)Device, sequences, maximumRows);

    private static ParameterTable Table() => new ParameterTable()
        .Add("model.embed_tokens.weight", [Vocabulary], Initialization.Normal, 1, decays: true)
        .Add("model.norm.weight", [3], Initialization.Ones);

    private sealed class CudaTraining(CudaTable model, CudaDevice device, int batch) : CudaTrainingProgram(model, device, batch, Context, 0)
    {
        private int Count => Batch * Context;

        public override ReadOnlySpan<int> Selected(int layer) => layer == 1 ? ReadIntegers(0, 1) : default;

        public override ReadOnlySpan<float> Scores(int layer) => layer == 1 ? ReadFloats(0, Context) : default;

        public override ReadOnlySpan<float> PredictorLogits(int layer) => default;

        protected override void Forward() => Launch(CudaTableKernels.Lookup, 1, [Tokens, Weights(0), Floats(0), Count]);

        protected override void Loss()
        {
            var (first, second) = (Workspace(100), Workspace(Count * sizeof(float)));
            Assert.Equal(256, (long)(second.Address - first.Address));
            Launch(CudaTableKernels.Distance, 1, [Floats(0), Targets, InverseTargets, second, CrossEntropySlot, AuxiliaryLossSlot(1), Count]);
        }

        protected override void LossAndBackward()
        {
            Loss();
            Launch(CudaTableKernels.Gradient, 1, [Floats(0), Tokens, Targets, LossScale, Gradients(0), Count]);
        }

        protected override void Head() => Launch(CudaTableKernels.Logits, 1, [Floats(0), LogitsOut, Rows(Count)]);
    }

    /// <summary>Holds states of training, for checkpoints that come from the other device.</summary>
    private sealed class CpuTraining(CudaTable model, CpuDevice device, int batch) : CpuTrainingProgram(model, device, batch, Context, Context)
    {
        public override float AuxiliaryLoss(int layer) => 0;

        public override float PredictorLoss(int layer) => 0;

        public override ReadOnlySpan<int> Selected(int layer) => default;

        public override ReadOnlySpan<float> Scores(int layer) => default;

        public override ReadOnlySpan<float> PredictorLogits(int layer) => default;

        protected override void Forward(ReadOnlySpan<int> tokens, ulong draw) => throw new NotSupportedException();

        protected override float Loss(ReadOnlySpan<int> targets) => throw new NotSupportedException();

        protected override float LossAndBackward(ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, float scale) => throw new NotSupportedException();

        protected override void Head(Span<float> logits) => throw new NotSupportedException();
    }

    private sealed class CudaInference(CudaTable model, CudaDevice device, int sequences, int maximumRows)
        : CudaInferenceProgram(model, device, sequences, maximumRows, 1, 1)
    {
        protected override void Run()
        {
            Launch(CudaTableKernels.Enter, 1, [Tokens, RowSequences, Lengths(0), Lengths(1), Forced, ForcedRows(1), EnteredFlags(1), Rows]);
            Launch(CudaTableKernels.Wanted, 1, [Tokens, RowSequences, Positions, WantedRows, Lengths(0), LogitsOut, Draw, Wanted]);
        }
    }
}
