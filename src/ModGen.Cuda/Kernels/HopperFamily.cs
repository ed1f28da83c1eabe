namespace ModGen.Cuda;

/// <summary>Whether kernels with Hopper's own instructions (wgmma, the copy engine) are for a device.</summary>
internal static class HopperFamily
{
    /// <summary>Set to "portable", every device runs the kernels for compute capability 8.0, so that the two families can be compared on one.</summary>
    private const string Variable = "MODGEN_CUDA_FAMILY";

    private static readonly Version Capability = new(9, 0);
    private static readonly bool PortableOnly = Environment.GetEnvironmentVariable(Variable) == "portable";

    /// <summary>True where the Hopper form of a kernel is the one to run: its instructions are for this capability and for bfloat16.</summary>
    public static bool Suits(CudaContext context) => !context.Float32 && context.ComputeCapability == Capability && !PortableOnly;

    /// <summary>True where blocks of a cluster can read one another's shared memory.</summary>
    public static bool HasClusters(CudaContext context) => context.ComputeCapability >= Capability && !PortableOnly;
}
