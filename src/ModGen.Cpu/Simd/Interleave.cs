using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace ModGen.Cpu;

/// <summary>Interleaving within each 128-bit quarter of two vectors: one instruction on x86, a shuffle elsewhere.</summary>
internal static class Interleave
{
    /// <summary>Elements of the low half of every quarter: a, b, a, b.</summary>
    [MethodImpl(AggressiveInlining)]
    public static Vector128<float> Low(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.UnpackLow(a, b) : Vector128.Create(a[0], b[0], a[1], b[1]);

    /// <summary>Elements of the high half of every quarter: a, b, a, b.</summary>
    [MethodImpl(AggressiveInlining)]
    public static Vector128<float> High(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.UnpackHigh(a, b) : Vector128.Create(a[2], b[2], a[3], b[3]);

    /// <summary>Pairs of the low half of every quarter: a a, b b.</summary>
    [MethodImpl(AggressiveInlining)]
    public static Vector128<float> LowPairs(Vector128<float> a, Vector128<float> b) =>
        Sse2.IsSupported ? Sse2.UnpackLow(a.AsDouble(), b.AsDouble()).AsSingle() : Vector128.Create(a.GetLower(), b.GetLower());

    /// <summary>Pairs of the high half of every quarter: a a, b b.</summary>
    [MethodImpl(AggressiveInlining)]
    public static Vector128<float> HighPairs(Vector128<float> a, Vector128<float> b) =>
        Sse2.IsSupported ? Sse2.UnpackHigh(a.AsDouble(), b.AsDouble()).AsSingle() : Vector128.Create(a.GetUpper(), b.GetUpper());

    /// <summary>Elements of the low half of every quarter: a, b, a, b.</summary>
    [MethodImpl(AggressiveInlining)]
    public static Vector256<float> Low(Vector256<float> a, Vector256<float> b) =>
        Avx.IsSupported ? Avx.UnpackLow(a, b) : Vector256.Create(Low(a.GetLower(), b.GetLower()), Low(a.GetUpper(), b.GetUpper()));

    /// <summary>Elements of the high half of every quarter: a, b, a, b.</summary>
    [MethodImpl(AggressiveInlining)]
    public static Vector256<float> High(Vector256<float> a, Vector256<float> b) =>
        Avx.IsSupported ? Avx.UnpackHigh(a, b) : Vector256.Create(High(a.GetLower(), b.GetLower()), High(a.GetUpper(), b.GetUpper()));

    /// <summary>Pairs of the low half of every quarter: a a, b b.</summary>
    [MethodImpl(AggressiveInlining)]
    public static Vector256<float> LowPairs(Vector256<float> a, Vector256<float> b) =>
        Avx.IsSupported ? Avx.UnpackLow(a.AsDouble(), b.AsDouble()).AsSingle() : Vector256.Create(LowPairs(a.GetLower(), b.GetLower()), LowPairs(a.GetUpper(), b.GetUpper()));

    /// <summary>Pairs of the high half of every quarter: a a, b b.</summary>
    [MethodImpl(AggressiveInlining)]
    public static Vector256<float> HighPairs(Vector256<float> a, Vector256<float> b) =>
        Avx.IsSupported ? Avx.UnpackHigh(a.AsDouble(), b.AsDouble()).AsSingle() : Vector256.Create(HighPairs(a.GetLower(), b.GetLower()), HighPairs(a.GetUpper(), b.GetUpper()));

    /// <summary>Elements of the low half of every quarter: a, b, a, b.</summary>
    [MethodImpl(AggressiveInlining)]
    public static Vector512<float> Low(Vector512<float> a, Vector512<float> b) =>
        Avx512F.IsSupported ? Avx512F.UnpackLow(a, b) : Vector512.Create(Low(a.GetLower(), b.GetLower()), Low(a.GetUpper(), b.GetUpper()));

    /// <summary>Elements of the high half of every quarter: a, b, a, b.</summary>
    [MethodImpl(AggressiveInlining)]
    public static Vector512<float> High(Vector512<float> a, Vector512<float> b) =>
        Avx512F.IsSupported ? Avx512F.UnpackHigh(a, b) : Vector512.Create(High(a.GetLower(), b.GetLower()), High(a.GetUpper(), b.GetUpper()));

    /// <summary>Pairs of the low half of every quarter: a a, b b.</summary>
    [MethodImpl(AggressiveInlining)]
    public static Vector512<float> LowPairs(Vector512<float> a, Vector512<float> b) =>
        Avx512F.IsSupported ? Avx512F.UnpackLow(a.AsDouble(), b.AsDouble()).AsSingle() : Vector512.Create(LowPairs(a.GetLower(), b.GetLower()), LowPairs(a.GetUpper(), b.GetUpper()));

    /// <summary>Pairs of the high half of every quarter: a a, b b.</summary>
    [MethodImpl(AggressiveInlining)]
    public static Vector512<float> HighPairs(Vector512<float> a, Vector512<float> b) =>
        Avx512F.IsSupported ? Avx512F.UnpackHigh(a.AsDouble(), b.AsDouble()).AsSingle() : Vector512.Create(HighPairs(a.GetLower(), b.GetLower()), HighPairs(a.GetUpper(), b.GetUpper()));
}
