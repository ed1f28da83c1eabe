namespace ModGen.Cuda;

/// <summary>
/// How many rows a launch works on: known now, or counted on the device by an earlier kernel. Kernels take it as
/// <c>Rows { const int* counted; int most; }</c>, 16 bytes.
/// </summary>
/// <param name="Most">The number of rows, or the most there can be; grids are sized by it.</param>
/// <param name="Counted">Where the device keeps the number, an int; null when it is <paramref name="Most"/>.</param>
public readonly record struct RowCount(int Most, DevicePointer Counted = default);
