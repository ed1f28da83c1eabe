using System.Runtime.InteropServices;

namespace ModGen.Cpu;

/// <summary>
/// Native memory that asks for 2 MiB pages where the system grants them on request (Linux): large operands then need few
/// address translations, which cost most inside a virtual machine.
/// </summary>
internal static unsafe partial class LargePages
{
    private const nuint PageSize = 2 << 20;
    private const int AdviseHugePage = 14;

    /// <summary>Aligned memory to be freed with <see cref="NativeMemory.AlignedFree"/>.</summary>
    public static void* Allocate(nuint bytes)
    {
        if (bytes < PageSize)
            return NativeMemory.AlignedAlloc(bytes, 64);
        var memory = NativeMemory.AlignedAlloc(bytes, PageSize);
        // Advice only: where it is not taken, everything works with small pages.
        if (OperatingSystem.IsLinux())
            _ = Advise(memory, bytes, AdviseHugePage);
        return memory;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* memory, nuint bytes, int advice);
}
