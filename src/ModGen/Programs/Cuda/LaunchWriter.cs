using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>
/// Appends launches to lists and hands out scratch memory to them. Passes are written twice: once to find out how much
/// scratch memory they need, and again when there is that much.
/// </summary>
internal sealed class LaunchWriter(CudaContext context, string owner) : IDisposable
{
    private const long Alignment = 256;
    private LaunchList _list = new();
    private DeviceMemory? _workspace;
    private DeviceMemory? _turns;
    private int _mostTurns;
    private SortedDictionary<ulong, long>? _stored;
    private long _most;
    private long _used;
    private long _held;

    /// <summary>Stands for memory that is not there yet while passes are being measured; nothing is launched with it.</summary>
    public static DevicePointer Nowhere { get; } = new(1UL << 40);

    /// <summary>The device's driver context.</summary>
    public CudaContext Context => context;

    /// <summary>True until scratch memory has been allocated.</summary>
    public bool IsMeasuring => _workspace is null;

    /// <summary>The scratch memory, for those who fill it with poison.</summary>
    public DeviceMemory? Memory => _workspace;

    /// <summary>Writes passes in order to know their needs, and allocates what the hungriest launch asks for.</summary>
    public void Measure(params ReadOnlySpan<Action> passes)
    {
        foreach (var pass in passes)
            Write(pass);
        Flops.Clear();
        _turns = context.Allocate(Math.Max(sizeof(uint) * (long)_mostTurns, Alignment), $"turns of sliced products of {owner}");
        _workspace = context.Allocate(Math.Max(_most, Alignment), $"scratch memory of {owner}");
    }

    /// <summary>The launches that a pass appends.</summary>
    public LaunchList Write(Action pass)
    {
        _list = new LaunchList();
        _used = _held = 0;
        _stored = null;
        pass();
        return _list;
    }

    /// <summary>Appends a launch, with all the scratch memory that was asked for since the last.</summary>
    public void Launch(Kernel kernel, int blocks, ReadOnlySpan<Argument> arguments, string? define = null, double flops = 0)
    {
        _list.Add(kernel, blocks, arguments, define);
        _used = _held;
        if (flops > 0)
            Flops[_list.Launches[^1]] = flops;
    }

    /// <summary>Operations of the launches of which they are known, for measurements.</summary>
    public Dictionary<Launch, double> Flops { get; } = [];

    public void Clear(DevicePointer at, long bytes) => _list.Clear(at, bytes);

    /// <summary>Scratch memory of the launch that is appended next.</summary>
    public DevicePointer Scratch(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        var start = _used;
        _used += (bytes + Alignment - 1) / Alignment * Alignment;
        _most = Math.Max(_most, _used);
        if (_workspace is null)
            return Nowhere + start;
        if (_used > _workspace.Bytes)
            throw new InvalidOperationException($"A launch of {owner} asks for {_used} bytes of scratch memory; it asked for {_workspace.Bytes} at most when it was measured.");
        return _workspace.Pointer + start;
    }

    /// <summary>Lets the products and sums of columns that come first to a gradient in this pass store it; those that come to it again add.</summary>
    public void StoreGradients() => _stored = [];

    /// <summary>Whether a launch must add to a gradient. Where it need not, what it stores is noted.</summary>
    public bool AddsTo(DevicePointer gradient, long bytes) => _stored is null || !_stored.TryAdd(gradient.Address, bytes);

    /// <summary>What the launches of the last pass stored, in order of address.</summary>
    public IReadOnlyCollection<KeyValuePair<ulong, long>> Stored => _stored is null ? [] : _stored;

    /// <summary>Words that are zero before every launch that takes them, and left so by it: by these the slices of a product take turns.</summary>
    public DevicePointer Turns(int words)
    {
        _mostTurns = Math.Max(_mostTurns, words);
        if (_turns is null)
            return Nowhere;
        if (sizeof(uint) * (long)words > _turns.Bytes)
            throw new InvalidOperationException($"A product of {owner} asks for {words} turns; there was memory for {_turns.Bytes / sizeof(uint)} at most when it was measured.");
        return _turns.Pointer;
    }

    /// <summary>Scratch memory that later launches keep, until <see cref="Release"/>; so do they what was asked for before it.</summary>
    public DevicePointer Hold(long bytes)
    {
        var held = Scratch(bytes);
        _held = _used;
        return held;
    }

    public void Release() => _used = _held = 0;

    /// <summary>Gives back one piece of held memory and what was held after it.</summary>
    public void ReleaseFrom(DevicePointer held) => _used = _held = (long)(held.Address - (_workspace?.Pointer ?? Nowhere).Address);

    public void Dispose()
    {
        _workspace?.Dispose();
        _turns?.Dispose();
    }
}
