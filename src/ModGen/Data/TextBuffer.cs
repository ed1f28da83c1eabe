using System.Runtime.InteropServices;

namespace ModGen.Data;

/// <summary>Bytes in native memory, as many as the machine has room for: a managed array ends at 2 GiB.</summary>
internal sealed unsafe class TextBuffer
{
    private byte* _memory;
    private long _capacity;

    public long Length { get; private set; }

    /// <summary>Room for <paramref name="length"/> more bytes behind the text; <see cref="Commit"/> makes them part of it.</summary>
    public Span<byte> Reserve(int length)
    {
        if (Length + length > _capacity)
        {
            var capacity = Math.Max(Length + length, Math.Min(_capacity * 2, _capacity + (1L << 30)));
            try
            {
                _memory = (byte*)NativeMemory.Realloc(_memory, checked((nuint)capacity));
            }
            catch (OutOfMemoryException e)
            {
                throw new CorpusException($"The text does not fit into memory: {capacity >> 20} MiB were refused; limit it with MaximumBytes.", e);
            }

            _capacity = capacity;
        }

        return new Span<byte>(_memory + Length, length);
    }

    public void Commit(int length) => Length += length;

    public void Append(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Reserve(bytes.Length));
        Commit(bytes.Length);
    }

    public void Truncate(long length) => Length = Math.Min(Length, length);

    /// <summary>Widens the bytes from <paramref name="offset"/> on to token ids.</summary>
    public void Read(long offset, Span<int> tokens)
    {
        var bytes = Slice(offset, tokens.Length);
        for (var i = 0; i < bytes.Length; i++)
            tokens[i] = bytes[i];
        GC.KeepAlive(this);
    }

    /// <summary>A view that lives no longer than this buffer: keep the buffer alive beyond its last use.</summary>
    public ReadOnlySpan<byte> Slice(long offset, int length)
    {
        if ((ulong)offset > (ulong)Length || (ulong)length > (ulong)(Length - offset))
            throw new ArgumentOutOfRangeException(nameof(offset), $"Bytes {offset} + {length} leave a text of {Length}.");
        return new ReadOnlySpan<byte>(_memory + offset, length);
    }

    ~TextBuffer() => NativeMemory.Free(_memory);
}
