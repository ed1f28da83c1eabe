using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>
/// Keys and values of all layers on a GPU. Every layer has room for whole contexts; an entry holds the keys of a token's
/// heads, then the values. How many entries a sequence has in a layer only the device knows: a routed layer is entered by
/// few.
/// </summary>
internal sealed class CudaCaches : IDisposable
{
    private readonly DeviceMemory _entries;
    private readonly DeviceMemory _lengths;
    private readonly long _layerBytes;
    private readonly int _layers;
    private readonly int _sequences;

    public CudaCaches(CudaDevice device, ModelDescription model, int sequences)
    {
        _layers = model.Layers.Count;
        _sequences = sequences;
        var valueBytes = (long)device.OperandBytes * model.KeyValueHeads * model.HeadWidth;
        _layerBytes = (checked(2 * valueBytes * model.Context * sequences) + 255) / 256 * 256;
        _entries = device.Context.Allocate(checked(_layers * _layerBytes), $"keys and values of {sequences} sequences");
        try
        {
            _lengths = device.Context.Allocate((long)sizeof(int) * _layers * sequences, "lengths of caches");
        }
        catch
        {
            _entries.Dispose();
            throw;
        }
    }

    /// <summary>(sequences, context, 2, key/value heads · head width) operands of a layer.</summary>
    public DevicePointer Entries(int layer) => _entries.Pointer + _layerBytes * layer;

    /// <summary>(sequences) int: entries of each sequence in a layer.</summary>
    public DevicePointer Lengths(int layer) => _lengths.Pointer + (long)sizeof(int) * _sequences * layer;

    /// <summary>Bytes of keys and values.</summary>
    public long Bytes => _entries.Bytes;

    /// <summary>Reads one length.</summary>
    public int Length(CudaStream stream, int layer, int sequence)
    {
        Span<int> length = stackalloc int[1];
        stream.Download(length, Lengths(layer) + (long)sizeof(int) * sequence);
        stream.Synchronize();
        return length[0];
    }

    /// <summary>Launches that empty the caches of the sequences that a call begins: those with a row at position 0.</summary>
    public LaunchList Restart(CallBuffers call)
    {
        const int Threads = 256;
        var list = new LaunchList();
        list.Add(RestartKernel, CudaTrainingProgram.Blocks(call.Most, Threads), [call.Positions, call.Sequences, _lengths.Pointer, _layers, _sequences, new RowCount(call.Most, call.RowCount)]);
        return list;
    }

    public void Dispose()
    {
        _lengths.Dispose();
        _entries.Dispose();
    }

    public static Kernel RestartKernel { get; } = new("restart_sequences", "prelude", 256, """
        // lengths[:, sequences[row]] = 0 for each row at position 0. lengths is (layers, held).
        extern "C" __global__ void __launch_bounds__(256, 1) restart_sequences(const int* positions, const int* sequences, int* lengths, int layers, int held, Rows rows) {
            wait_for_previous_kernel();
            int row = blockIdx.x * 256 + threadIdx.x;
            if (row >= rows.count() || positions[row] != 0) return;
            for (int layer = 0; layer < layers; layer++) lengths[layer * held + sequences[row]] = 0;
        }
        """);
}
