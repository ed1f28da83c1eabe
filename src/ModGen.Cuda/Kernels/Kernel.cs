namespace ModGen.Cuda;

/// <summary>
/// The source of one kernel: an entry point over kernel families. Compiled for the device at hand when a launch list that
/// holds it is loaded.
/// </summary>
/// <param name="Name">The entry point's name in the text.</param>
/// <param name="Families">The families that the text stands on, in the order they are to be written, separated by spaces.</param>
/// <param name="Threads">Threads of a block, as in the entry point's launch bounds.</param>
/// <param name="Text">The entry point in CUDA C++.</param>
/// <param name="SharedBytes">Dynamic shared memory of a block.</param>
/// <param name="Cluster">Blocks of a cluster; 1 for none.</param>
public sealed record Kernel(string Name, string Families, int Threads, string Text, int SharedBytes = 0, int Cluster = 1);
