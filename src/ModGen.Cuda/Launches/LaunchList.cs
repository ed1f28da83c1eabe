using System.Runtime.InteropServices;

namespace ModGen.Cuda;

/// <summary>
/// Launches in order, as data: to be loaded, run one by one, timed, or captured into a graph. Its pointers belong to one
/// device. Not for two threads at once.
/// </summary>
public sealed class LaunchList
{
    private readonly List<Launch> _launches = [];

    /// <summary>The entries in the order they run.</summary>
    public IReadOnlyList<Launch> Launches => _launches;

    /// <summary>The same entries, walked without an allocation.</summary>
    internal ReadOnlySpan<Launch> Entries => CollectionsMarshal.AsSpan(_launches);

    /// <summary>Appends a kernel.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="blocks">Blocks of the grid; at least 1, and a multiple of the kernel's cluster.</param>
    /// <param name="arguments">The entry point's arguments, all of them, in order.</param>
    /// <param name="define">A text in front of the kernel's source, as constants of a tile; null for none.</param>
    /// <exception cref="ArgumentException">The number of blocks does not fit.</exception>
    public void Add(Kernel kernel, int blocks, ReadOnlySpan<Argument> arguments, string? define = null)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        if (blocks < 1 || blocks % kernel.Cluster != 0)
            throw new ArgumentException($"{kernel.Name} is launched with {blocks} blocks; it needs at least 1{(kernel.Cluster > 1 ? $", and whole clusters of {kernel.Cluster}" : "")}.", nameof(blocks));
        _launches.Add(Launch.Of(kernel, blocks, arguments, define));
    }

    /// <summary>Appends a copy; either side may be pinned memory.</summary>
    /// <param name="to">Where it writes.</param>
    /// <param name="from">What it reads; the two do not overlap.</param>
    /// <param name="bytes">How much; nothing is appended for 0.</param>
    public void Copy(DevicePointer to, DevicePointer from, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (bytes > 0)
            _launches.Add(Launch.OfCopy(to, from, bytes));
    }

    /// <summary>Appends a clearing to zero.</summary>
    /// <param name="at">Where.</param>
    /// <param name="bytes">How much; nothing is appended for 0.</param>
    public void Clear(DevicePointer at, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (bytes > 0)
            _launches.Add(Launch.OfClear(at, bytes));
    }
}
