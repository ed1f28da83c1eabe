namespace ModGen.Cuda.Tests.Device;

/// <summary>Causal attention and its gradient in double by plain loops, on random values that bfloat16 holds exactly.</summary>
internal sealed class AttentionProblem
{
    public AttentionProblem(int batch, int length, int heads, int groups, int width)
    {
        var columns = (heads + 2 * groups) * width;
        var random = new Random(length + width);
        Qkv = DeviceValues.Random(random, batch * length * columns);
        OutputGradient = DeviceValues.Random(random, batch * length * heads * width);
        Output = new double[OutputGradient.Length];
        QkvGradient = new double[Qkv.Length];
        Lse = new double[batch * heads * length];
        var scale = 1 / Math.Sqrt(width);
        for (var b = 0; b < batch; b++)
        {
            for (var h = 0; h < heads; h++)
            {
                for (var i = 0; i < length; i++)
                {
                    var group = h / (heads / groups);
                    int Row(int position) => (b * length + position) * columns;
                    int Key(int position) => Row(position) + (heads + group) * width;
                    int Value(int position) => Key(position) + groups * width;
                    var (q, at) = (Row(i) + h * width, ((b * length + i) * heads + h) * width);
                    var weights = new double[i + 1];
                    for (var j = 0; j <= i; j++)
                        weights[j] = scale * Dot(q, Key(j));
                    var top = weights.Max();
                    var sum = weights.Sum(s => Math.Exp(s - top));
                    Lse[(b * heads + h) * length + i] = top + Math.Log(sum);
                    var gradients = new double[i + 1];
                    for (var j = 0; j <= i; j++)
                    {
                        weights[j] = Math.Exp(weights[j] - top) / sum;
                        for (var c = 0; c < width; c++)
                        {
                            Output[at + c] += weights[j] * Qkv[Value(j) + c];
                            gradients[j] += OutputGradient[at + c] * (double)Qkv[Value(j) + c];
                            QkvGradient[Value(j) + c] += weights[j] * OutputGradient[at + c];
                        }
                    }

                    var mean = weights.Zip(gradients, (w, g) => w * g).Sum();
                    for (var j = 0; j <= i; j++)
                    {
                        var ds = weights[j] * (gradients[j] - mean) * scale;
                        for (var c = 0; c < width; c++)
                        {
                            QkvGradient[q + c] += ds * Qkv[Key(j) + c];
                            QkvGradient[Key(j) + c] += ds * Qkv[q + c];
                        }
                    }
                }
            }
        }

        double Dot(int a, int b)
        {
            var dot = 0.0;
            for (var c = 0; c < width; c++)
                dot += (double)Qkv[a + c] * Qkv[b + c];
            return dot;
        }
    }

    public float[] Qkv { get; }

    public float[] OutputGradient { get; }

    public double[] Output { get; }

    public double[] Lse { get; }

    public double[] QkvGradient { get; }
}

/// <summary>Attention of a call's rows over a ragged cache in double by plain loops.</summary>
internal sealed class CacheProblem
{
    public CacheProblem(int[] lengths, int[] rowSequences, int context, int heads, int groups, int width)
    {
        var (entry, before) = (2 * groups * width, heads * width);
        var random = new Random(width);
        RowSequences = rowSequences;
        Qkv = DeviceValues.Random(random, Rows * (before + entry));
        Cache = DeviceValues.Random(random, lengths.Length * context * entry);
        Output = new double[Rows * before];
        var after = (float[])Cache.Clone();
        var held = (int[])lengths.Clone();
        for (var i = 0; i < Rows; i++)
        {
            var first = rowSequences[i] * context * entry;
            Qkv.AsSpan(i * (before + entry) + before, entry).CopyTo(after.AsSpan(first + held[rowSequences[i]]++ * entry));
            for (var h = 0; h < heads; h++)
            {
                var scores = new double[held[rowSequences[i]]];
                var key = h / (heads / groups) * width;
                for (var j = 0; j < scores.Length; j++)
                    for (var c = 0; c < width; c++)
                        scores[j] += (double)Qkv[i * (before + entry) + h * width + c] * after[first + j * entry + key + c] / Math.Sqrt(width);
                var top = scores.Max();
                var sum = scores.Sum(s => Math.Exp(s - top));
                for (var j = 0; j < scores.Length; j++)
                    for (var c = 0; c < width; c++)
                        Output[i * before + h * width + c] += Math.Exp(scores[j] - top) / sum * after[first + j * entry + groups * width + key + c];
            }
        }
    }

    public int Rows => RowSequences.Length;

    public int[] RowSequences { get; }

    public float[] Qkv { get; }

    public float[] Cache { get; }

    public double[] Output { get; }
}

/// <summary>Values on their way to a device and back, in its precision.</summary>
internal static class DeviceValues
{
    /// <summary>Exact in bfloat16, so that sums in double are of what the device reads.</summary>
    public static float[] Random(Random random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits((float)(4 * random.NextDouble() - 2)) & 0xFFFF0000u))];

    public static void Upload(CudaStream stream, CudaContext context, DevicePointer to, float[] values)
    {
        if (context.Float32)
            stream.Upload(to, values.AsSpan());
        else
            stream.Upload(to, values.Select(v => (ushort)(BitConverter.SingleToUInt32Bits(v) >> 16)).ToArray().AsSpan());
    }

    public static float[] Download(CudaStream stream, CudaContext context, DevicePointer from, int count)
    {
        var values = new float[count];
        if (context.Float32)
        {
            stream.Download(values.AsSpan(), from);
            return values;
        }

        var bits = new ushort[count];
        stream.Download(bits.AsSpan(), from);
        return [.. bits.Select(b => BitConverter.UInt32BitsToSingle((uint)b << 16))];
    }

    /// <summary>Relative Frobenius error; NaN fails.</summary>
    public static void Near(string what, double[] want, float[] got, double tolerance)
    {
        double error = 0, norm = 0;
        for (var i = 0; i < want.Length; i++)
        {
            error += (got[i] - want[i]) * (got[i] - want[i]);
            norm += want[i] * want[i];
        }

        Assert.True(Math.Sqrt(error / norm) <= tolerance, $"{what}: relative error {Math.Sqrt(error / norm):g3} of {tolerance:g3}");
    }
}
