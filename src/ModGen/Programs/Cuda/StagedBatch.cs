using System.Runtime.InteropServices;
using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>
/// What a run is given: tokens, targets and a few numbers, in one block of device memory that graphs read. Two pinned
/// copies, so that the host fills one while the device still reads the other.
/// </summary>
internal sealed class StagedBatch : IDisposable
{
    private const int HeadBytes = 64, ScaleAt = 0, LossScaleAt = 4, InverseTargetsAt = 8, DrawAt = 16;
    private readonly DeviceMemory _device;
    private readonly PinnedMemory[] _host;
    private readonly CudaEvent[] _sent;
    private readonly int _rows;
    private int _next;

    public StagedBatch(CudaContext context, int rows)
    {
        _rows = rows;
        var bytes = HeadBytes + checked(2 * sizeof(int) * rows);
        _device = context.Allocate(bytes, "tokens and targets");
        _host = [context.AllocatePinned(bytes), context.AllocatePinned(bytes)];
        _sent = [context.CreateEvent(), context.CreateEvent()];
    }

    /// <summary>(batch, context) ints.</summary>
    public DevicePointer Tokens => _device.Pointer + HeadBytes;

    /// <summary>(batch, context) ints; negative where no target counts.</summary>
    public DevicePointer Targets => Tokens + (long)sizeof(int) * _rows;

    /// <summary>A float: what the gradient of this run is multiplied with.</summary>
    public DevicePointer Scale => _device.Pointer + ScaleAt;

    /// <summary>A float: the same over the number of targets that count.</summary>
    public DevicePointer LossScale => _device.Pointer + LossScaleAt;

    /// <summary>A float: one over the number of targets that count.</summary>
    public DevicePointer InverseTargets => _device.Pointer + InverseTargetsAt;

    /// <summary>An unsigned 64-bit number that random routing draws from.</summary>
    public DevicePointer Draw => _device.Pointer + DrawAt;

    /// <summary>Sends a batch on its way; returns at once, unless two are on theirs already.</summary>
    /// <param name="stream">The stream of the runs.</param>
    /// <param name="tokens">(batch, context).</param>
    /// <param name="targets">(batch, context), or empty for a run that has none.</param>
    /// <param name="scale">Factor of the gradient.</param>
    /// <param name="draw">Number that random routing draws from.</param>
    public void Send(CudaStream stream, ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, float scale, ulong draw)
    {
        var host = _host[_next].Span<byte>(0, (int)_host[_next].Bytes);
        _sent[_next].Synchronize();
        var counted = 0;
        foreach (var target in targets)
            counted += target >= 0 ? 1 : 0;
        MemoryMarshal.Write(host[ScaleAt..], scale);
        MemoryMarshal.Write(host[LossScaleAt..], counted == 0 ? 0 : scale / counted);
        MemoryMarshal.Write(host[InverseTargetsAt..], counted == 0 ? 0 : 1f / counted);
        MemoryMarshal.Write(host[DrawAt..], draw);
        MemoryMarshal.AsBytes(tokens).CopyTo(host[HeadBytes..]);
        MemoryMarshal.AsBytes(targets).CopyTo(host[(HeadBytes + sizeof(int) * _rows)..]);
        stream.Upload(_device.Pointer, host[..(HeadBytes + sizeof(int) * (tokens.Length + targets.Length))]);
        stream.Record(_sent[_next]);
        _next = 1 - _next;
    }

    public void Dispose()
    {
        foreach (var sent in _sent)
            sent.Dispose();
        foreach (var host in _host)
            host.Dispose();
        _device.Dispose();
    }
}
