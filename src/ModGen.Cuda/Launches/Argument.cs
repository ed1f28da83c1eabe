using System.Buffers.Binary;

namespace ModGen.Cuda;

/// <summary>
/// One argument of a kernel, as bytes with the alignment that CUDA gives its type. Made by conversion from what kernels take:
/// pointers, int, unsigned, long long, float, <see cref="RowCount"/> and <see cref="TensorMap"/>.
/// </summary>
public readonly struct Argument
{
    private readonly ulong _low;
    private readonly ulong _high;
    private readonly TensorMap? _map;

    private Argument(ulong low, int bytes, ulong high = 0, TensorMap? map = null)
    {
        _low = low;
        _high = high;
        _map = map;
        Bytes = bytes;
    }

    /// <summary>Size of the parameter.</summary>
    internal int Bytes { get; }

    /// <summary>Where a parameter of this type may begin: at a multiple of this.</summary>
    internal int Alignment => _map is not null ? TensorMap.Alignment : Math.Min(Bytes, sizeof(ulong));

    /// <summary>A pointer.</summary>
    public static implicit operator Argument(DevicePointer value) => new(value.Address, sizeof(ulong));

    /// <summary>An int.</summary>
    public static implicit operator Argument(int value) => new((uint)value, sizeof(int));

    /// <summary>An unsigned int.</summary>
    public static implicit operator Argument(uint value) => new(value, sizeof(uint));

    /// <summary>A long long.</summary>
    public static implicit operator Argument(long value) => new((ulong)value, sizeof(long));

    /// <summary>An unsigned long long.</summary>
    public static implicit operator Argument(ulong value) => new(value, sizeof(ulong));

    /// <summary>A float.</summary>
    public static implicit operator Argument(float value) => new(BitConverter.SingleToUInt32Bits(value), sizeof(float));

    /// <summary>A <c>Rows</c>.</summary>
    public static implicit operator Argument(RowCount value) => new(value.Counted.Address, 16, (uint)value.Most);

    /// <summary>A tensor map, taken by value as a <c>const __grid_constant__</c> parameter.</summary>
    public static implicit operator Argument(TensorMap value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return new Argument(0, TensorMap.Bytes, map: value);
    }

    /// <summary>Writes the parameter, little-endian as the device reads it.</summary>
    internal void Write(Span<byte> to)
    {
        if (_map is not null)
        {
            _map.Data.CopyTo(to);
            return;
        }

        Span<byte> words = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(words, _low);
        BinaryPrimitives.WriteUInt64LittleEndian(words[8..], _high);
        words[..Bytes].CopyTo(to);
    }
}
