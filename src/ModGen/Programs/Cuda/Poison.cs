using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>
/// Fills device memory with NaN before it is used, so that a kernel which reads what nobody wrote is found out. For tests
/// and for hunts: the environment variable MODGEN_CUDA_POISON=1 asks for it.
/// </summary>
internal static class Poison
{
    // Every byte of it set: a NaN as float32 and as bfloat16 alike, and −1 as an int.
    private const byte Pattern = 0xFF;

    public static bool IsWanted { get; set; } = Environment.GetEnvironmentVariable("MODGEN_CUDA_POISON") == "1";

    public static void Fill(CudaStream stream, DeviceMemory memory)
    {
        stream.Fill(memory.Pointer, Pattern, memory.Bytes);
        stream.Synchronize();
    }
}
