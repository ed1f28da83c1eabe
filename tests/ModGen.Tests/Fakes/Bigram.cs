using ModGen.Cpu;
using ModGen.Programs;

namespace ModGen.Tests.Fakes;

/// <summary>
/// The smallest model that behaves like one: embedding, norm, head. It predicts a token from the one before. Its
/// second layer is "routed" by fixed rules and adds nothing, so that what the runtime does with routing can be told.
/// </summary>
internal abstract class Bigram<TModel>(Device device, ulong seed)
    : DecoderModel<TModel>(device, TModel.Description, Table(), seed)
    where TModel : Bigram<TModel>, IDecoderModel<TModel>
{
    public static ModelDescription Describe(string name, int vocabulary, int width, int context, string fingerprint) => new()
    {
        Name = name,
        Fingerprint = fingerprint,
        Vocabulary = vocabulary,
        Width = width,
        Heads = 1,
        KeyValueHeads = 1,
        HeadWidth = width,
        FeedForward = width,
        Context = context,
        TiedHead = false,
        RotaryBase = 10000,
        NormEpsilon = 1e-5,
        Parameters = (2L * vocabulary + 1) * width,
        FlopsPerToken = 2.0 * vocabulary * width,
        DenseFlopsPerToken = 2.0 * vocabulary * width,
        ActivationBytesPerSequence = 0,
        Layers =
        [
            new LayerDescription(0, context, "dense", "", 0, 0, 0, 0),
            new LayerDescription(1, context / 4, "learned", "identity", 0.01, 0, 0, 0),
        ],
    };

    public override TrainingProgram CreateTrainingProgram(int batch) => new Training(this, (CpuDevice)Device, batch);

    public override InferenceProgram CreateInferenceProgram(int sequences, int maximumRows) => new Inference(this, (CpuDevice)Device, sequences, maximumRows);

    private static ParameterTable Table()
    {
        var model = TModel.Description;
        return new ParameterTable()
            .Add("model.embed_tokens.weight", [model.Vocabulary, model.Width], Initialization.Normal, 1f, decays: true)
            .Add("model.norm.weight", [model.Width], Initialization.Ones)
            .Add("lm_head.weight", [model.Vocabulary, model.Width], Initialization.Normal, 0.3f, decays: true);
    }

    private sealed class Training(Bigram<TModel> model, CpuDevice device, int batch)
        : CpuTrainingProgram(model, device, batch, 4L * TModel.Description.Context * (TModel.Description.Width + 1), TModel.Description.Context * TModel.Description.Width)
    {
        private readonly int[] _selected = new int[batch * (TModel.Description.Context / 4)];
        private readonly float[] _scores = new float[batch * TModel.Description.Context];

        private static ModelDescription Model => TModel.Description;

        private int Rows => Batch * Model.Context;

        private Span<float> X => Activations.Span(0, Rows * Model.Width);

        private Span<float> Y => Activations.Span(Rows * Model.Width, Rows * Model.Width);

        private Span<float> Gradient => Activations.Span(2 * Rows * Model.Width, Rows * Model.Width);

        private Span<float> Rstd => Activations.Span(3 * Rows * Model.Width, Rows);

        public override float AuxiliaryLoss(int layer) => layer == 1 ? 0.5f : 0;

        public override float PredictorLoss(int layer) => 0;

        public override ReadOnlySpan<int> Selected(int layer) => layer == 1 ? _selected : default;

        public override ReadOnlySpan<float> Scores(int layer) => layer == 1 ? _scores : default;

        public override ReadOnlySpan<float> PredictorLogits(int layer) => default;

        protected override void Forward(ReadOnlySpan<int> tokens, ulong draw)
        {
            Embedding.Forward(Workers, tokens, Of(Weights, 0), X, Rows, Model.Width);
            RmsNorm.Forward(Workers, X, Of(Weights, 1), Y, Rstd, Rows, Model.Width, 1e-5f);
            for (var i = 0; i < Rows; i++)
                _scores[i] = tokens[i] - 128;
            TopK.Select(Workers, _scores, _selected, Batch, Model.Context, Model.Context / 4);
        }

        protected override float Loss(ReadOnlySpan<int> targets) =>
            CrossEntropyHead.Forward(Workers, Y, Of(Weights, 2), targets, Rows, Model.Width, Model.Vocabulary);

        protected override float LossAndBackward(ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, float scale)
        {
            var loss = CrossEntropyHead.ForwardBackward(
                Workers, Y, Of(Weights, 2), targets, scale, Gradient, Of(Gradients, 2), Rows, Model.Width, Model.Vocabulary);
            RmsNorm.Backward(Workers, Gradient, X, Of(Weights, 1), Rstd, Y, Of(Gradients, 1), Rows, Model.Width);
            Embedding.Backward(Workers, tokens, Y, Of(Gradients, 0), Rows, Model.Width, Model.Vocabulary);
            return loss;
        }

        protected override void Head(Span<float> logits) => Linear.Forward(Workers, Y, Of(Weights, 2), logits, Rows, Model.Width, Model.Vocabulary);

        private Span<float> Of(Arena arena, int index) => arena.Span(model.Parameters.Parameters[index].Offset, model.Parameters.Parameters[index].Length);
    }

    private sealed class Inference(Bigram<TModel> model, CpuDevice device, int sequences, int maximumRows)
        : CpuInferenceProgram(model, device, sequences, maximumRows, 3L * TModel.Description.Width + TModel.Description.Vocabulary + 2)
    {
        protected override void Run(InferenceRows rows, ReadOnlySpan<int> logitRows, Span<float> logits, ulong draw)
        {
            var (width, vocabulary) = (TModel.Description.Width, TModel.Description.Vocabulary);
            var x = Activations.Span(0, rows.Count * width);
            var y = Activations.Span((long)MaximumRows * width, rows.Count * width);
            var rstd = Activations.Span(2L * MaximumRows * width, rows.Count);
            var qkv = new float[rows.Count * 3 * width];
            Cache(0).Append(qkv, rows.Sequences, rows.Visible, rows.Count, heads: 1);
            var scores = new float[rows.Count];
            for (var i = 0; i < rows.Count; i++)
                scores[i] = rows.Tokens[i] - 128;
            var entered = Enter(1, scores);
            if (entered.Count > 0)
                Cache(1).Append(qkv, entered.Sequences, entered.Visible, entered.Count, heads: 1);
            Embedding.Forward(Workers, rows.Tokens, Of(0), x, rows.Count, width);
            RmsNorm.Forward(Workers, x, Of(1), y, rstd, rows.Count, width, 1e-5f);
            for (var i = 0; i < logitRows.Length; i++)
                Linear.Forward(Workers, y.Slice(logitRows[i] * width, width), Of(2), logits.Slice(i * vocabulary, vocabulary), 1, width, vocabulary);
        }

        private Span<float> Of(int index) => Weights.Span(model.Parameters.Parameters[index].Offset, model.Parameters.Parameters[index].Length);
    }
}

/// <summary>A bigram over bytes.</summary>
internal sealed class Tiny(Device device, ulong seed) : Bigram<Tiny>(device, seed), IDecoderModel<Tiny>
{
    public const int Context = 16;

    private static readonly ModelDescription Shape = Describe("Tests.Tiny", 256, 8, Context, "tiny");

    static ModelDescription IDecoderModel<Tiny>.Description => Shape;

    public static Tiny Create(Device device, ulong seed = 0) => new(device, seed);
}

/// <summary>The same with another width.</summary>
internal sealed class Wider(Device device, ulong seed) : Bigram<Wider>(device, seed), IDecoderModel<Wider>
{
    private static readonly ModelDescription Shape = Describe("Tests.Wider", 256, 12, 16, "wider");

    static ModelDescription IDecoderModel<Wider>.Description => Shape;

    public static Wider Create(Device device, ulong seed = 0) => new(device, seed);
}

/// <summary>Matrices larger than the pieces in which files are read and written.</summary>
internal sealed class Broad(Device device, ulong seed) : Bigram<Broad>(device, seed), IDecoderModel<Broad>
{
    private static readonly ModelDescription Shape = Describe("Tests.Broad", 256, 1100, 8, "broad");

    static ModelDescription IDecoderModel<Broad>.Description => Shape;

    public static Broad Create(Device device, ulong seed = 0) => new(device, seed);
}

/// <summary>A vocabulary that does not hold the bytes.</summary>
internal sealed class Letters(Device device, ulong seed) : Bigram<Letters>(device, seed), IDecoderModel<Letters>
{
    private static readonly ModelDescription Shape = Describe("Tests.Letters", 27, 4, 8, "letters");

    static ModelDescription IDecoderModel<Letters>.Description => Shape;

    public static Letters Create(Device device, ulong seed = 0) => new(device, seed);
}
