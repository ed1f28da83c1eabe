using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>
/// The losses of a run in device memory, where graphs write them, and those of all runs of the steps under way in pinned memory,
/// where they arrive behind each run: one step's are read while the next one's come.
/// </summary>
internal sealed class LossSlots : IDisposable
{
    private const int FirstRuns = 16;
    private readonly CudaContext _context;
    private readonly DeviceMemory _device;
    private readonly int _layers;
    private readonly int _floats;
    private readonly PinnedMemory[] _host;

    public LossSlots(CudaContext context, int layers)
    {
        _context = context;
        _layers = layers;
        _floats = 1 + 2 * layers;
        _device = context.Allocate((long)sizeof(float) * (_floats + 1), "losses");
        _host = new PinnedMemory[TrainingProgram.MostUnderWay];
        for (var step = 0; step < _host.Length; step++)
            _host[step] = context.AllocatePinned(Bytes(FirstRuns));
    }

    /// <summary>A float: mean cross-entropy.</summary>
    public DevicePointer CrossEntropy => _device.Pointer;

    /// <summary>A float: the sum of the cross-entropies of a step's runs. It is not finite when one of them is not.</summary>
    public DevicePointer Sum => _device.Pointer + (long)sizeof(float) * _floats;

    /// <summary>A float: the auxiliary loss of a layer.</summary>
    public DevicePointer Auxiliary(int layer) => _device.Pointer + (long)sizeof(float) * (1 + layer);

    /// <summary>A float: the predictor's loss of a layer.</summary>
    public DevicePointer Predictor(int layer) => _device.Pointer + (long)sizeof(float) * (1 + _layers + layer);

    /// <summary>Asks for the losses of the run in front, to be kept under the numbers of a step, below <see cref="TrainingProgram.MostUnderWay"/>, and a run.</summary>
    public void Fetch(CudaStream stream, int step, int run)
    {
        if (Bytes(run + 1) > _host[step].Bytes)
            Grow(stream, step, run);
        stream.Download(Of(step, run), _device.Pointer);
    }

    /// <summary>The losses kept under these numbers: cross-entropy, auxiliary losses, predictors' losses. Valid once the stream has got there.</summary>
    public Span<float> Of(int step, int run) => _host[step].Span<float>(Bytes(run), _floats);

    public void Dispose()
    {
        foreach (var host in _host)
            host.Dispose();
        _device.Dispose();
    }

    private long Bytes(int runs) => (long)sizeof(float) * _floats * runs;

    private void Grow(CudaStream stream, int step, int run)
    {
        stream.Synchronize();
        var larger = _context.AllocatePinned(Bytes(2 * run));
        _host[step].Span<byte>(0, (int)_host[step].Bytes).CopyTo(larger.Span<byte>(0, (int)_host[step].Bytes));
        _host[step].Dispose();
        _host[step] = larger;
    }
}
