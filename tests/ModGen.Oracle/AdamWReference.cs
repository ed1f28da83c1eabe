namespace ModGen.Oracle;

/// <summary>AdamW (Loshchilov and Hutter, arXiv 1711.05101) in float64, with clipping by the global norm.</summary>
public sealed class AdamWReference
{
    private readonly ModelParameters _first, _second;
    private int _step;

    /// <param name="like">Parameters whose moments are to be kept; they start at zero.</param>
    public AdamWReference(ModelParameters like)
    {
        _first = like.Copy();
        _second = like.Copy();
        foreach (var name in like.Names)
        {
            Array.Clear(_first[name]);
            Array.Clear(_second[name]);
        }
    }

    public required double LearningRate { get; init; }

    public required double Beta1 { get; init; }

    public required double Beta2 { get; init; }

    public required double Epsilon { get; init; }

    public required double WeightDecay { get; init; }

    public required double ClipNorm { get; init; }

    /// <summary>Updates <paramref name="parameters"/>; returns the global norm before clipping.</summary>
    /// <param name="parameters">Overwritten.</param>
    /// <param name="gradients">Of the same names.</param>
    /// <param name="decays">Says of a name whether it decays.</param>
    public double Update(ModelParameters parameters, ModelParameters gradients, Func<string, bool> decays)
    {
        _step++;
        var norm = Close.Norm([.. gradients.Names.Select(name => Close.Norm(gradients[name]))]);
        var scale = norm > ClipNorm ? ClipNorm / norm : 1;
        foreach (var name in parameters.Names)
        {
            var (p, g, m, v) = (parameters[name], gradients[name], _first[name], _second[name]);
            for (var i = 0; i < p.Length; i++)
            {
                m[i] = Beta1 * m[i] + (1 - Beta1) * scale * g[i];
                v[i] = Beta2 * v[i] + (1 - Beta2) * scale * scale * g[i] * g[i];
                var step = m[i] / (1 - Math.Pow(Beta1, _step)) / (Math.Sqrt(v[i] / (1 - Math.Pow(Beta2, _step))) + Epsilon);
                p[i] -= LearningRate * (step + (decays(name) ? WeightDecay * p[i] : 0));
            }
        }

        return norm;
    }
}
