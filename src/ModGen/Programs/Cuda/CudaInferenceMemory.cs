using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>The device memory of an inference program, freed together.</summary>
internal sealed class CudaInferenceMemory : OwnedMemory
{
    // Columns of ints that a layer writes for itself.
    private const int Columns = 3, ArrivalsAt = 128, HeadBytes = 256;

    // Logits that come back through pinned memory; an evaluation may want more at once.
    private const int PinnedLogits = 1 << 22;
    private readonly CudaContext _context;
    private readonly DeviceMemory _floats;
    private readonly DeviceMemory _operands;
    private readonly DeviceMemory _logits;
    private readonly PinnedMemory _receivedLogits;
    private readonly DeviceMemory _columns;
    private readonly RotaryTable _rotary;
    private readonly int _maximumRows;
    private readonly int _routedLayers;
    private readonly int _sequences;

    public CudaInferenceMemory(
        CudaDevice device, CudaStream stream, ModelDescription model, int sequences, int maximumRows, long floatsPerRow, long operandsPerRow, int routedLayers)
    {
        _context = device.Context;
        _maximumRows = maximumRows;
        _routedLayers = routedLayers;
        _sequences = sequences;
        try
        {
            _floats = Own(_context.Allocate(Math.Max(1, checked(sizeof(float) * maximumRows * floatsPerRow)), "activations in float32"));
            _operands = Own(_context.Allocate(Math.Max(1, checked(device.OperandBytes * maximumRows * operandsPerRow)), "activations as operands"));
            _logits = Own(_context.Allocate(checked((long)sizeof(float) * maximumRows * model.Vocabulary), "logits"));
            _receivedLogits = Own(_context.AllocatePinned(sizeof(float) * Math.Min((long)maximumRows * model.Vocabulary, Math.Max(PinnedLogits, (long)sequences * model.Vocabulary))));
            _columns = Own(_context.Allocate(HeadBytes + (long)sizeof(int) * Columns * maximumRows, "rows of routed layers"));
            _rotary = Own(new RotaryTable(_context, stream, model));
            Caches = Own(new CudaCaches(device, model, sequences));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public CudaCaches Caches { get; }

    public DevicePointer Floats => _floats.Pointer;

    public DevicePointer Operands => _operands.Pointer;

    public DevicePointer Logits => _logits.Pointer;

    public DevicePointer RotaryTable => _rotary.Pointer;

    /// <summary>An int: how many rows entered the layer at work.</summary>
    public DevicePointer ActiveCount => _columns.Pointer;

    /// <summary>An unsigned int, 0 at first and on a cache line of its own: blocks that wait for one another count in it.</summary>
    public DevicePointer Arrivals => _columns.Pointer + ArrivalsAt;

    /// <summary>(maximum rows) int: one of three columns.</summary>
    public DevicePointer Column(int index) => _columns.Pointer + HeadBytes + (long)sizeof(int) * _maximumRows * index;

    /// <summary>Asks for logits and waits for all that was asked for.</summary>
    public void Receive(CudaStream stream, Span<float> logits)
    {
        var pinned = sizeof(float) * (long)logits.Length <= _receivedLogits.Bytes;
        var received = pinned ? _receivedLogits.Span<float>(0, logits.Length) : logits;
        stream.Download(received, Logits);
        stream.Synchronize();
        if (pinned)
            received.CopyTo(logits);
    }

    /// <summary>Buffers for calls of up to so many rows.</summary>
    public CallBuffers Call(int most) => Own(new CallBuffers(_context, most, _sequences, _routedLayers));

    /// <summary>What choosing tokens needs.</summary>
    public TokenChoice Choose(ModelDescription model, int sequences) => Own(new TokenChoice(_context, model, sequences));

    /// <summary>Makes whatever is read before it is written show.</summary>
    public void Poison(CudaStream stream, DeviceMemory workspace)
    {
        foreach (var memory in (ReadOnlySpan<DeviceMemory>)[_floats, _operands, _logits, workspace])
            Programs.Poison.Fill(stream, memory);
    }
}
