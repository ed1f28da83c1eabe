using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>The checks that a kernel makes once, before it works on raw pointers.</summary>
internal static class Guard
{
    public static void Positive(int value, [CallerArgumentExpression(nameof(value))] string? name = null)
    {
        if (value <= 0)
            throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it must be at least 1.");
    }

    public static void Holds<T>(ReadOnlySpan<T> span, long needed, [CallerArgumentExpression(nameof(span))] string? name = null)
    {
        if (span.Length < needed)
            ThrowShort(name, span.Length, needed);
    }

    public static void Holds<T>(Span<T> span, long needed, [CallerArgumentExpression(nameof(span))] string? name = null)
    {
        if (span.Length < needed)
            ThrowShort(name, span.Length, needed);
    }

    /// <summary>Every index lies in 0 … <paramref name="bound"/> − 1.</summary>
    public static void Within(ReadOnlySpan<int> indices, int bound, [CallerArgumentExpression(nameof(indices))] string? name = null)
    {
        foreach (var index in indices)
        {
            if ((uint)index >= (uint)bound)
                throw new ArgumentOutOfRangeException(name, index, $"{name} holds {index}; it must be from 0 to {bound - 1}.");
        }
    }

    private static void ThrowShort(string? name, int length, long needed) =>
        throw new ArgumentException($"{name} holds {length} elements and the given sizes need {needed}; pass a span of at least that length.", name);
}
