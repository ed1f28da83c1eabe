using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>The router of a layer, whose gradient at rows that passed its block by is added by a norm of the section above.</summary>
/// <param name="Scores">(batch, context) floats.</param>
/// <param name="Selected">(batch, entered) ints: ascending positions of the rows that entered.</param>
/// <param name="Entered">Rows of a sequence that enter; 0 where there is no such router.</param>
/// <param name="LossWeight">What the router's loss is weighted with.</param>
/// <param name="Weights">(width) floats.</param>
/// <param name="Gradient">(width) floats, added to.</param>
public readonly record struct PassingRouter(DevicePointer Scores, DevicePointer Selected, int Entered, float LossWeight, DevicePointer Weights, DevicePointer Gradient)
{
    /// <summary>True where there is such a router.</summary>
    public bool IsThere => Entered > 0;
}
