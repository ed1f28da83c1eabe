using System;
using ModGen.Compiler.Spec;

namespace ModGen.Compiler.Graph;

/// <summary>
/// The parameters of a decoder with their names in weights files: Hugging Face's Llama for everything that Llama has.
/// Matrices start normal with deviation 0.64 / √(inputs) (0.02 at width 1024), those that write into the residual stream
/// divided by √(2 · layers) as in GPT-2; gains start at one, biases and routers at zero mean.
/// </summary>
internal sealed class DecoderParameters(ModelSpec spec, GraphBuilder graph)
{
    private const string Layer = "model.layers.{layer}.";

    public Value Embedding() => Matrix("embedding", spec.Width, 1, ("model.embed_tokens.weight", spec.Vocabulary));

    /// <summary>The head's matrix; the embedding's own when tied.</summary>
    public Value Head() => spec.TiedHead ? Embedding() : Matrix("head", spec.Width, 1, ("lm_head.weight", spec.Vocabulary));

    public Value FinalGain() => Gain("finalGain", "model.norm.weight");

    public Value AttentionGain() => Gain("attentionGain", Layer + "input_layernorm.weight");

    public Value MlpGain() => Gain("mlpGain", Layer + "post_attention_layernorm.weight");

    /// <summary>Query, key and value projections as one matrix ((H + 2G)·w, D).</summary>
    public Value Qkv() => Matrix(
        "qkvWeight", spec.Width, 1,
        (Layer + "self_attn.q_proj.weight", spec.Heads * spec.HeadWidth),
        (Layer + "self_attn.k_proj.weight", spec.KeyValueHeads * spec.HeadWidth),
        (Layer + "self_attn.v_proj.weight", spec.KeyValueHeads * spec.HeadWidth));

    public Value AttentionOutput() =>
        Matrix("outputWeight", spec.Heads * spec.HeadWidth, ResidualScale, (Layer + "self_attn.o_proj.weight", spec.Width));

    /// <summary>Gate and up projections as one matrix (2F, D).</summary>
    public Value GateUp() => Matrix(
        "gateUpWeight", spec.Width, 1,
        (Layer + "mlp.gate_proj.weight", spec.FeedForward),
        (Layer + "mlp.up_proj.weight", spec.FeedForward));

    public Value Down() => Matrix("downWeight", spec.FeedForward, ResidualScale, (Layer + "mlp.down_proj.weight", spec.Width));

    public Value Router() => Matrix("routerWeight", spec.Width, 1, (Layer + "mod.router.weight", 1));

    public Value PredictorHidden(int width) => Matrix("predictorWeight", spec.Width, 1, (Layer + "mod.predictor.0.weight", width));

    public Value PredictorHiddenBias(int width) => Bias("predictorBias", Layer + "mod.predictor.0.bias", width);

    public Value PredictorOutput(int width) => Matrix("predictorOutput", width, 1, (Layer + "mod.predictor.2.weight", 1));

    public Value PredictorOutputBias() => Bias("predictorOutputBias", Layer + "mod.predictor.2.bias", 1);

    private double ResidualScale => 1 / Math.Sqrt(2.0 * spec.Layers);

    private Value Matrix(string key, int inputs, double scale, params (string Name, int Outputs)[] pieces)
    {
        var outputs = 0;
        foreach (var piece in pieces)
            outputs += piece.Outputs;
        var parameter = new ParameterSpec(
            key,
            Array.ConvertAll(pieces, p => new ParameterPiece(p.Name, EquatableArray.Of(p.Outputs, inputs))).ToEquatableArray(),
            InitialValue.Normal, 0.64 / Math.Sqrt(inputs) * scale, Decays: true);
        return graph.Parameter(TensorType.Fixed(outputs, inputs), parameter);
    }

    private Value Gain(string key, string name) => Vector(key, name, spec.Width, InitialValue.Ones);

    private Value Bias(string key, string name, int width) => Vector(key, name, width, InitialValue.Zeros);

    private Value Vector(string key, string name, int width, InitialValue start) => graph.Parameter(
        TensorType.Fixed(width),
        new ParameterSpec(key, EquatableArray.Of(new ParameterPiece(name, EquatableArray.Of(width))), start, 0, Decays: false));
}
