namespace ModGen.Programs;

/// <summary>What one launch of a device takes.</summary>
/// <param name="Pass">The pass that it belongs to: accumulate, update, decode.</param>
/// <param name="Name">The kernel's name, or what is copied or cleared.</param>
/// <param name="Blocks">Blocks of its grid; 0 for copies.</param>
/// <param name="Microseconds">Median time, with the boundary to the next launch.</param>
/// <param name="Registers">Registers a thread; 0 for copies.</param>
/// <param name="SpilledBytes">Local memory a thread: registers that did not fit.</param>
/// <param name="Flops">Operations that it does, where the runtime knows; else 0.</param>
/// <param name="Bytes">Bytes that it moves between memory and processor, where the runtime knows; else 0.</param>
internal sealed record LaunchTime(string Pass, string Name, int Blocks, double Microseconds, int Registers, int SpilledBytes, double Flops, long Bytes);
