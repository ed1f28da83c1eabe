using System.Runtime.InteropServices;

namespace ModGen.Cpu.Tests;

/// <summary>Floats that end where their last page ends, with a page behind that may not be touched: a read beyond ends the process.</summary>
internal sealed unsafe partial class GuardedMemory : IDisposable
{
    private const int ReadWrite = 3;
    private const int PrivateAnonymous = 0x22;
    private readonly nint _memory;
    private readonly nuint _bytes;
    private readonly int _length;

    public GuardedMemory(ReadOnlySpan<float> content)
    {
        nuint page = (nuint)Environment.SystemPageSize, needed = (nuint)content.Length * sizeof(float);
        var usable = (needed + page - 1) / page * page;
        _bytes = usable + page;
        _length = content.Length;
        _memory = Map(0, _bytes, ReadWrite, PrivateAnonymous, -1, 0);
        Assert.NotEqual(-1, _memory);
        Assert.Equal(0, Protect(_memory + (nint)usable, page, 0));
        First = (float*)(_memory + (nint)(usable - needed));
        content.CopyTo(Span);
    }

    public float* First { get; }

    public Span<float> Span => new(First, _length);

    public Span<int> Integers => MemoryMarshal.Cast<float, int>(Span);

    public void Dispose() => _ = Unmap(_memory, _bytes);

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint length);
}
