namespace ModGen.Cpu;

/// <summary>A copy by all threads.</summary>
internal static unsafe class Copying
{
    private const int PieceFloats = 16384;

    public static void Run(CpuWorkers workers, float* source, float* target, long length) =>
        workers.Run(new Job(source, target, length), (int)((length - 1) / PieceFloats + 1), length);

    private readonly struct Job(float* source, float* target, long length) : IJob
    {
        public void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            var begin = (long)piece * PieceFloats;
            var bytes = Math.Min(length - begin, PieceFloats) * sizeof(float);
            Buffer.MemoryCopy(source + begin, target + begin, bytes, bytes);
        }
    }
}
