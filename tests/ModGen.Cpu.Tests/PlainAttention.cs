namespace ModGen.Cpu.Tests;

/// <summary>Attention and its gradient as the formulas say, in double.</summary>
internal sealed class PlainAttention
{
    public PlainAttention(float[] qkv, float[] doutput, int batch, int length, int heads, int keyValueHeads, int width)
    {
        var stride = (heads + 2 * keyValueHeads) * width;
        Output = new double[batch * length * heads * width];
        LogSums = new double[batch * heads * length];
        Gradient = new double[batch * length * stride];
        var scale = 1 / Math.Sqrt(width);
        for (var b = 0; b < batch; b++)
        {
            for (var h = 0; h < heads; h++)
            {
                var group = h / (heads / keyValueHeads);
                int Q(int t) => (b * length + t) * stride + h * width;
                int K(int t) => (b * length + t) * stride + (heads + group) * width;
                int V(int t) => (b * length + t) * stride + (heads + keyValueHeads + group) * width;
                int O(int t) => ((b * length + t) * heads + h) * width;
                for (var t = 0; t < length; t++)
                {
                    var p = new double[t + 1];
                    for (var s = 0; s <= t; s++)
                    {
                        for (var i = 0; i < width; i++)
                            p[s] += scale * qkv[Q(t) + i] * qkv[K(s) + i];
                    }

                    var max = p.Max();
                    var log = max + Math.Log(p.Sum(v => Math.Exp(v - max)));
                    LogSums[(b * heads + h) * length + t] = log;
                    var delta = 0.0;
                    var dp = new double[t + 1];
                    for (var s = 0; s <= t; s++)
                    {
                        p[s] = Math.Exp(p[s] - log);
                        for (var i = 0; i < width; i++)
                        {
                            Output[O(t) + i] += p[s] * qkv[V(s) + i];
                            dp[s] += (double)doutput[O(t) + i] * qkv[V(s) + i];
                            Gradient[V(s) + i] += p[s] * doutput[O(t) + i];
                        }

                        delta += p[s] * dp[s];
                    }

                    for (var s = 0; s <= t; s++)
                    {
                        var ds = p[s] * (dp[s] - delta) * scale;
                        for (var i = 0; i < width; i++)
                        {
                            Gradient[Q(t) + i] += ds * qkv[K(s) + i];
                            Gradient[K(s) + i] += ds * qkv[Q(t) + i];
                        }
                    }
                }
            }
        }
    }

    public double[] Output { get; }

    public double[] LogSums { get; }

    public double[] Gradient { get; }
}
