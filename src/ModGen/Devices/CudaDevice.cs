using ModGen.Cuda;

namespace ModGen;

/// <summary>In what a CUDA device holds the operands of its matrix products.</summary>
public enum CudaPrecision
{
    /// <summary>
    /// bfloat16 operands; float32 sums, residual stream, router scores, softmax, losses, master weights and moments. The
    /// fast one.
    /// </summary>
    BFloat16,

    /// <summary>float32 throughout, without tensor cores: to compare with the CPU.</summary>
    Float32,
}

/// <summary>One NVIDIA GPU.</summary>
public sealed class CudaDevice : Device
{
    private readonly List<CudaStream> _streams = [];

    internal CudaDevice(int ordinal, CudaPrecision precision)
        : this(CudaContext.Open(ordinal, IsFloat32(precision)))
    {
    }

    internal CudaDevice(CudaContext context) => Context = context;

    /// <summary>The device as programs use it.</summary>
    public CudaContext Context { get; }

    /// <summary>What operands are held in.</summary>
    public CudaPrecision Precision => Context.Float32 ? CudaPrecision.Float32 : CudaPrecision.BFloat16;

    /// <summary>Bytes of an operand: 2 or 4.</summary>
    public int OperandBytes => Context.Float32 ? sizeof(float) : sizeof(ushort);

    /// <summary>Told of every kernel that a program compiles or takes from the cache, from any thread.</summary>
    public IProgress<KernelProgress>? KernelsLoading { get; set; }

    /// <inheritdoc/>
    public override string Name => $"{Context.Name}, {(Context.Float32 ? "float32" : "bfloat16")}";

    internal override ParameterMemory CreateParameters(long length) => new CudaParameterMemory(this, length);

    /// <summary>Whether operands are as wide as everything else.</summary>
    internal static bool IsFloat32(CudaPrecision precision) => precision switch
    {
        CudaPrecision.BFloat16 => false,
        CudaPrecision.Float32 => true,
        _ => throw new ArgumentOutOfRangeException(nameof(precision), $"precision is {(int)precision}; it must be BFloat16 or Float32."),
    };

    /// <summary>A stream that <see cref="Synchronize"/> waits for too.</summary>
    internal CudaStream CreateStream()
    {
        var stream = Context.CreateStream();
        lock (_streams)
            _streams.Add(stream);
        return stream;
    }

    internal void Release(CudaStream stream)
    {
        lock (_streams)
            _streams.Remove(stream);
        stream.Dispose();
    }

    /// <summary>Waits as <see cref="Synchronize"/> does, before memory is freed, and says nothing of what failed.</summary>
    internal void Drain()
    {
        try
        {
            Synchronize();
        }
        catch (CudaException)
        {
            // Whoever disposes mostly does so because of this very failure, which must not be hidden behind another exception.
        }
    }

    /// <summary>Waits until every program of the device has done what it was asked: before parameters change under them.</summary>
    internal void Synchronize()
    {
        lock (_streams)
        {
            foreach (var stream in _streams)
                stream.Synchronize();
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Context.Dispose();
    }
}
