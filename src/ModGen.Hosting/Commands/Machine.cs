using System.Reflection;
using System.Runtime.InteropServices;

namespace ModGen.Hosting.Commands;

/// <summary>What a measurement was made on.</summary>
internal sealed record Machine(string Processor, int Processors, string System, string Runtime, string Library, string Device, string? Cuda)
{
    public static Machine Of(Device device) => new(
        ProcessorName(), Environment.ProcessorCount, RuntimeInformation.OSDescription, RuntimeInformation.FrameworkDescription, LibraryVersion(), device.Name,
        (device as CudaDevice)?.Context.Versions);

    private static string ProcessorName()
    {
        const string Key = "model name";
        const string File = "/proc/cpuinfo";
        var line = global::System.IO.File.Exists(File)
            ? global::System.IO.File.ReadLines(File).FirstOrDefault(l => l.StartsWith(Key, StringComparison.Ordinal))
            : null;
        return line is null ? RuntimeInformation.ProcessArchitecture.ToString() : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }

    private static string LibraryVersion() =>
        typeof(DecoderModel).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
}
