using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>The device memory of a training program, freed together.</summary>
internal sealed class CudaTrainingMemory : OwnedMemory
{
    private readonly CudaContext _context;
    private readonly DeviceMemory _floats;
    private readonly DeviceMemory _operands;
    private readonly DeviceMemory _positions;
    private readonly RotaryTable _rotary;
    private readonly long _logitBytes;
    private DeviceMemory? _logits;

    public CudaTrainingMemory(CudaDevice device, CudaStream stream, DecoderModel model, CudaParameterMemory weights, int batch, long floatsPerSequence, long operandsPerSequence)
    {
        var description = model.Description;
        _context = device.Context;
        _logitBytes = checked((long)sizeof(float) * batch * description.Context * description.Vocabulary);
        try
        {
            _floats = Own(_context.Allocate(Math.Max(1, checked(sizeof(float) * batch * floatsPerSequence)), $"activations in float32, batch {batch}"));
            _operands = Own(_context.Allocate(Math.Max(1, checked(device.OperandBytes * batch * operandsPerSequence)), $"activations as operands, batch {batch}"));
            _positions = Own(_context.Allocate((long)sizeof(int) * batch * description.Context, "positions"));
            _rotary = Own(new RotaryTable(_context, stream, description));
            Batch = Own(new StagedBatch(_context, batch * description.Context));
            Losses = Own(new LossSlots(_context, description.Layers.Count));
            Optimizer = Own(new CudaOptimizer(_context, stream, model.Parameters, weights));
            stream.Upload<int>(_positions.Pointer, [.. Enumerable.Range(0, batch * description.Context).Select(i => i % description.Context)]);
            stream.Synchronize();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public StagedBatch Batch { get; }

    public LossSlots Losses { get; }

    public CudaOptimizer Optimizer { get; }

    public DevicePointer Floats => _floats.Pointer;

    public DevicePointer Operands => _operands.Pointer;

    public DevicePointer Positions => _positions.Pointer;

    public DevicePointer RotaryTable => _rotary.Pointer;

    public DevicePointer Logits => _logits?.Pointer ?? throw new InvalidOperationException("No logits have been asked for.");

    public void AllocateLogits() => _logits ??= Own(_context.Allocate(_logitBytes, "logits of a whole batch"));

    /// <summary>Makes whatever is read before it is written show.</summary>
    public void Poison(CudaStream stream, DeviceMemory workspace)
    {
        foreach (var memory in (ReadOnlySpan<DeviceMemory>)[_floats, _operands, workspace])
            Programs.Poison.Fill(stream, memory);
    }
}
