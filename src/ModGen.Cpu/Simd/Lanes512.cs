using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace ModGen.Cpu;

/// <summary>16 float32 lanes in a 512-bit register.</summary>
internal readonly unsafe struct Lanes512(Vector512<float> value) : ILanes<Lanes512>
{
    private readonly Vector512<float> _value = value;

    public static int Count
    {
        [MethodImpl(AggressiveInlining)]
        get => 16;
    }

    public static Lanes512 Zero
    {
        [MethodImpl(AggressiveInlining)]
        get => new(Vector512<float>.Zero);
    }

    public static Lanes512 Iota
    {
        [MethodImpl(AggressiveInlining)]
        get => new(Vector512<float>.Indices);
    }

    [MethodImpl(AggressiveInlining)]
    public static Lanes512 Load(float* source) => new(Vector512.Load(source));

    [MethodImpl(AggressiveInlining)]
    public static Lanes512 Splat(float value) => new(Vector512.Create(value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes512 LoadPartial(float* source, int count) =>
        Avx512F.IsSupported ? new(Avx512F.MaskLoad(source, Mask(count), Vector512<float>.Zero)) : SimdMath.LoadByElement<Lanes512>(source, count);

    [MethodImpl(AggressiveInlining)]
    public static void StorePartial(float* target, Lanes512 value, int count)
    {
        if (Avx512F.IsSupported)
            Avx512F.MaskStore(target, Mask(count), value._value);
        else
            SimdMath.StoreByElement(target, value, count);
    }

    [MethodImpl(AggressiveInlining)]
    private static Vector512<float> Mask(int count) => Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(count)).AsSingle();

    [MethodImpl(AggressiveInlining)]
    public static void Prefetch(float* memory)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(memory);
            Sse.Prefetch0(memory + 16);
        }
    }

    [MethodImpl(AggressiveInlining)]
    public static void Store(float* target, Lanes512 value) => value._value.Store(target);

    [MethodImpl(AggressiveInlining)]
    public static Lanes512 operator +(Lanes512 left, Lanes512 right) => new(left._value + right._value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes512 operator -(Lanes512 left, Lanes512 right) => new(left._value - right._value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes512 operator *(Lanes512 left, Lanes512 right) => new(left._value * right._value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes512 operator /(Lanes512 left, Lanes512 right) => new(left._value / right._value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes512 MultiplyAdd(Lanes512 a, Lanes512 b, Lanes512 c) => new(Vector512.MultiplyAddEstimate(a._value, b._value, c._value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes512 Max(Lanes512 left, Lanes512 right) => new(Vector512.MaxNative(left._value, right._value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes512 Sqrt(Lanes512 value) => new(Vector512.Sqrt(value._value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes512 Round(Lanes512 value) => new(Vector512.Round(value._value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes512 WhereLess(Lanes512 left, Lanes512 right, Lanes512 then, Lanes512 otherwise) =>
        new(Vector512.ConditionalSelect(Vector512.LessThan(left._value, right._value), then._value, otherwise._value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes512 PowerOfTwo(Lanes512 n) =>
        new(((Vector512.ConvertToInt32Native(n._value) + Vector512.Create(127)) << 23).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static void StoreTransposed(Lanes512 a, Lanes512 b, Lanes512 c, Lanes512 d, float* target, nint stride)
    {
        var abLow = Interleave.Low(a._value, b._value);
        var abHigh = Interleave.High(a._value, b._value);
        var cdLow = Interleave.Low(c._value, d._value);
        var cdHigh = Interleave.High(c._value, d._value);
        StoreQuarters(Interleave.LowPairs(abLow, cdLow), target, stride);
        StoreQuarters(Interleave.HighPairs(abLow, cdLow), target + stride, stride);
        StoreQuarters(Interleave.LowPairs(abHigh, cdHigh), target + 2 * stride, stride);
        StoreQuarters(Interleave.HighPairs(abHigh, cdHigh), target + 3 * stride, stride);
    }

    [MethodImpl(AggressiveInlining)]
    private static void StoreQuarters(Vector512<float> columns, float* target, nint stride)
    {
        columns.GetLower().GetLower().Store(target);
        columns.GetLower().GetUpper().Store(target + 4 * stride);
        columns.GetUpper().GetLower().Store(target + 8 * stride);
        columns.GetUpper().GetUpper().Store(target + 12 * stride);
    }

    [MethodImpl(AggressiveInlining)]
    public static float Sum(Lanes512 value) => Lanes256.Sum(new Lanes256(value._value.GetLower() + value._value.GetUpper()));

    [MethodImpl(AggressiveInlining)]
    public static Lanes128 Sums(Lanes512 a, Lanes512 b, Lanes512 c, Lanes512 d)
    {
        var ab = Interleave.Low(a._value, b._value) + Interleave.High(a._value, b._value);
        var cd = Interleave.Low(c._value, d._value) + Interleave.High(c._value, d._value);
        var quarters = Interleave.LowPairs(ab, cd) + Interleave.HighPairs(ab, cd);
        var halves = quarters.GetLower() + quarters.GetUpper();
        return new(halves.GetLower() + halves.GetUpper());
    }

    [MethodImpl(AggressiveInlining)]
    public static float Max(Lanes512 value) => Lanes256.Max(new Lanes256(Vector256.MaxNative(value._value.GetLower(), value._value.GetUpper())));
}
