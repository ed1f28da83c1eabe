using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Emit.CSharp;

/// <summary>The CPU back end's table, the most fused kernels first.</summary>
internal static class CpuKernels
{
    public static IReadOnlyList<CpuKernel> All { get; } =
        [.. CpuFusedKernels.Forward, .. CpuFusedKernels.Backward, .. CpuSingleKernels.Forward, .. CpuSingleKernels.Backward];

    public static BackEnd BackEnd { get; } = new(All.Select(k => k.Rule).ToList());

    private static Dictionary<string, CpuKernel> ByName { get; } = All.ToDictionary(k => k.Rule.Kernel);

    /// <summary>The statements that run a launch.</summary>
    public static IEnumerable<string> Emit(CpuCall call) => ByName[call.Launch.Kernel].Emit(call);
}
