using System.Numerics;

namespace ModGen.Data;

/// <summary>
/// The order in which training visits its windows: endless, each epoch a permutation of its own in which the windows
/// of a range start at a fresh offset. Any position is found in constant time, so a run resumes anywhere.
/// </summary>
internal sealed class WindowOrder
{
    private const int Rounds = 4;
    private readonly IReadOnlyList<TextRange> _ranges;
    private readonly long[] _firstWindow;
    private readonly int _context;

    public WindowOrder(IReadOnlyList<TextRange> ranges, int context)
    {
        _ranges = ranges;
        _context = context;
        _firstWindow = new long[ranges.Count + 1];
        for (var i = 0; i < ranges.Count; i++)
            _firstWindow[i + 1] = _firstWindow[i] + WindowsIn(ranges[i]);
    }

    /// <summary>Windows an epoch.</summary>
    public long Count => _firstWindow[^1];

    /// <summary>Where in the text the window at <paramref name="position"/> of the order that <paramref name="seed"/> names begins.</summary>
    public long Start(ulong seed, long position)
    {
        var (epoch, index) = Math.DivRem(position, Count);
        var key = CounterRandom.Hash(seed, (ulong)epoch);
        var window = Permute(index, key);
        var range = Array.BinarySearch(_firstWindow, window);
        if (range < 0)
            range = ~range - 1;
        var slack = _ranges[range].Length - 1 - WindowsIn(_ranges[range]) * _context;
        var offset = new CounterRandom(key, (ulong)range).NextInt64(Math.Min(slack, _context - 1L) + 1);
        return _ranges[range].Start + offset + (window - _firstWindow[range]) * _context;
    }

    /// <summary>Windows of a range whatever their offset, but one at least: a range holds a window and the target behind it.</summary>
    private long WindowsIn(TextRange range) => Math.Max(1, (range.Length - _context) / _context);

    /// <summary>A Feistel network over the next even number of bits, walked until it lands below the count.</summary>
    private long Permute(long index, ulong key)
    {
        var half = (BitOperations.Log2((ulong)Count) + 2) / 2;
        var mask = (1UL << half) - 1;
        var value = (ulong)index;
        do
        {
            var (left, right) = (value >> half, value & mask);
            for (var round = 0UL; round < Rounds; round++)
                (left, right) = (right, left ^ (CounterRandom.Hash(key, right, round) & mask));
            value = left << half | right;
        }
        while (value >= (ulong)Count);
        return (long)value;
    }
}
