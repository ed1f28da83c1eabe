namespace ModGen.Hosting.Training;

/// <summary>How fast training goes, over its last steps.</summary>
internal sealed class SpeedMeter
{
    /// <summary>Steps after which <see cref="MedianSeconds"/> means something.</summary>
    public const int Enough = 8;

    private const int Window = 32;
    private readonly Queue<(long Tokens, double Seconds)> _recent = [];

    public double TokensPerSecond => _recent.Sum(step => step.Tokens) / _recent.Sum(step => step.Seconds);

    /// <summary>Mean time of a step.</summary>
    public double RecentSeconds => _recent.Average(step => step.Seconds);

    /// <summary>Median time of a step.</summary>
    public double MedianSeconds => _recent.Select(step => step.Seconds).Order().ElementAt(_recent.Count / 2);

    public void Add(long tokens, TimeSpan elapsed)
    {
        _recent.Enqueue((tokens, elapsed.TotalSeconds));
        if (_recent.Count > Window)
            _recent.Dequeue();
    }
}
