using System.Runtime.InteropServices;

namespace ModGen.Cpu;

/// <summary>
/// Keys and values of one layer for a number of sequences, each of its own length: a token that a layer skipped leaves
/// nothing here. Keys are kept in blocks of 16 as (headWidth, 16), so that scores of 16 keys are made side by side; values
/// are kept as rows. Memory grows by doubling.
/// </summary>
public sealed unsafe class KeyValueCache : IDisposable
{
    /// <summary>Keys of a block.</summary>
    internal const int Block = 16;

    private readonly Sequence[] _sequences;
    private readonly int _initialCapacity;
    private readonly int _maximumCapacity;
    private bool _disposed;

    /// <summary>An empty cache; memory comes with the first entries.</summary>
    /// <param name="sequences">Sequences, at least 1.</param>
    /// <param name="initialCapacity">Entries to make room for at first.</param>
    /// <param name="maximumCapacity">Entries that a sequence may hold at most.</param>
    /// <param name="keyValueHeads">Key and value heads.</param>
    /// <param name="headWidth">Width of a head.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1.</exception>
    public KeyValueCache(int sequences, int initialCapacity, int maximumCapacity, int keyValueHeads, int headWidth)
    {
        Guard.Positive(sequences);
        Guard.Positive(initialCapacity);
        Guard.Positive(maximumCapacity);
        Guard.Positive(keyValueHeads);
        Guard.Positive(headWidth);
        _sequences = new Sequence[sequences];
        _initialCapacity = Math.Min(initialCapacity, maximumCapacity);
        _maximumCapacity = maximumCapacity;
        KeyValueHeads = keyValueHeads;
        HeadWidth = headWidth;
    }

    /// <summary>Bytes of native memory held.</summary>
    public long Bytes
    {
        get
        {
            var floats = 0L;
            foreach (var sequence in _sequences)
                floats += 2L * sequence.Capacity * KeyValueHeads * HeadWidth;
            return floats * sizeof(float);
        }
    }

    internal int KeyValueHeads { get; }

    internal int HeadWidth { get; }

    internal int Sequences => _sequences.Length;

    /// <summary>Entries that a sequence holds.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sequence.</exception>
    public int Length(int sequence) => At(sequence).Length;

    /// <summary>Forgets the entries of a sequence; its memory is kept.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sequence.</exception>
    public void Clear(int sequence) => At(sequence).Length = 0;

    /// <summary>Appends the keys and values of rows to their sequences, in row order.</summary>
    /// <param name="qkv">(rows, (heads + 2·keyValueHeads)·headWidth), keys after rotary embedding.</param>
    /// <param name="sequences">(rows): the sequence of each row.</param>
    /// <param name="visible">(rows), overwritten: entries that each row may see, itself included.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="heads">Query heads of a packed row.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sequence.</exception>
    /// <exception cref="InvalidOperationException">A sequence would exceed the maximum; nothing was appended from that row on.</exception>
    public void Append(ReadOnlySpan<float> qkv, ReadOnlySpan<int> sequences, Span<int> visible, int rows, int heads)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Guard.Positive(rows);
        Guard.Positive(heads);
        var stride = (heads + 2 * KeyValueHeads) * HeadWidth;
        Guard.Holds(qkv, (long)rows * stride);
        Guard.Holds(sequences, rows);
        Guard.Holds(visible, rows);
        Guard.Within(sequences[..rows], _sequences.Length, nameof(sequences));
        fixed (float* x = qkv)
        {
            for (var row = 0; row < rows; row++)
            {
                ref var sequence = ref _sequences[sequences[row]];
                if (sequence.Length == sequence.Capacity || sequence.Length == _maximumCapacity)
                    Grow(ref sequence, sequences[row]);
                Put(in sequence, x + (nint)row * stride + (nint)heads * HeadWidth);
                visible[row] = ++sequence.Length;
            }
        }
    }

    /// <summary>A head's keys: (capacity/16, headWidth, 16).</summary>
    internal float* Keys(int sequence, int head) => _sequences[sequence].Keys + (nint)head * _sequences[sequence].Capacity * HeadWidth;

    /// <summary>A head's values: (capacity, headWidth).</summary>
    internal float* Values(int sequence, int head) => _sequences[sequence].Values + (nint)head * _sequences[sequence].Capacity * HeadWidth;

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the memory of a cache that was never disposed.</summary>
    ~KeyValueCache() => Free();

    private void Free()
    {
        _disposed = true;
        foreach (ref var sequence in _sequences.AsSpan())
        {
            NativeMemory.AlignedFree(sequence.Keys);
            NativeMemory.AlignedFree(sequence.Values);
            sequence = default;
        }
    }

    private ref Sequence At(int sequence)
    {
        if ((uint)sequence >= (uint)_sequences.Length)
            throw new ArgumentOutOfRangeException(nameof(sequence), sequence, $"There is no sequence {sequence}; the cache has {_sequences.Length}.");
        return ref _sequences[sequence];
    }

    private void Put(in Sequence sequence, float* key)
    {
        var value = key + (nint)KeyValueHeads * HeadWidth;
        var (block, lane) = (sequence.Length / Block, sequence.Length % Block);
        for (var head = 0; head < KeyValueHeads; head++)
        {
            var start = (nint)head * sequence.Capacity * HeadWidth;
            var keys = sequence.Keys + start + (nint)block * HeadWidth * Block + lane;
            for (var i = 0; i < HeadWidth; i++)
                keys[i * Block] = key[(nint)head * HeadWidth + i];
            new ReadOnlySpan<float>(value + (nint)head * HeadWidth, HeadWidth).CopyTo(new Span<float>(sequence.Values + start + (nint)sequence.Length * HeadWidth, HeadWidth));
        }
    }

    private void Grow(ref Sequence sequence, int index)
    {
        if (sequence.Length >= _maximumCapacity)
            throw new InvalidOperationException($"Sequence {index} already holds {sequence.Length} entries, the cache's maximum; clear it or make the cache with a greater maximum.");
        var wanted = sequence.Capacity == 0 ? _initialCapacity : (int)Math.Min(2L * sequence.Capacity, _maximumCapacity);
        // Scores are made of two blocks at a time.
        var capacity = Gemm.Ceiling(wanted, 2 * Block) * 2 * Block;
        var keys = Allocate(capacity);
        var values = Allocate(capacity);
        for (var head = 0; head < KeyValueHeads && sequence.Capacity > 0; head++)
        {
            var bytes = (long)sequence.Capacity * HeadWidth * sizeof(float);
            var (from, to) = ((nint)head * sequence.Capacity * HeadWidth, (nint)head * capacity * HeadWidth);
            Buffer.MemoryCopy(sequence.Keys + from, keys + to, bytes, bytes);
            Buffer.MemoryCopy(sequence.Values + from, values + to, bytes, bytes);
        }

        NativeMemory.AlignedFree(sequence.Keys);
        NativeMemory.AlignedFree(sequence.Values);
        sequence = sequence with { Keys = keys, Values = values, Capacity = capacity };
    }

    // Zeroed, since scores are made of whole blocks of keys and unused lanes must hold numbers.
    private float* Allocate(int capacity)
    {
        var bytes = checked((nuint)capacity * (nuint)KeyValueHeads * (nuint)HeadWidth * sizeof(float));
        var memory = (float*)NativeMemory.AlignedAlloc(bytes, 64);
        NativeMemory.Clear(memory, bytes);
        return memory;
    }

    private struct Sequence
    {
        public float* Keys, Values;
        public int Length, Capacity;
    }
}
