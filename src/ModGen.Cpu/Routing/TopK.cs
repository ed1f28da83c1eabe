using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>Exact selection of the largest scores of each sequence.</summary>
public static unsafe class TopK
{
    /// <summary>
    /// The positions of the <paramref name="count"/> largest scores of each sequence, ascending. Equal scores go to the
    /// earlier position, −0 equals +0, and NaN ranks below everything else.
    /// </summary>
    /// <param name="workers">The threads.</param>
    /// <param name="scores">(batch, length).</param>
    /// <param name="indices">(batch, count), overwritten.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="length">Positions of a sequence.</param>
    /// <param name="count">How many to select, from 1 to length.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape, or count exceeds length.</exception>
    public static void Select(CpuWorkers workers, ReadOnlySpan<float> scores, Span<int> indices, int batch, int length, int count)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Rows.CheckSelection(indices, batch, length, count);
        Guard.Holds(scores, (long)batch * length);
        fixed (float* ps = scores)
        fixed (int* pi = indices)
            workers.Run(new Job(ps, pi, length, count), batch, 4L * batch * length);
    }

    private readonly struct Job(float* scores, int* indices, int length, int count) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            // keys of every position, the candidates that still equal the threshold in all digits seen, the selection
            var keys = (uint*)scratch.Floats(2L * length + count + 1);
            var selected = (int*)(keys + 2 * (nint)length);
            var row = scores + (nint)piece * length;
            for (var i = 0; i < length; i++)
                keys[i] = Key(row[i]);
            var threshold = Threshold(keys, keys + length, out var ties);

            // Which score is selected cannot be foreseen, so there is no branch on it: each position is written and the
            // next one overwrites it unless it was selected.
            var taken = 0;
            for (var i = 0; i < length; i++)
            {
                var equal = keys[i] == threshold ? 1 : 0;
                var take = (keys[i] > threshold ? 1 : 0) | (equal & (ties > 0 ? 1 : 0));
                selected[taken] = i;
                taken += take;
                ties -= equal;
            }

            new ReadOnlySpan<int>(selected, count).CopyTo(new Span<int>(indices + (nint)piece * count, count));
        }

        // Unsigned order of the keys is the order of the scores.
        private static uint Key(float score)
        {
            if (float.IsNaN(score))
                return 0;
            var bits = BitConverter.SingleToUInt32Bits(score + 0f);
            return (bits & 0x8000_0000) != 0 ? ~bits : bits | 0x8000_0000;
        }

        /// <summary>The count-th largest key by radix selection, a byte at a time, and how many equal to it are selected.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private uint Threshold(uint* keys, uint* candidates, out int ties)
        {
            var histogram = stackalloc int[256];
            new Span<uint>(keys, length).CopyTo(new Span<uint>(candidates, length));
            var remaining = length;
            var wanted = count;
            uint prefix = 0;
            for (var shift = 24; shift >= 0; shift -= 8)
            {
                new Span<int>(histogram, 256).Clear();
                for (var i = 0; i < remaining; i++)
                    histogram[(candidates[i] >> shift) & 255]++;
                var digit = 255u;
                for (; histogram[digit] < wanted; digit--)
                    wanted -= histogram[digit];
                prefix |= digit << shift;
                var kept = 0;
                for (var i = 0; i < remaining; i++)
                {
                    var candidate = candidates[i];
                    candidates[kept] = candidate;
                    kept += ((candidate >> shift) & 255) == digit ? 1 : 0;
                }

                remaining = kept;
            }

            ties = wanted;
            return prefix;
        }
    }
}
