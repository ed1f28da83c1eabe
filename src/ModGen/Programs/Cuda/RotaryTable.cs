using ModGen.Cpu;
using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>(context, head width / 2) pairs of cosine and sine in device memory: the CPU's table, value for value.</summary>
internal sealed class RotaryTable : IDisposable
{
    private readonly DeviceMemory _memory;

    public RotaryTable(CudaContext context, CudaStream stream, ModelDescription model)
    {
        var length = model.Context * (model.HeadWidth / 2);
        var (cos, sin) = (new float[length], new float[length]);
        Rotary.FillTable(cos, sin, model.Context, model.HeadWidth, model.RotaryBase);
        var pairs = new float[2 * length];
        for (var i = 0; i < length; i++)
            (pairs[2 * i], pairs[2 * i + 1]) = (cos[i], sin[i]);
        _memory = context.Allocate((long)sizeof(float) * pairs.Length, "the rotary table");
        stream.Upload<float>(_memory.Pointer, pairs);
        stream.Synchronize();
    }

    public DevicePointer Pointer => _memory.Pointer;

    public void Dispose() => _memory.Dispose();
}
