using System.Runtime.InteropServices;
using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>
/// What a call of an inference program sends and brings back, for calls of up to so many rows: one block of device memory
/// that arrives at once, and one that leaves at once. Kernels of the call's graph carry them, to and from pinned memory: a
/// copy put into the stream beside the graph costs more than a few hundred bytes over the bus.
/// </summary>
internal sealed class CallBuffers : IDisposable
{
    // Counts and the draw; behind them six columns of rows, then the forced decisions.
    private const int HeadBytes = 64, RowsAt = 0, WantedAt = 4, ForcedAt = 8, DrawAt = 16, Columns = 6, CarryThreads = 256;
    private readonly DeviceMemory _in;
    private readonly DeviceMemory _out;
    private readonly PinnedMemory _sent;
    private readonly PinnedMemory _received;
    private readonly int _routedLayers;
    private readonly int _stride;

    public CallBuffers(CudaContext context, int most, int sequences, int routedLayers)
    {
        Most = most;
        _routedLayers = routedLayers;
        // One column is of sequences, not of rows.
        _stride = Math.Max(most, sequences);
        var bytes = checked(HeadBytes + sizeof(int) * _stride * (Columns + routedLayers));
        var flags = checked(sizeof(int) * most * (1 + routedLayers));
        _in = context.Allocate(bytes, "the rows of a call");
        _out = context.Allocate(flags, "routing decisions and tokens of a call");
        _sent = context.AllocatePinned(bytes);
        _received = context.AllocatePinned(flags);
    }

    /// <summary>Rows of a call at most.</summary>
    public int Most { get; }

    /// <summary>An int: rows of the call.</summary>
    public DevicePointer RowCount => _in.Pointer + RowsAt;

    /// <summary>An int: rows whose logits are wanted.</summary>
    public DevicePointer WantedCount => _in.Pointer + WantedAt;

    /// <summary>An int: not 0 when decisions are forced.</summary>
    public DevicePointer Forced => _in.Pointer + ForcedAt;

    /// <summary>An unsigned 64-bit number that random routing draws from.</summary>
    public DevicePointer Draw => _in.Pointer + DrawAt;

    public DevicePointer Tokens => Column(0);

    public DevicePointer Sequences => Column(1);

    public DevicePointer Positions => Column(2);

    public DevicePointer WantedRows => Column(3);

    /// <summary>(wanted) the sequence of each wanted row.</summary>
    public DevicePointer WantedSequences => Column(4);

    /// <summary>(sequences) tokens of each sequence, behind the call.</summary>
    public DevicePointer Lengths => Column(5);

    /// <summary>(wanted) tokens that were chosen.</summary>
    public DevicePointer Chosen => _out.Pointer;

    /// <summary>(rows) forced decisions of a routed layer, by its number among them.</summary>
    public DevicePointer ForcedRows(int ordinal) => Column(Columns + ordinal);

    /// <summary>(rows) decisions that were taken in a routed layer.</summary>
    public DevicePointer Flags(int ordinal) => _out.Pointer + (long)sizeof(int) * Most * (1 + ordinal);

    /// <summary>The call's positions, to be filled before it is sent.</summary>
    public Span<int> HostPositions => HostColumn(2);

    /// <summary>The lengths of all sequences behind the call, to be filled where tokens are chosen.</summary>
    public Span<int> HostLengths => HostColumn(5);

    /// <summary>The kernel that carries, a word a thread.</summary>
    public static Kernel CarryKernel { get; } = new("carry_call", "prelude", CarryThreads, """
        // to = from, as many words; either may be memory of the host, which is not to be read from a cache.
        extern "C" __global__ void __launch_bounds__(256, 1) carry_call(const u32* from, u32* to, int words) {
            wait_for_previous_kernel();
            let_next_kernel_start();
            int at = blockIdx.x * 256 + threadIdx.x;
            if (at < words) to[at] = *static_cast<const volatile u32*>(from + at);
        }
        """);

    /// <summary>Appends what a call's graph begins with: its rows arrive.</summary>
    public void AppendArrival(LaunchWriter writer) => Carry(writer, _sent.Pointer, _in.Pointer, _sent.Bytes);

    /// <summary>Appends what a call's graph ends with: tokens and decisions leave.</summary>
    public void AppendDeparture(LaunchWriter writer) => Carry(writer, _out.Pointer, _received.Pointer, _received.Bytes);

    /// <summary>Lets the rows arrive ahead of the graph.</summary>
    public void Send(CudaStream stream) => stream.Upload(_in.Pointer, _sent.Span<byte>(0, (int)_sent.Bytes));

    /// <summary>Fills in a call whose positions are. The last one must have been received.</summary>
    public void Fill(ReadOnlySpan<int> tokens, ReadOnlySpan<int> sequences, ReadOnlySpan<int> wanted, ReadOnlySpan<byte> forced, ulong draw)
    {
        var head = _sent.Span<byte>(0, HeadBytes);
        MemoryMarshal.Write(head[RowsAt..], tokens.Length);
        MemoryMarshal.Write(head[WantedAt..], wanted.Length);
        MemoryMarshal.Write(head[ForcedAt..], forced.IsEmpty ? 0 : 1);
        MemoryMarshal.Write(head[DrawAt..], draw);
        tokens.CopyTo(HostColumn(0));
        sequences.CopyTo(HostColumn(1));
        wanted.CopyTo(HostColumn(3));
        var wantedSequences = HostColumn(4);
        for (var i = 0; i < wanted.Length; i++)
            wantedSequences[i] = sequences[wanted[i]];
        for (var layer = 0; !forced.IsEmpty && layer < _routedLayers; layer++)
        {
            var column = HostColumn(Columns + layer);
            for (var row = 0; row < tokens.Length; row++)
                column[row] = forced[layer * tokens.Length + row];
        }
    }

    /// <summary>The tokens that were chosen, once the graph has run.</summary>
    public Span<int> ReceivedTokens(int wanted) => _received.Span<int>(0, wanted);

    /// <summary>The decisions of a routed layer, once the graph has run.</summary>
    public Span<int> ReceivedFlags(int ordinal, int rows) => _received.Span<int>((long)sizeof(int) * Most * (1 + ordinal), rows);

    public void Dispose()
    {
        _received.Dispose();
        _sent.Dispose();
        _out.Dispose();
        _in.Dispose();
    }

    private static void Carry(LaunchWriter writer, DevicePointer from, DevicePointer to, long bytes)
    {
        var words = (int)(bytes / sizeof(uint));
        writer.Launch(CarryKernel, CudaTrainingProgram.Blocks(words, CarryThreads), [from, to, words]);
    }

    private DevicePointer Column(int index) => _in.Pointer + HeadBytes + (long)sizeof(int) * _stride * index;

    private Span<int> HostColumn(int index) => _sent.Span<int>(HeadBytes + (long)sizeof(int) * _stride * index, _stride);
}
