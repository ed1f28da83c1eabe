using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>
/// The losses of a run in device memory, where graphs write them, and those of all runs of a step in pinned memory, where
/// they arrive behind each run.
/// </summary>
internal sealed class LossSlots : IDisposable
{
    private const int FirstRuns = 16;
    private readonly CudaContext _context;
    private readonly DeviceMemory _device;
    private readonly int _layers;
    private readonly int _floats;
    private PinnedMemory _host;
    private int _capacity = FirstRuns;

    public LossSlots(CudaContext context, int layers)
    {
        _context = context;
        _layers = layers;
        _floats = 1 + 2 * layers;
        _device = context.Allocate((long)sizeof(float) * (_floats + 1), "losses");
        _host = context.AllocatePinned((long)sizeof(float) * _floats * FirstRuns);
    }

    /// <summary>A float: mean cross-entropy.</summary>
    public DevicePointer CrossEntropy => _device.Pointer;

    /// <summary>A float: the sum of the cross-entropies of a step's runs. It is not finite when one of them is not.</summary>
    public DevicePointer Sum => _device.Pointer + (long)sizeof(float) * _floats;

    /// <summary>A float: the auxiliary loss of a layer.</summary>
    public DevicePointer Auxiliary(int layer) => _device.Pointer + (long)sizeof(float) * (1 + layer);

    /// <summary>A float: the predictor's loss of a layer.</summary>
    public DevicePointer Predictor(int layer) => _device.Pointer + (long)sizeof(float) * (1 + _layers + layer);

    /// <summary>Asks for the losses of the run in front, to be kept under a number.</summary>
    public void Fetch(CudaStream stream, int run)
    {
        if (run >= _capacity)
            Grow(stream, run);
        stream.Download(Of(run), _device.Pointer);
    }

    /// <summary>The losses kept under a number: cross-entropy, auxiliary losses, predictors' losses. Valid once the stream has got there.</summary>
    public Span<float> Of(int run) => _host.Span<float>((long)sizeof(float) * run * _floats, _floats);

    public void Dispose()
    {
        _host.Dispose();
        _device.Dispose();
    }

    private void Grow(CudaStream stream, int run)
    {
        stream.Synchronize();
        var larger = _context.AllocatePinned((long)sizeof(float) * _floats * 2 * run);
        _host.Span<float>(0, _floats * _capacity).CopyTo(larger.Span<float>(0, _floats * _capacity));
        _host.Dispose();
        (_host, _capacity) = (larger, 2 * run);
    }
}
