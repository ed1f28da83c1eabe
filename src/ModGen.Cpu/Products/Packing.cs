using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>A matrix as a product reads it: element (line, step) at line·LineStride + step·StepStride, summed over steps.</summary>
internal readonly unsafe struct Operand(float* data, nint lineStride, nint stepStride)
{
    public readonly float* Data = data;
    public readonly nint LineStride = lineStride;
    public readonly nint StepStride = stepStride;
}

/// <summary>
/// Copies operands into slivers: (line / width, step, line % width), so that a tile reads both operands front to back.
/// Lines beyond the last are 0.
/// </summary>
internal static unsafe class Packing
{
    // Steps that are packed for all lines of a sliver before going on: the part of the sliver stays in the first cache.
    private const int StepBlock = 64;
    private const int CopyBlock = 16;

    /// <summary>Packs lines <paramref name="line"/> … + <paramref name="lines"/> − 1 and steps <paramref name="step"/> … + <paramref name="depth"/> − 1.</summary>
    /// <param name="from">The operand; one of its strides is 1.</param>
    /// <param name="line">First line.</param>
    /// <param name="lines">Lines.</param>
    /// <param name="step">First step.</param>
    /// <param name="depth">Steps.</param>
    /// <param name="width">Lines of a sliver: a tile's rows or columns.</param>
    /// <param name="to">⌈lines / width⌉·width·depth elements.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack<V>(Operand from, int line, int lines, int step, int depth, int width, float* to)
        where V : struct, ILanes<V>
    {
        var source = from.Data + line * from.LineStride + step * from.StepStride;
        var whole = lines / width;
        if (from.LineStride == 1)
            Copy<V>(source, from.StepStride, whole, depth, width, to);
        for (var sliver = 0; from.LineStride != 1 && sliver < whole; sliver++)
            Transpose<V>(source + (nint)sliver * width * from.LineStride, from.LineStride, depth, width, to + (nint)sliver * width * depth);
        var rest = lines - whole * width;
        if (rest > 0)
            PackPartial(source + (nint)whole * width * from.LineStride, from.LineStride, from.StepStride, rest, depth, width, to + (nint)whole * width * depth);
    }

    // Lines are neighbours in memory. A few steps go to one sliver after another: all slivers at once would be more
    // write streams than the first cache has ways, and they lie whole pages apart.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Copy<V>(float* source, nint stepStride, int slivers, int depth, int width, float* to)
        where V : struct, ILanes<V>
    {
        for (var first = 0; first < depth; first += CopyBlock)
        {
            var steps = Math.Min(CopyBlock, depth - first);
            for (var sliver = 0; sliver < slivers; sliver++)
            {
                var read = source + first * stepStride + (nint)sliver * width;
                var write = to + ((nint)sliver * depth + first) * width;
                for (var step = 0; step < steps; step++, read += stepStride, write += width)
                {
                    V.Prefetch(read + CopyBlock * stepStride);
                    CopyLines<V>(read, write, width);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CopyLines<V>(float* read, float* write, int width)
        where V : struct, ILanes<V>
    {
        if (width == 2 * V.Count)
        {
            V.Store(write, V.Load(read));
            V.Store(write + V.Count, V.Load(read + V.Count));
        }
        else if (width == 12)
        {
            Lanes256.Store(write, Lanes256.Load(read));
            Lanes128.Store(write + 8, Lanes128.Load(read + 8));
        }
        else
        {
            // Groups of four; with a width of 6 the second overlaps the first.
            for (var i = 0; i < width; i += 4)
                Lanes128.Store(write + Math.Min(i, width - 4), Lanes128.Load(read + Math.Min(i, width - 4)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose<V>(float* source, nint lineStride, int depth, int width, float* to)
        where V : struct, ILanes<V>
    {
        for (var first = 0; first < depth; first += StepBlock)
        {
            var end = Math.Min(depth, first + StepBlock);
            for (var i = 0; i < width; i += 4)
            {
                var line = Math.Min(i, width - 4);
                float* a = source + line * lineStride, b = a + lineStride, c = b + lineStride, d = c + lineStride;
                var step = first;
                for (; step <= end - V.Count; step += V.Count)
                {
                    // The next four lines, each of them a stream too short for the hardware to foresee.
                    if ((step & V.Count) == 0)
                    {
                        V.Prefetch(a + 4 * lineStride + step);
                        V.Prefetch(b + 4 * lineStride + step);
                        V.Prefetch(c + 4 * lineStride + step);
                        V.Prefetch(d + 4 * lineStride + step);
                    }

                    V.StoreTransposed(V.Load(a + step), V.Load(b + step), V.Load(c + step), V.Load(d + step), to + (nint)step * width + line, width);
                }

                for (; step < end; step++)
                {
                    var target = to + (nint)step * width + line;
                    (target[0], target[1], target[2], target[3]) = (a[step], b[step], c[step], d[step]);
                }
            }
        }
    }

    private static void PackPartial(float* source, nint lineStride, nint stepStride, int present, int depth, int width, float* to)
    {
        for (var step = 0; step < depth; step++, to += width)
        {
            for (var i = 0; i < width; i++)
                to[i] = i < present ? source[i * lineStride + step * stepStride] : 0;
        }
    }
}
