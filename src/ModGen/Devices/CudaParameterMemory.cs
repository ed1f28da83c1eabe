using ModGen.Cuda;

namespace ModGen;

/// <summary>
/// Parameters on a GPU: the float32 master that the optimizer works on, and the copy in bfloat16 that the matrix products
/// read, element for element at the same offsets. In float32 precision the master is its own copy.
/// </summary>
internal sealed class CudaParameterMemory : ParameterMemory
{
    // The optimizer works on whole groups of elements; those past the end stay zero.
    private const int Group = 64;
    private const int PieceLength = 1 << 20;
    private readonly CudaDevice _device;
    private readonly CudaStream _stream;
    private readonly DeviceMemory _master;
    private readonly DeviceMemory? _operands;
    private bool _disposed;

    public CudaParameterMemory(CudaDevice device, long length)
        : base(length)
    {
        _device = device;
        PaddedLength = Padded(length);
        _master = device.Context.Allocate(PaddedLength * sizeof(float), "parameters in float32");
        try
        {
            if (device.Precision == CudaPrecision.BFloat16)
                _operands = device.Context.Allocate(PaddedLength * sizeof(ushort), "parameters in bfloat16");
            _stream = device.CreateStream();
        }
        catch
        {
            _operands?.Dispose();
            _master.Dispose();
            throw;
        }
    }

    /// <summary>Elements with those that fill up the last group.</summary>
    public long PaddedLength { get; }

    /// <summary>The float32 values.</summary>
    public DevicePointer Master => _master.Pointer;

    /// <summary>The values as operands of the device's precision.</summary>
    public DevicePointer Operands => (_operands ?? _master).Pointer;

    /// <summary>The bfloat16 copy, or null in float32 precision.</summary>
    public DevicePointer Copy => _operands?.Pointer ?? default;

    /// <summary>The length of an arena for so many elements.</summary>
    public static long Padded(long length) => (Math.Max(length, 1) + Group - 1) / Group * Group;

    /// <summary>The parameters of a model that lives on a GPU.</summary>
    /// <exception cref="ArgumentException">It lives elsewhere.</exception>
    public static CudaParameterMemory Of(DecoderModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        model.ThrowIfDisposed();
        return model.Weights as CudaParameterMemory
            ?? throw new ArgumentException($"The parameters of {model.Description.Name} are on {model.Device.Name}; a CUDA program needs a model created on a CUDA device.", nameof(model));
    }

    public override void Read(long offset, Span<float> values)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        CheckRange(offset, values.Length);
        lock (_stream)
        {
            _device.Synchronize();
            _stream.Download(values, Master + sizeof(float) * offset);
            _stream.Synchronize();
        }
    }

    public override void Write(long offset, ReadOnlySpan<float> values)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        CheckRange(offset, values.Length);
        lock (_stream)
        {
            _device.Synchronize();
            _stream.Upload(Master + sizeof(float) * offset, values);
            if (_operands is not null)
                WriteOperands(offset, values);
            _stream.Synchronize();
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (!disposing || _disposed)
            return;
        _disposed = true;
        _device.Drain();
        _device.Release(_stream);
        _operands?.Dispose();
        _master.Dispose();
    }

    private void WriteOperands(long offset, ReadOnlySpan<float> values)
    {
        var rounded = new ushort[Math.Min(PieceLength, values.Length)];
        for (var start = 0; start < values.Length; start += PieceLength)
        {
            var piece = values.Slice(start, Math.Min(PieceLength, values.Length - start));
            BFloat16.Round(piece, rounded);
            _stream.Upload<ushort>(Operands + sizeof(ushort) * (offset + start), rounded.AsSpan(0, piece.Length));
            // The array is used again, and the driver may still be reading it.
            _stream.Synchronize();
        }
    }
}
