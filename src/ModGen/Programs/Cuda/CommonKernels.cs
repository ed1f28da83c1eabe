using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>The CUDA kernels that are the same for every model.</summary>
internal static class CommonKernels
{
    /// <summary>All of them: what programs launch beside what their model's declaration became.</summary>
    public static IReadOnlyList<Kernel> All { get; } = [OptimizerKernels.Norm, OptimizerKernels.NoteLoss, OptimizerKernels.Guard, OptimizerKernels.AdamW, CudaCaches.RestartKernel];
}
