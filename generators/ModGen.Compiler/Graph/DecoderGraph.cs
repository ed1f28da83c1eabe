using System;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Spec;

namespace ModGen.Compiler.Graph;

/// <summary>What training and inference share of the model: everything but how a block attends and how it selects.</summary>
internal sealed class DecoderGraph(ModelSpec spec, GraphBuilder graph)
{
    private readonly DecoderParameters _parameters = new(spec, graph);

    /// <summary>
    /// The pre-norm transformer block on rows <paramref name="x"/>: a = attention(norm(x)), m = MLP(norm(x + a)).
    /// Results: a, x + a, m.
    /// </summary>
    public (Value Attention, Value Middle, Value Mlp) Body(Value x, Value positions, Func<Value, Value> attend)
    {
        var normed = graph.AddAll(["normed", "rstd"], new RmsNorm(spec.NormEpsilon), x, _parameters.AttentionGain())[0];
        var qkv = graph.Add("qkv", new Linear(), normed, _parameters.Qkv());
        var rotated = graph.Add("rotated", new Rotary(spec.Heads + spec.KeyValueHeads, spec.HeadWidth, spec.RotaryBase), qkv, positions);
        var attended = attend(rotated);
        var attention = graph.Add("attention", new Linear(), attended, _parameters.AttentionOutput());
        var middle = graph.Add("middle", new Add(), x, attention);
        var middleNormed = graph.AddAll(["middleNormed", "middleRstd"], new RmsNorm(spec.NormEpsilon), middle, _parameters.MlpGain())[0];
        var gateUp = graph.Add("gateUp", new Linear(), middleNormed, _parameters.GateUp());
        var hidden = graph.Add("hidden", new SwiGlu(), gateUp);
        var mlp = graph.Add("mlp", new Linear(), hidden, _parameters.Down());
        return (attention, middle, mlp);
    }

    /// <summary>Everything a routed block adds to its selected rows: f = a + m, without the outer residual.</summary>
    public Value Delta(Value x, Value positions, Func<Value, Value> attend)
    {
        var (attention, _, mlp) = Body(x, positions, attend);
        return graph.Add("delta", new Add(), attention, mlp);
    }

    /// <summary>The scores by which <paramref name="routing"/> ranks the rows of x.</summary>
    public Value Scores(Value x, Value positions, RoutingSpec routing) => routing.Kind switch
    {
        RoutingKind.Learned => graph.Add("scores", new RouterScores(), x, _parameters.Router()),
        RoutingKind.Random => graph.Add("scores", new RandomScores(1 - routing.Tokens / (double)spec.Context), positions),
        _ => throw new GraphException($"Routing {routing.Kind} has no graph."),
    };

    /// <summary>The predictor, a second router that needs no other token: an MLP on x that sends no gradient into it.</summary>
    public Value PredictorLogits(Value x, int width)
    {
        var detached = graph.Add("detached", new StopGradient(), x);
        var hidden = graph.Add("predictorHidden", new Linear(), detached, _parameters.PredictorHidden(width), _parameters.PredictorHiddenBias(width));
        var active = graph.Add("predictorActive", new Silu(), hidden);
        return graph.Add("predictorLogits", new Linear(), active, _parameters.PredictorOutput(width), _parameters.PredictorOutputBias());
    }

    /// <summary>x plus g(r) · <paramref name="delta"/> at the selected rows; delta itself where there is no gate.</summary>
    public Value Merge(Value x, Value scores, Value selected, Value delta, GateKind gate)
    {
        if (gate != GateKind.One)
        {
            var gates = graph.Add("gates", new Gate(gate), scores, selected);
            delta = graph.Add("gated", new ScaleRows(), delta, gates);
        }

        return graph.Add("next", new ScatterAddRows(), x, selected, delta);
    }

    /// <summary>The final norm and the head.</summary>
    public Value Logits(Value x)
    {
        var normed = graph.AddAll(["normed", "rstd"], new RmsNorm(spec.NormEpsilon), x, _parameters.FinalGain())[0];
        return graph.Add("logits", new Linear(), normed, _parameters.Head());
    }
}
