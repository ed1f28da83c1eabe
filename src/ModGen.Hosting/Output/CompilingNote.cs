using ModGen.Cuda;

namespace ModGen.Hosting.Output;

/// <summary>Says once that kernels are being compiled, which takes seconds where nothing is cached.</summary>
internal sealed class CompilingNote(VerbOutput output, CudaContext context) : IProgress<KernelProgress>
{
    private int _said;

    public void Report(KernelProgress value)
    {
        if (value.Cached || Interlocked.Exchange(ref _said, 1) != 0)
            return;
        output.Aside(context.CacheProblem is { } problem
            ? $"Compiling CUDA kernels for {context.Name}, this time and every time: {problem}."
            : $"Compiling CUDA kernels for {context.Name}; they are kept in {context.CacheFolder}.");
    }
}
