using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>Times the launches of captured passes one by one.</summary>
internal static class LaunchTimes
{
    /// <summary>The launches of a pass in order, each with its median time.</summary>
    /// <param name="context">Where they run.</param>
    /// <param name="stream">The program's stream, with the inputs of the pass in place.</param>
    /// <param name="name">The pass's name.</param>
    /// <param name="pass">The pass; it runs once more than it is timed.</param>
    /// <param name="repeats">How often it is timed.</param>
    /// <param name="flops">Operations of the launches of which they are known.</param>
    /// <param name="bytesOf">Bytes that a kernel moves, or 0.</param>
    public static IEnumerable<LaunchTime> Of(
        CudaContext context, CudaStream stream, string name, CapturedPass pass, int repeats, IReadOnlyDictionary<Launch, double> flops, Func<Kernel, long> bytesOf)
    {
        foreach (var (launch, microseconds) in stream.Time(pass.List, repeats))
        {
            var info = launch.Kernel is null ? null : context.Describe(launch.Kernel, launch.Define);
            var bytes = launch.Kind switch
            {
                LaunchKind.Kernel => bytesOf(launch.Kernel!),
                LaunchKind.Copy => 2 * launch.Bytes,
                _ => launch.Bytes,
            };
            yield return new LaunchTime(name, launch.Name, launch.Blocks, microseconds, info?.Registers ?? 0, info?.LocalBytes ?? 0, flops.GetValueOrDefault(launch), bytes);
        }
    }
}
