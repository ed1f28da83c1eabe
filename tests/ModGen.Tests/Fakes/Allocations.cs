namespace ModGen.Tests.Fakes;

/// <summary>What code allocates on the managed heap.</summary>
internal static class Allocations
{
    private const int Runs = 3;

    /// <summary>
    /// Bytes that this thread allocates in a run, the least of some: what the code allocates comes every time, and what the runtime does
    /// once on whatever thread happens to need it, as when its own tables grow, does not.
    /// </summary>
    public static long Of(Action run)
    {
        var least = long.MaxValue;
        for (var i = 0; i < Runs; i++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            run();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
