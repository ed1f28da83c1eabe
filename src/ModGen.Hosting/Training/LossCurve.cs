namespace ModGen.Hosting.Training;

/// <summary>A loss curve of one line of block characters, whatever the number of steps.</summary>
internal sealed class LossCurve(int width)
{
    private const string Blocks = "▁▂▃▄▅▆▇█";
    private const double Smoothing = 0.9;
    private readonly List<double> _values = [];
    private int _stride = 1;
    private double _sum;
    private int _count;
    private double _weight;
    private double _smooth;

    /// <summary>The loss, smoothed over the last ten steps or so.</summary>
    public double Newest => _smooth / _weight;

    public void Add(double loss)
    {
        _smooth = Smoothing * _smooth + (1 - Smoothing) * loss;
        _weight = Smoothing * _weight + (1 - Smoothing);
        _sum += loss;
        if (++_count < _stride)
            return;
        _values.Add(_sum / _count);
        (_sum, _count) = (0, 0);
        if (_values.Count == 2 * width)
            Halve();
    }

    /// <summary>At most so many columns, the first step at the left.</summary>
    public override string ToString()
    {
        if (_values.Count == 0)
            return "";
        var columns = Math.Min(width, _values.Count);
        var means = Enumerable.Range(0, columns).Select(c => Mean(c * _values.Count / columns, (c + 1) * _values.Count / columns)).ToArray();
        var (low, high) = (means.Min(), means.Max());
        var range = Math.Max(high - low, 1e-9);
        return string.Concat(means.Select(mean => Blocks[(int)Math.Clamp((mean - low) / range * Blocks.Length, 0, Blocks.Length - 1)]));
    }

    private double Mean(int start, int end) => _values[start..end].Average();

    private void Halve()
    {
        for (var i = 0; i < width; i++)
            _values[i] = (_values[2 * i] + _values[2 * i + 1]) / 2;
        _values.RemoveRange(width, width);
        _stride *= 2;
    }
}
