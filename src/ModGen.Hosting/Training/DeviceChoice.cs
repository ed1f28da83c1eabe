using System.Globalization;

namespace ModGen.Hosting.Training;

/// <summary>A device as the options name it, for a run to go on where it began.</summary>
/// <param name="Device">cpu, or cuda:N.</param>
/// <param name="Precision">What a GPU holds operands in.</param>
internal sealed record DeviceChoice(string Device, CudaPrecision Precision)
{
    public static DeviceChoice Of(Device device) => device is CudaDevice cuda
        ? new(string.Create(CultureInfo.InvariantCulture, $"cuda:{cuda.Context.Ordinal}"), cuda.Precision)
        : new("cpu", CudaPrecision.Float32);
}
