namespace ModGen.Oracle;

public static partial class OpMeaning
{
    /// <summary>Where the vectors of packed rows lie: H query, G key, G value heads.</summary>
    internal readonly record struct Packing(int Heads, int KeyValueHeads, int Width)
    {
        public int Stride => (Heads + 2 * KeyValueHeads) * Width;

        public int Query(int row, int head) => row * Stride + head * Width;

        public int Key(int row, int head) => row * Stride + (Heads + Group(head)) * Width;

        public int Value(int row, int head) => row * Stride + (Heads + KeyValueHeads + Group(head)) * Width;

        public int Group(int head) => head / (Heads / KeyValueHeads);
    }

    private static double[][] AttentionOf(Tensor qkv, int heads, int keyValueHeads, int width)
    {
        var at = new Packing(heads, keyValueHeads, width);
        var length = qkv.Type.Extents[0];
        var output = new double[qkv.Rows * heads * width];
        var logSumExp = new double[qkv.Leading * heads * length];
        for (var sequence = 0; sequence < qkv.Leading; sequence++)
        {
            for (var head = 0; head < heads; head++)
            {
                for (var i = 0; i < length; i++)
                {
                    var row = sequence * length + i;
                    var scores = Scores(qkv, at, sequence * length, i, head);
                    var weights = Softmax(scores);
                    logSumExp[(sequence * heads + head) * length + i] = scores[0] - Math.Log(weights[0]);
                    for (var j = 0; j <= i; j++)
                        for (var c = 0; c < width; c++)
                            output[(row * heads + head) * width + c] += weights[j] * qkv.Values[at.Value(sequence * length + j, head) + c];
                }
            }
        }

        return [output, logSumExp];
    }

    /// <summary>By the Jacobian of the softmax: ds = p · (dp − Σ p · dp).</summary>
    private static double[] AttentionGradientOf(Tensor qkv, Tensor doutput, int heads, int keyValueHeads, int width)
    {
        var at = new Packing(heads, keyValueHeads, width);
        var length = qkv.Type.Extents[0];
        var (x, dx) = (qkv.Values, new double[qkv.Values.Length]);
        var scale = 1 / Math.Sqrt(width);
        for (var sequence = 0; sequence < qkv.Leading; sequence++)
        {
            var first = sequence * length;
            for (var head = 0; head < heads; head++)
            {
                for (var i = 0; i < length; i++)
                {
                    var weights = Softmax(Scores(qkv, at, first, i, head));
                    var upstream = doutput.Values.AsSpan(((first + i) * heads + head) * width, width);
                    var dweights = new double[i + 1];
                    for (var j = 0; j <= i; j++)
                        dweights[j] = Dot(upstream, x.AsSpan(at.Value(first + j, head), width));
                    var mean = Dot(weights, dweights);
                    for (var j = 0; j <= i; j++)
                    {
                        var dscore = weights[j] * (dweights[j] - mean) * scale;
                        for (var c = 0; c < width; c++)
                        {
                            dx[at.Value(first + j, head) + c] += weights[j] * upstream[c];
                            dx[at.Query(first + i, head) + c] += dscore * x[at.Key(first + j, head) + c];
                            dx[at.Key(first + j, head) + c] += dscore * x[at.Query(first + i, head) + c];
                        }
                    }
                }
            }
        }

        return dx;
    }

    /// <summary>Scores of row i against rows 0 … i.</summary>
    private static double[] Scores(Tensor qkv, Packing at, int first, int i, int head)
    {
        var query = qkv.Values.AsSpan(at.Query(first + i, head), at.Width);
        var scores = new double[i + 1];
        for (var j = 0; j <= i; j++)
            scores[j] = Dot(query, qkv.Values.AsSpan(at.Key(first + j, head), at.Width)) / Math.Sqrt(at.Width);
        return scores;
    }

    private static double[][] CachedAttentionOf(Tensor qkv, Tensor sequences, int heads, int keyValueHeads, int width, CacheEntries[] caches)
    {
        var at = new Packing(heads, keyValueHeads, width);
        var output = new double[qkv.Rows * heads * width];
        var visible = new double[qkv.Rows];
        for (var row = 0; row < qkv.Rows; row++)
        {
            var cache = caches[sequences.Integer(row)];
            cache.Append(
                qkv.Values.AsSpan(at.Key(row, 0), keyValueHeads * width).ToArray(),
                qkv.Values.AsSpan(at.Value(row, 0), keyValueHeads * width).ToArray());
            visible[row] = cache.Keys.Count;
            AttendTo(cache.Keys, cache.Values, qkv.Values, row, at, output);
        }

        return [output, visible];
    }

    /// <summary>Attention of one packed row to all entries given, written to its row of the output.</summary>
    internal static void AttendTo(List<double[]> keys, List<double[]> values, double[] qkv, int row, Packing at, double[] output)
    {
        for (var head = 0; head < at.Heads; head++)
        {
            var group = at.Group(head) * at.Width;
            var query = qkv.AsSpan(at.Query(row, head), at.Width);
            var scores = new double[keys.Count];
            for (var j = 0; j < scores.Length; j++)
                scores[j] = Dot(query, keys[j].AsSpan(group, at.Width)) / Math.Sqrt(at.Width);
            var weights = Softmax(scores);
            for (var j = 0; j < weights.Length; j++)
                for (var c = 0; c < at.Width; c++)
                    output[(row * at.Heads + head) * at.Width + c] += weights[j] * values[j][group + c];
        }
    }
}
