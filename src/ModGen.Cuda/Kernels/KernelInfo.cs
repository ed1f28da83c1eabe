namespace ModGen.Cuda;

/// <summary>What the compiler made of a kernel.</summary>
/// <param name="Name">The kernel's name.</param>
/// <param name="Registers">Registers a thread.</param>
/// <param name="SharedBytes">Shared memory a block, fixed and dynamic.</param>
/// <param name="LocalBytes">Local memory a thread. Above zero, registers have spilled or an array is indexed at run time.</param>
/// <param name="CompileMilliseconds">How long it took to compile, when it was compiled: perhaps by an earlier process.</param>
/// <param name="Cached">Whether it came from the cache.</param>
/// <param name="Warnings">What the compiler warned of, one line each: serialised wgmma instructions, spills.</param>
public sealed record KernelInfo(string Name, int Registers, int SharedBytes, int LocalBytes, double CompileMilliseconds, bool Cached, IReadOnlyList<string> Warnings);

/// <summary>How far loading has come.</summary>
/// <param name="Done">Kernels that are loaded.</param>
/// <param name="Total">Kernels to load.</param>
/// <param name="Kernel">The last that was.</param>
/// <param name="Cached">Whether it came from the cache.</param>
public readonly record struct KernelProgress(int Done, int Total, string Kernel, bool Cached);

/// <summary>All the loading of kernels that a context has done.</summary>
/// <param name="Kernels">Kernels loaded.</param>
/// <param name="Cached">Those of them that came from the cache; the others were compiled.</param>
/// <param name="Elapsed">The time that programs waited for them.</param>
public readonly record struct KernelLoading(int Kernels, int Cached, TimeSpan Elapsed);
