using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>The GPU's tables, the most fused kernels first.</summary>
internal static class CudaKernels
{
    private static readonly CudaPrecisions Precisions = new();

    private static readonly IReadOnlyList<CudaKernel> All =
        [.. CudaHeadKernels.All, .. CudaRoutingKernels.Fused, .. CudaNormKernels.All, .. CudaLinearKernels.All, .. CudaAttentionKernels.All, .. CudaRoutingKernels.Single, .. CudaElementwiseKernels.All];

    private static readonly Dictionary<string, CudaKernel> ByName = All.Concat(CudaLinearFusions.All).Concat(CudaLinearKernels.Sampling).ToDictionary(k => k.Rule.Kernel);

    /// <summary>What trains.</summary>
    public static BackEnd Training { get; } = new([.. CudaLinearFusions.All.Select(k => k.Rule), .. All.Select(k => k.Rule)], Precisions);

    /// <summary>What samples: with a few rows a launch costs more than a pass over them, so products add to the stream themselves.</summary>
    public static BackEnd Sampling { get; } = new([.. CudaLinearKernels.Sampling.Select(k => k.Rule), .. All.Select(k => k.Rule)], Precisions);

    /// <summary>The statements that launch.</summary>
    public static IEnumerable<string> Emit(CudaCall call) => ByName[call.Launch.Kernel].Emit(call);
}
