namespace ModGen.Cuda.Tests.Fakes;

/// <summary>A folder that goes away with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("modgen-cuda-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
