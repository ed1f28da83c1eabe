using ModGen.Compiler.Graph;

namespace ModGen.Oracle;

/// <summary>Runs a model's inference sections in float64 over caches that are plain lists: what a sampler should compute.</summary>
public sealed class CausalInterpreter(ModelGraph model, ModelParameters parameters, int sequences)
{
    private readonly CacheEntries[][] _caches =
        [.. Enumerable.Range(0, model.Spec.Layers).Select(_ => Enumerable.Range(0, sequences).Select(_ => new CacheEntries()).ToArray())];

    private readonly int[] _lengths = new int[sequences];

    /// <summary>True to read operands as bfloat16.</summary>
    public bool RoundsOperands { get; init; }

    /// <summary>Entries that a sequence holds in a layer's cache.</summary>
    public int CacheLength(int layer, int sequence) => _caches[layer][sequence].Keys.Count;

    /// <summary>Appends tokens to sequences; the logits of every row.</summary>
    /// <param name="tokens">(rows).</param>
    /// <param name="rowSequences">(rows), rows of one sequence together and in order.</param>
    /// <param name="entered">For every layer, (rows) decisions that replace the causal ones, or null.</param>
    /// <param name="draw">Number that random routing draws from.</param>
    public double[] Extend(int[] tokens, int[] rowSequences, IReadOnlyList<bool[]?>? entered = null, ulong draw = 0)
    {
        var positions = Array.ConvertAll(rowSequences, s => _lengths[s]++);
        var stream = Forward(model.InferenceEmbedding, 0, null)[model.InferenceEmbedding.StreamOut!];
        for (var layer = 0; layer < model.Spec.Layers; layer++)
        {
            var section = model.KindOf(layer).Inference;
            stream = Forward(section, layer, stream)[section.StreamOut!];
        }

        return Forward(model.InferenceLogits, 0, stream)[model.InferenceLogits.Reports[0].Value].Values;

        Dictionary<Value, Tensor> Forward(Section section, int layer, Tensor? stream)
        {
            var given = section.Graph.Parameters.ToDictionary(p => p, p => parameters.Stack(p, layer));
            foreach (var input in section.Graph.Inputs)
                given[input] = input == section.StreamIn ? stream! : Tensor.Integers(input.Type, input.Name switch
                {
                    "tokens" => tokens,
                    "positions" => positions,
                    "sequences" => rowSequences,
                    "wanted" => [.. Enumerable.Range(0, tokens.Length)],
                    _ => throw new ArgumentException($"No section should ask for {input.Name}.", nameof(section)),
                });
            return GraphInterpreter.Run(section.Graph, given, new OpContext(layer, draw) { Caches = _caches[layer], Entered = entered?[layer], RoundsOperands = RoundsOperands });
        }
    }
}
