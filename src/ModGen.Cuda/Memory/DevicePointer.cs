using System.Globalization;

namespace ModGen.Cuda;

/// <summary>An address in the device's memory. It keeps nothing alive.</summary>
/// <param name="Address">The address; 0 for none.</param>
public readonly record struct DevicePointer(ulong Address)
{
    /// <summary>Whether it points nowhere.</summary>
    public bool IsNull => Address == 0;

    /// <summary>The address <paramref name="bytes"/> further on.</summary>
    public static DevicePointer operator +(DevicePointer pointer, long bytes) => new(pointer.Address + (ulong)bytes);

    /// <summary>The address <paramref name="bytes"/> further on.</summary>
    public DevicePointer Add(long bytes) => this + bytes;

    /// <summary>The address in hexadecimal.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"0x{Address:x}");
}
