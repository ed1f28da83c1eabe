namespace ModGen;

/// <summary>float32 to bfloat16, rounded to nearest, ties to even, as the device rounds.</summary>
internal static class BFloat16
{
    /// <summary>Rounds every value; NaN stays NaN.</summary>
    public static void Round(ReadOnlySpan<float> values, Span<ushort> rounded)
    {
        for (var i = 0; i < values.Length; i++)
            rounded[i] = Round(values[i]);
    }

    /// <summary>Rounds one value.</summary>
    public static ushort Round(float value)
    {
        const uint Quiet = 0x40, Half = 0x7FFF;
        var bits = BitConverter.SingleToUInt32Bits(value);
        // Adding the half would carry a NaN's payload into an infinity.
        return (ushort)(float.IsNaN(value) ? (bits >> 16) | Quiet : (bits + Half + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>The value of a bfloat16.</summary>
    public static float Widen(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);
}
