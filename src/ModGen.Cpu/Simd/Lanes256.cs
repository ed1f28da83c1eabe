using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace ModGen.Cpu;

/// <summary>8 float32 lanes in a 256-bit register.</summary>
internal readonly unsafe struct Lanes256(Vector256<float> value) : ILanes<Lanes256>
{
    private readonly Vector256<float> _value = value;

    public static int Count
    {
        [MethodImpl(AggressiveInlining)]
        get => 8;
    }

    public static Lanes256 Zero
    {
        [MethodImpl(AggressiveInlining)]
        get => new(Vector256<float>.Zero);
    }

    public static Lanes256 Iota
    {
        [MethodImpl(AggressiveInlining)]
        get => new(Vector256<float>.Indices);
    }

    [MethodImpl(AggressiveInlining)]
    public static Lanes256 Load(float* source) => new(Vector256.Load(source));

    [MethodImpl(AggressiveInlining)]
    public static Lanes256 Splat(float value) => new(Vector256.Create(value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes256 LoadPartial(float* source, int count) =>
        Avx.IsSupported ? new(Avx.MaskLoad(source, Mask(count))) : SimdMath.LoadByElement<Lanes256>(source, count);

    [MethodImpl(AggressiveInlining)]
    public static void StorePartial(float* target, Lanes256 value, int count)
    {
        if (Avx.IsSupported)
            Avx.MaskStore(target, Mask(count), value._value);
        else
            SimdMath.StoreByElement(target, value, count);
    }

    [MethodImpl(AggressiveInlining)]
    private static Vector256<float> Mask(int count) => Vector256.LessThan(Vector256<int>.Indices, Vector256.Create(count)).AsSingle();

    [MethodImpl(AggressiveInlining)]
    public static void Prefetch(float* memory)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(memory);
        }
    }

    [MethodImpl(AggressiveInlining)]
    public static void Store(float* target, Lanes256 value) => value._value.Store(target);

    [MethodImpl(AggressiveInlining)]
    public static Lanes256 operator +(Lanes256 left, Lanes256 right) => new(left._value + right._value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes256 operator -(Lanes256 left, Lanes256 right) => new(left._value - right._value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes256 operator *(Lanes256 left, Lanes256 right) => new(left._value * right._value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes256 operator /(Lanes256 left, Lanes256 right) => new(left._value / right._value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes256 MultiplyAdd(Lanes256 a, Lanes256 b, Lanes256 c) => new(Vector256.MultiplyAddEstimate(a._value, b._value, c._value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes256 Max(Lanes256 left, Lanes256 right) => new(Vector256.MaxNative(left._value, right._value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes256 Sqrt(Lanes256 value) => new(Vector256.Sqrt(value._value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes256 Round(Lanes256 value) => new(Vector256.Round(value._value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes256 WhereLess(Lanes256 left, Lanes256 right, Lanes256 then, Lanes256 otherwise) =>
        new(Vector256.ConditionalSelect(Vector256.LessThan(left._value, right._value), then._value, otherwise._value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes256 PowerOfTwo(Lanes256 n) =>
        new(((Vector256.ConvertToInt32Native(n._value) + Vector256.Create(127)) << 23).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static void StoreTransposed(Lanes256 a, Lanes256 b, Lanes256 c, Lanes256 d, float* target, nint stride)
    {
        var abLow = Interleave.Low(a._value, b._value);
        var abHigh = Interleave.High(a._value, b._value);
        var cdLow = Interleave.Low(c._value, d._value);
        var cdHigh = Interleave.High(c._value, d._value);
        StoreHalves(Interleave.LowPairs(abLow, cdLow), target, stride);
        StoreHalves(Interleave.HighPairs(abLow, cdLow), target + stride, stride);
        StoreHalves(Interleave.LowPairs(abHigh, cdHigh), target + 2 * stride, stride);
        StoreHalves(Interleave.HighPairs(abHigh, cdHigh), target + 3 * stride, stride);
    }

    [MethodImpl(AggressiveInlining)]
    private static void StoreHalves(Vector256<float> columns, float* target, nint stride)
    {
        columns.GetLower().Store(target);
        columns.GetUpper().Store(target + 4 * stride);
    }

    [MethodImpl(AggressiveInlining)]
    public static float Sum(Lanes256 value) => Lanes128.Sum(new Lanes128(value._value.GetLower() + value._value.GetUpper()));

    [MethodImpl(AggressiveInlining)]
    public static Lanes128 Sums(Lanes256 a, Lanes256 b, Lanes256 c, Lanes256 d)
    {
        var ab = Interleave.Low(a._value, b._value) + Interleave.High(a._value, b._value);
        var cd = Interleave.Low(c._value, d._value) + Interleave.High(c._value, d._value);
        var quarters = Interleave.LowPairs(ab, cd) + Interleave.HighPairs(ab, cd);
        return new(quarters.GetLower() + quarters.GetUpper());
    }

    [MethodImpl(AggressiveInlining)]
    public static float Max(Lanes256 value) => Lanes128.Max(new Lanes128(Vector128.MaxNative(value._value.GetLower(), value._value.GetUpper())));
}
