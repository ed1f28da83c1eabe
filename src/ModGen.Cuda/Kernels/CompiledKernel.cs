namespace ModGen.Cuda;

/// <summary>A kernel as the cache keeps it.</summary>
/// <param name="Cubin">The binary.</param>
/// <param name="Log">What the compiler said.</param>
/// <param name="Milliseconds">How long it took.</param>
/// <param name="Cached">Whether it was read from the cache.</param>
internal sealed record CompiledKernel(byte[] Cubin, string Log, double Milliseconds, bool Cached);
