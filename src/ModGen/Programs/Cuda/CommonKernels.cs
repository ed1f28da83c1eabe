using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>The CUDA kernels that every model has.</summary>
internal static class CommonKernels
{
    /// <summary>What programs launch beside what their model's declaration became.</summary>
    public static IReadOnlyList<Kernel> Of(ModelDescription model) =>
        [OptimizerKernels.Norm, OptimizerKernels.NoteLoss, OptimizerKernels.Guard, OptimizerKernels.AdamW, CudaCaches.RestartKernel, CallBuffers.CarryKernel, TokenChoice.KernelOf(model.Vocabulary), OperationLaunches.AddColumnPartials];
}
