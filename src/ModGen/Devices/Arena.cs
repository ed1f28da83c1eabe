using System.Runtime.InteropServices;

namespace ModGen;

/// <summary>
/// A block of 64-byte aligned native float32 memory, zeroed at creation, addressed by 64-bit element offsets.
/// One arena holds all parameters, all gradients or all activations of a program.
/// </summary>
public sealed unsafe class Arena : IDisposable
{
    private const nuint Alignment = 64;
    private void* _block;
    private float* _memory;

    /// <summary>Allocates <paramref name="length"/> zeroed elements.</summary>
    /// <exception cref="InsufficientMemoryException">The system cannot provide the memory; the message says how much was asked.</exception>
    public Arena(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Length = length;
        var bytes = checked((nuint)Math.Max(length, 1) * sizeof(float));
        // A system that overcommits would grant the memory and kill the process when it is touched.
        var available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (available > 0 && bytes > (nuint)available)
            throw new InsufficientMemoryException($"An arena of {length} floats needs {bytes / (1024.0 * 1024):F0} MiB and this machine has {available / (1024.0 * 1024):F0} MiB; use a smaller batch or model.");
        try
        {
            // Zeroed by the allocator and aligned by hand: large blocks come from the system page by page as they are
            // touched, so that an evaluator never pays for the backward pass's share.
            _block = NativeMemory.AllocZeroed(checked(bytes + Alignment));
            _memory = (float*)(((nuint)_block + Alignment - 1) / Alignment * Alignment);
        }
        catch (OutOfMemoryException e)
        {
            throw new InsufficientMemoryException($"Cannot allocate {bytes / (1024.0 * 1024):F0} MiB for an arena of {length} floats; use a smaller batch or model.", e);
        }
    }

    /// <summary>Number of float32 elements.</summary>
    public long Length { get; }

    /// <summary>The elements <paramref name="offset"/> … <paramref name="offset"/> + <paramref name="length"/> − 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range leaves the arena.</exception>
    /// <exception cref="ObjectDisposedException">The arena has been disposed.</exception>
    public Span<float> Span(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(_memory is null, this);
        if ((ulong)offset > (ulong)Length || (ulong)length > (ulong)(Length - offset))
            throw new ArgumentOutOfRangeException(nameof(offset), $"Elements {offset} + {length} leave an arena of {Length}.");
        return new Span<float>(_memory + offset, length);
    }

    /// <summary>The same range seen as 32-bit integers: positions, indices, tokens.</summary>
    public Span<int> Integers(long offset, int length) => MemoryMarshal.Cast<float, int>(Span(offset, length));

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the memory of an arena that was never disposed.</summary>
    ~Arena() => Free();

    private void Free()
    {
        NativeMemory.Free(_block);
        _block = null;
        _memory = null;
    }
}
