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
    /// <summary>Packs lines <paramref name="line"/> … + <paramref name="lines"/> − 1 and steps <paramref name="step"/> … + <paramref name="depth"/> − 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(Operand from, int line, int lines, int step, int depth, int width, float* to)
    {
        var source = from.Data + line * from.LineStride + step * from.StepStride;
        for (var done = 0; done < lines; done += width)
        {
            var present = Math.Min(width, lines - done);
            var sliver = source + done * from.LineStride;
            if (from.LineStride == 1)
                Copy(sliver, from.StepStride, present, depth, width, to);
            else
                Transpose(sliver, from.LineStride, from.StepStride, present, depth, width, to);
            to += (nint)width * depth;
        }
    }

    private static void Copy(float* source, nint stepStride, int present, int depth, int width, float* to)
    {
        for (var step = 0; step < depth; step++, source += stepStride, to += width)
        {
            var i = 0;
            for (; i < present; i++)
                to[i] = source[i];
            for (; i < width; i++)
                to[i] = 0;
        }
    }

    private static void Transpose(float* source, nint lineStride, nint stepStride, int present, int depth, int width, float* to)
    {
        for (var i = 0; i < width; i++)
        {
            for (var step = 0; step < depth; step++)
                to[step * width + i] = i < present ? source[i * lineStride + step * stepStride] : 0;
        }
    }
}
