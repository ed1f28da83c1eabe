using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>The first norm of the layer above a routed one, which makes it with its scores and with the return of the rows that entered.</summary>
/// <param name="IsThere">False where the layer above begins with something else.</param>
/// <param name="Gain">(width) floats.</param>
/// <param name="Normed">(batch, context, width) operands.</param>
/// <param name="Rstd">(batch, context) floats.</param>
public readonly record struct NormAbove(bool IsThere, DevicePointer Gain, DevicePointer Normed, DevicePointer Rstd);
