using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace ModGen.Files;

/// <summary>
/// Reads a safetensors file: eight bytes with the length of a JSON header, the header, the data. All that the header
/// says is checked when the file is opened; float16 and bfloat16 are widened when they are read.
/// </summary>
public sealed class SafetensorsFile : IDisposable
{
    internal const int PrefixBytes = 8;
    private const int PieceBytes = 1 << 20;
    private readonly SafeFileHandle _handle;

    private SafetensorsFile(string path, SafeFileHandle handle, SafetensorsHeader header)
    {
        Path = path;
        _handle = handle;
        Tensors = header.Tensors;
        Metadata = header.Metadata;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsTensor> Tensors { get; }

    /// <summary>What the header's <c>__metadata__</c> says.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="WeightsException">The file cannot be read or its header is not sound; the message names the offset and what was expected.</exception>
    public static SafetensorsFile Open(string path)
    {
        SafeFileHandle? handle = null;
        try
        {
            handle = File.OpenHandle(path);
            return new SafetensorsFile(path, handle, ReadHeader(path, handle));
        }
        catch (Exception e)
        {
            handle?.Dispose();
            if (e is IOException or UnauthorizedAccessException)
                throw new WeightsException($"{path}: cannot be read: {Errors.OneLine(e)}", e);
            throw;
        }
    }

    /// <summary>Reads elements of a tensor as float32.</summary>
    /// <param name="tensor">One of <see cref="Tensors"/>.</param>
    /// <param name="start">First element.</param>
    /// <param name="values">Receives the elements.</param>
    /// <exception cref="WeightsException">The file cannot be read.</exception>
    public void Read(SafetensorsTensor tensor, long start, Span<float> values)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (start < 0 || start + values.Length > tensor.Length)
            throw new ArgumentOutOfRangeException(nameof(start), $"Elements {start} + {values.Length} leave tensor {tensor.Name} of {tensor.Length}.");
        var offset = tensor.Offset + start * tensor.ElementBytes;
        if (tensor.Type == TensorType.F32)
            ReadExactly(offset, MemoryMarshal.AsBytes(values));
        else
            ReadHalves(tensor.Type, offset, values);
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    private static SafetensorsHeader ReadHeader(string path, SafeFileHandle handle)
    {
        var length = RandomAccess.GetLength(handle);
        Span<byte> prefix = stackalloc byte[PrefixBytes];
        if (length < PrefixBytes || RandomAccess.Read(handle, prefix, 0) < PrefixBytes)
            throw new WeightsException($"{path}: {length} bytes are no safetensors file; expected {PrefixBytes} bytes of header length at offset 0.");
        var headerLength = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (headerLength > SafetensorsHeader.LongestHeader || headerLength > (ulong)(length - PrefixBytes))
        {
            throw new WeightsException(
                $"{path}: offset 0 gives a header of {headerLength} bytes; expected at most {Math.Min(SafetensorsHeader.LongestHeader, length - PrefixBytes)} in a file of {length}.");
        }

        var header = new byte[headerLength];
        for (var read = 0; read < header.Length;)
        {
            var piece = RandomAccess.Read(handle, header.AsSpan(read), PrefixBytes + read);
            if (piece == 0)
                throw new WeightsException($"{path}: ends at offset {PrefixBytes + read}; expected a header of {headerLength} bytes.");
            read += piece;
        }

        return SafetensorsHeader.Parse(path, header, length);
    }

    private void ReadHalves(TensorType type, long offset, Span<float> values)
    {
        var piece = new byte[Math.Min(PieceBytes, values.Length * 2L)];
        for (var done = 0; done < values.Length;)
        {
            var count = Math.Min(piece.Length / 2, values.Length - done);
            ReadExactly(offset + 2L * done, piece.AsSpan(0, 2 * count));
            var target = values.Slice(done, count);
            if (type == TensorType.F16)
            {
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(piece.AsSpan(0, 2 * count)), target);
            }
            else
            {
                var source = MemoryMarshal.Cast<byte, ushort>(piece.AsSpan(0, 2 * count));
                for (var i = 0; i < source.Length; i++)
                    target[i] = BitConverter.UInt32BitsToSingle((uint)source[i] << 16);
            }

            done += count;
        }
    }

    private void ReadExactly(long offset, Span<byte> bytes)
    {
        try
        {
            while (!bytes.IsEmpty)
            {
                var read = RandomAccess.Read(_handle, bytes, offset);
                if (read == 0)
                    throw new WeightsException($"{Path}: ends at offset {offset}; expected {bytes.Length} more bytes.");
                bytes = bytes[read..];
                offset += read;
            }
        }
        catch (IOException e)
        {
            throw new WeightsException($"{Path}: cannot be read at offset {offset}: {Errors.OneLine(e)}", e);
        }
    }
}
