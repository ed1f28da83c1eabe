using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>The GPU's tables, the most fused kernels first.</summary>
internal static class CudaKernels
{
    private static readonly CudaPrecisions Precisions = new();

    private static readonly IReadOnlyList<CudaKernel> Fused = [.. CudaHeadKernels.All, .. CudaRoutingKernels.Fused, .. CudaNormKernels.All];

    private static readonly IReadOnlyList<CudaKernel> Single = [.. CudaLinearKernels.All, .. CudaAttentionKernels.All, .. CudaRoutingKernels.Single, .. CudaElementwiseKernels.All];

    private static readonly IReadOnlyList<CudaKernel> TrainingTable = [.. CudaLinearFusions.All, .. CudaRoutingKernels.Training, .. Fused, .. CudaLinearFusions.Sums, .. Single];

    private static readonly IReadOnlyList<CudaKernel> SamplingTable = [.. CudaLinearKernels.Sampling, .. Fused, .. Single];

    private static readonly Dictionary<string, CudaKernel> ByName = TrainingTable.Concat(CudaLinearKernels.Sampling).ToDictionary(k => k.Rule.Kernel);

    /// <summary>What trains.</summary>
    public static BackEnd Training { get; } = new([.. TrainingTable.Select(k => k.Rule)], Precisions, WidestEntered: 8192);

    /// <summary>What samples: with a few rows a launch costs more than a pass over them, so products add to the stream themselves.</summary>
    public static BackEnd Sampling { get; } = new([.. SamplingTable.Select(k => k.Rule)], Precisions);

    /// <summary>The statements that launch.</summary>
    public static IEnumerable<string> Emit(CudaCall call) => ByName[call.Launch.Kernel].Emit(call);
}
