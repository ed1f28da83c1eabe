namespace ModGen.Cpu;

/// <summary>
/// A vector of float32 lanes. Kernels are written once over this contract and compiled for each width that the
/// hardware may have; every member is a single instruction or close to it.
/// </summary>
internal unsafe interface ILanes<V>
    where V : struct, ILanes<V>
{
    /// <summary>Lanes in a vector: 16, 8 or 4.</summary>
    static abstract int Count { get; }

    static abstract V Zero { get; }

    /// <summary>0, 1, 2, …</summary>
    static abstract V Iota { get; }

    static abstract V Load(float* source);

    static abstract V Splat(float value);

    /// <summary>The first <paramref name="count"/> lanes from memory, the rest 0; reads nothing beyond.</summary>
    static abstract V LoadPartial(float* source, int count);

    /// <summary>Writes the first <paramref name="count"/> lanes and nothing beyond.</summary>
    static abstract void StorePartial(float* target, V value, int count);

    /// <summary>Asks for two vectors of memory that will be needed soon.</summary>
    static abstract void Prefetch(float* memory);

    static abstract void Store(float* target, V value);

    static abstract V operator +(V left, V right);

    static abstract V operator -(V left, V right);

    static abstract V operator *(V left, V right);

    static abstract V operator /(V left, V right);

    /// <summary>a·b + c, fused where the hardware can.</summary>
    static abstract V MultiplyAdd(V a, V b, V c);

    /// <summary>The hardware's maximum: of a NaN and a number, either may come out.</summary>
    static abstract V Max(V left, V right);

    static abstract V Sqrt(V value);

    /// <summary>To the nearest integer, ties to even.</summary>
    static abstract V Round(V value);

    /// <summary>Where left &lt; right <paramref name="then"/>, elsewhere (NaN included) <paramref name="otherwise"/>.</summary>
    static abstract V WhereLess(V left, V right, V then, V otherwise);

    /// <summary>2ⁿ for integral n from −126 to 127.</summary>
    static abstract V PowerOfTwo(V n);

    /// <summary>Writes four vectors as columns: their i-th elements, in order, to target + i·stride.</summary>
    static abstract void StoreTransposed(V a, V b, V c, V d, float* target, nint stride);

    /// <summary>The sum of all lanes, always in the same order.</summary>
    static abstract float Sum(V value);

    /// <summary>The sums of four vectors, side by side.</summary>
    static abstract Lanes128 Sums(V a, V b, V c, V d);

    /// <summary>The greatest lane.</summary>
    static abstract float Max(V value);
}
