using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>What kernels need beyond single instructions, for any vector width.</summary>
internal static unsafe class SimdMath
{
    // Below this e^x is less than the smallest normal number; it becomes 0.
    private const float SmallestExponent = -87.33654f;
    private const float LargestExponent = 88.72283f;

    /// <summary>e^x within 2 units in the last place; 0 below −87.3, +∞ above 88.7, NaN stays NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Exp<V>(V x)
        where V : struct, ILanes<V>
    {
        var result = ExpInRange(x);
        result = V.WhereLess(V.Splat(LargestExponent), x, V.Splat(float.PositiveInfinity), result);
        return V.WhereLess(x, V.Splat(SmallestExponent), V.Zero, result);
    }

    /// <summary>e^x for x ≤ 0, as softmax needs it: two instructions less.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V ExpNegative<V>(V x)
        where V : struct, ILanes<V> =>
        V.WhereLess(x, V.Splat(SmallestExponent), V.Zero, ExpInRange(x));

    /// <summary>1 / (1 + e^−x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Sigmoid<V>(V x)
        where V : struct, ILanes<V>
    {
        var one = V.Splat(1);
        return one / (one + Exp(V.Zero - x));
    }

    // x = n·ln 2 + r with |r| ≤ ln 2 / 2; e^r by its minimax polynomial of degree 6 (Cephes), then times 2ⁿ in two
    // halves, since n reaches 128 at the upper end.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V ExpInRange<V>(V x)
        where V : struct, ILanes<V>
    {
        var n = V.Round(x * V.Splat(1.44269504088896341f));
        var r = V.MultiplyAdd(n, V.Splat(-0.693359375f), x);
        r = V.MultiplyAdd(n, V.Splat(2.12194440e-4f), r);
        var p = V.MultiplyAdd(V.Splat(1.9875691500e-4f), r, V.Splat(1.3981999507e-3f));
        p = V.MultiplyAdd(p, r, V.Splat(8.3334519073e-3f));
        p = V.MultiplyAdd(p, r, V.Splat(4.1665795894e-2f));
        p = V.MultiplyAdd(p, r, V.Splat(1.6666665459e-1f));
        p = V.MultiplyAdd(p, r, V.Splat(5.0000001201e-1f));
        p = V.MultiplyAdd(p, r * r, r + V.Splat(1));
        var half = V.Round(n * V.Splat(0.5f));
        return p * V.PowerOfTwo(half) * V.PowerOfTwo(n - half);
    }

    /// <summary>a·b over <paramref name="length"/> elements, always in the same order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Dot<V>(float* a, float* b, int length)
        where V : struct, ILanes<V>
    {
        V first = V.Zero, second = V.Zero;
        nint i = 0;
        for (; i <= length - 2 * V.Count; i += 2 * V.Count)
        {
            first = V.MultiplyAdd(V.Load(a + i), V.Load(b + i), first);
            second = V.MultiplyAdd(V.Load(a + i + V.Count), V.Load(b + i + V.Count), second);
        }

        for (; i < length; i += V.Count)
            first = V.MultiplyAdd(Load<V>(a + i, (int)(length - i)), Load<V>(b + i, (int)(length - i)), first);
        return V.Sum(first + second);
    }

    /// <summary>The first lanes from memory on machines without masked loads.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static V LoadByElement<V>(float* source, int count)
        where V : struct, ILanes<V>
    {
        var lanes = stackalloc float[16];
        for (var i = 0; i < V.Count; i++)
            lanes[i] = i < count ? source[i] : 0;
        return V.Load(lanes);
    }

    /// <summary>The first lanes to memory on machines without masked stores.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void StoreByElement<V>(float* target, V value, int count)
        where V : struct, ILanes<V>
    {
        var lanes = stackalloc float[16];
        V.Store(lanes, value);
        for (var i = 0; i < count; i++)
            target[i] = lanes[i];
    }

    /// <summary>Loads up to a vector: all lanes when <paramref name="count"/> covers them, else the first ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<V>(float* source, int count)
        where V : struct, ILanes<V> =>
        count >= V.Count ? V.Load(source) : V.LoadPartial(source, count);

    /// <summary>Stores up to a vector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<V>(float* target, V value, int count)
        where V : struct, ILanes<V>
    {
        if (count >= V.Count)
            V.Store(target, value);
        else
            V.StorePartial(target, value, count);
    }
}
