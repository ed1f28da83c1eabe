namespace ModGen.Hosting.Training;

/// <summary>How fast training goes: over the last steps, and the median of all since the first ones, which compile code.</summary>
internal sealed class SpeedMeter
{
    /// <summary>Steps after which <see cref="MedianSeconds"/> means something.</summary>
    public const int Enough = 8;

    private const int Skipped = 3;
    private const int Window = 16;
    private const int Remembered = 256;
    private readonly Queue<(long Tokens, double Seconds)> _recent = [];
    private readonly List<double> _all = [];
    private int _seen;

    public double TokensPerSecond => _recent.Sum(step => step.Tokens) / _recent.Sum(step => step.Seconds);

    /// <summary>Mean time of the last steps.</summary>
    public double RecentSeconds => _recent.Average(step => step.Seconds);

    /// <summary>Median time of a step.</summary>
    public double MedianSeconds => _all.Count == 0 ? RecentSeconds : _all.Order().ElementAt(_all.Count / 2);

    public void Add(long tokens, TimeSpan elapsed)
    {
        _recent.Enqueue((tokens, elapsed.TotalSeconds));
        if (_recent.Count > Window)
            _recent.Dequeue();
        if (++_seen > Skipped && _all.Count < Remembered)
            _all.Add(elapsed.TotalSeconds);
    }
}
