using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace ModGen.Cpu;

/// <summary>4 float32 lanes in a 128-bit register.</summary>
internal readonly unsafe struct Lanes128(Vector128<float> value) : ILanes<Lanes128>
{
    private readonly Vector128<float> _value = value;

    public static int Count
    {
        [MethodImpl(AggressiveInlining)]
        get => 4;
    }

    public static Lanes128 Zero
    {
        [MethodImpl(AggressiveInlining)]
        get => new(Vector128<float>.Zero);
    }

    public static Lanes128 Iota
    {
        [MethodImpl(AggressiveInlining)]
        get => new(Vector128<float>.Indices);
    }

    [MethodImpl(AggressiveInlining)]
    public static Lanes128 Load(float* source) => new(Vector128.Load(source));

    [MethodImpl(AggressiveInlining)]
    public static Lanes128 Splat(float value) => new(Vector128.Create(value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes128 LoadPartial(float* source, int count) =>
        Avx.IsSupported ? new(Avx.MaskLoad(source, Mask(count))) : SimdMath.LoadByElement<Lanes128>(source, count);

    [MethodImpl(AggressiveInlining)]
    public static void StorePartial(float* target, Lanes128 value, int count)
    {
        if (Avx.IsSupported)
            Avx.MaskStore(target, Mask(count), value._value);
        else
            SimdMath.StoreByElement(target, value, count);
    }

    [MethodImpl(AggressiveInlining)]
    private static Vector128<float> Mask(int count) => Vector128.LessThan(Vector128<int>.Indices, Vector128.Create(count)).AsSingle();

    [MethodImpl(AggressiveInlining)]
    public static void Prefetch(float* memory)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(memory);
        }
    }

    [MethodImpl(AggressiveInlining)]
    public static void Store(float* target, Lanes128 value) => value._value.Store(target);

    [MethodImpl(AggressiveInlining)]
    public static Lanes128 operator +(Lanes128 left, Lanes128 right) => new(left._value + right._value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes128 operator -(Lanes128 left, Lanes128 right) => new(left._value - right._value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes128 operator *(Lanes128 left, Lanes128 right) => new(left._value * right._value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes128 operator /(Lanes128 left, Lanes128 right) => new(left._value / right._value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes128 MultiplyAdd(Lanes128 a, Lanes128 b, Lanes128 c) => new(Vector128.MultiplyAddEstimate(a._value, b._value, c._value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes128 Max(Lanes128 left, Lanes128 right) => new(Vector128.MaxNative(left._value, right._value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes128 Sqrt(Lanes128 value) => new(Vector128.Sqrt(value._value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes128 Round(Lanes128 value) => new(Vector128.Round(value._value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes128 WhereLess(Lanes128 left, Lanes128 right, Lanes128 then, Lanes128 otherwise) =>
        new(Vector128.ConditionalSelect(Vector128.LessThan(left._value, right._value), then._value, otherwise._value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes128 PowerOfTwo(Lanes128 n) =>
        new(((Vector128.ConvertToInt32Native(n._value) + Vector128.Create(127)) << 23).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static void StoreTransposed(Lanes128 a, Lanes128 b, Lanes128 c, Lanes128 d, float* target, nint stride)
    {
        // a0 b0 a1 b1 and c0 d0 c1 d1 give a0 b0 c0 d0 and a1 b1 c1 d1
        var abLow = Interleave.Low(a._value, b._value);
        var abHigh = Interleave.High(a._value, b._value);
        var cdLow = Interleave.Low(c._value, d._value);
        var cdHigh = Interleave.High(c._value, d._value);
        Interleave.LowPairs(abLow, cdLow).Store(target);
        Interleave.HighPairs(abLow, cdLow).Store(target + stride);
        Interleave.LowPairs(abHigh, cdHigh).Store(target + 2 * stride);
        Interleave.HighPairs(abHigh, cdHigh).Store(target + 3 * stride);
    }

    [MethodImpl(AggressiveInlining)]
    public static float Sum(Lanes128 value)
    {
        var pairs = value._value + Vector128.Shuffle(value._value, Vector128.Create(2, 3, 0, 1));
        return (pairs + Vector128.Shuffle(pairs, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }

    [MethodImpl(AggressiveInlining)]
    public static Lanes128 Sums(Lanes128 a, Lanes128 b, Lanes128 c, Lanes128 d)
    {
        var ab = Interleave.Low(a._value, b._value) + Interleave.High(a._value, b._value);
        var cd = Interleave.Low(c._value, d._value) + Interleave.High(c._value, d._value);
        return new(Interleave.LowPairs(ab, cd) + Interleave.HighPairs(ab, cd));
    }

    [MethodImpl(AggressiveInlining)]
    public static float Max(Lanes128 value)
    {
        var pairs = Vector128.MaxNative(value._value, Vector128.Shuffle(value._value, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(pairs, Vector128.Shuffle(pairs, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }
}
