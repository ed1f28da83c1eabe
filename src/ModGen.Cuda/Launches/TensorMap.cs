using System.Runtime.InteropServices;

namespace ModGen.Cuda;

/// <summary>
/// How Hopper's copy engine sees a tensor in device memory: extents, pitches, and the box that one copy moves to shared
/// memory. 128 opaque bytes that the driver encodes; kernels take it by value.
/// </summary>
public sealed unsafe class TensorMap
{
    internal const int Bytes = 128, Alignment = 64;
    private const int BFloat16 = 9, Float32 = 7, MostDimensions = 5, MostBox = 256;
    private readonly byte[] _data;

    private TensorMap(byte[] data) => _data = data;

    internal ReadOnlySpan<byte> Data => _data;

    /// <summary>Encodes a map of a tensor whose innermost dimension is dense. What a box reads outside the tensor is zero.</summary>
    /// <param name="context">The device; compute capability 9.0 or above.</param>
    /// <param name="pointer">The first element; a multiple of 16.</param>
    /// <param name="elementBytes">2 for bfloat16, 4 for float32.</param>
    /// <param name="extents">Elements of each dimension, innermost first; 1 to 5 dimensions.</param>
    /// <param name="strideBytes">Pitches of the dimensions from the second on, in bytes; multiples of 16.</param>
    /// <param name="box">Elements of a box in each dimension, innermost first; 1 to 256.</param>
    /// <param name="swizzle">Bytes of the pattern by which the box's rows are permuted in shared memory: 0, 32, 64 or 128.</param>
    /// <exception cref="ArgumentException">A value breaks the engine's rules; the message says which.</exception>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public static TensorMap Create(
        CudaContext context, DevicePointer pointer, int elementBytes, ReadOnlySpan<long> extents, ReadOnlySpan<long> strideBytes, ReadOnlySpan<int> box, int swizzle)
    {
        ArgumentNullException.ThrowIfNull(context);
        Validate(pointer, elementBytes, extents, strideBytes, box, swizzle);
        var request = new TensorMapRequest
        {
            ElementType = elementBytes == 2 ? BFloat16 : Float32,
            Rank = extents.Length,
            Address = pointer.Address,
            Swizzle = swizzle switch { 0 => 0, 32 => 1, 64 => 2, _ => 3 },
        };
        for (var i = 0; i < extents.Length; i++)
        {
            request.Extents[i] = (ulong)extents[i];
            request.Box[i] = (uint)box[i];
            if (i > 0)
                request.StrideBytes[i - 1] = (ulong)strideBytes[i - 1];
        }

        var encoded = NativeMemory.AlignedAlloc(Bytes, Alignment);
        try
        {
            context.Enter();
            context.Check(context.Driver.EncodeTensorMap(encoded, request), "cuTensorMapEncodeTiled", $"a tensor of {string.Join(" x ", extents.ToArray())}");
            return new TensorMap(new ReadOnlySpan<byte>(encoded, Bytes).ToArray());
        }
        finally
        {
            NativeMemory.AlignedFree(encoded);
        }
    }

    private static void Validate(
        DevicePointer pointer, int elementBytes, ReadOnlySpan<long> extents, ReadOnlySpan<long> strideBytes, ReadOnlySpan<int> box, int swizzle)
    {
        Require(elementBytes is 2 or 4, nameof(elementBytes), $"Elements are {elementBytes} bytes; a tensor map is of bfloat16 (2) or float32 (4).");
        Require(pointer.Address % 16 == 0 && !pointer.IsNull, nameof(pointer), $"The tensor is at {pointer}; it must begin at a multiple of 16.");
        Require(extents.Length is >= 1 and <= MostDimensions, nameof(extents), $"The tensor has {extents.Length} dimensions; a tensor map has 1 to {MostDimensions}.");
        Require(strideBytes.Length == extents.Length - 1, nameof(strideBytes), $"{strideBytes.Length} pitches are given for {extents.Length} dimensions; there is one for each but the innermost.");
        Require(box.Length == extents.Length, nameof(box), $"The box has {box.Length} dimensions and the tensor {extents.Length}; they must be equal.");
        Require(swizzle is 0 or 32 or 64 or 128, nameof(swizzle), $"The swizzle is {swizzle} bytes; it must be 0, 32, 64 or 128.");
        for (var i = 0; i < extents.Length; i++)
        {
            Require(extents[i] is > 0 and <= uint.MaxValue, nameof(extents), $"Extent {i} is {extents[i]}; it must be from 1 to {uint.MaxValue}.");
            Require(box[i] is > 0 and <= MostBox, nameof(box), $"Dimension {i} of the box is {box[i]}; it must be from 1 to {MostBox}.");
            Require(i == 0 || (strideBytes[i - 1] > 0 && strideBytes[i - 1] % 16 == 0), nameof(strideBytes), $"Pitch {i} is {(i == 0 ? 0 : strideBytes[i - 1])} bytes; it must be a positive multiple of 16.");
        }

        var row = box[0] * elementBytes;
        Require(row % 16 == 0, nameof(box), $"A row of the box is {row} bytes; it must be a multiple of 16.");
        Require(swizzle == 0 || row <= swizzle, nameof(box), $"A row of the box is {row} bytes; under a swizzle of {swizzle} it must not be longer than that.");
    }

    private static void Require(bool holds, string name, string message)
    {
        if (!holds)
            throw new ArgumentException(message, name);
    }
}
