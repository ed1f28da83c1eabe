using ModGen.Cuda;
using ModGen.Cuda.Tests.Fakes;

namespace ModGen.Tests.Fakes;

/// <summary>The kernels of <see cref="CudaTable"/> and of every update, as the fake device runs them.</summary>
internal static unsafe class CudaTableKernels
{
    public static readonly Kernel Lookup = Of("lookup", "const int* tokens, const float* weights, float* y, int count");
    public static readonly Kernel Distance = Of("distance", "const float* y, const int* targets, const float* inverse, float* squares, float* loss, float* auxiliary, int count");
    public static readonly Kernel Gradient = Of("gradient", "const float* y, const int* tokens, const int* targets, const float* scale, float* gradients, int count");
    public static readonly Kernel Logits = Of("logits", "const float* y, float* logits, Rows rows");
    public static readonly Kernel Enter = Of("enter", "const int* tokens, const int* sequences, int* dense, int* routed, const int* use_forced, const int* forced, int* flags, Rows rows");
    public static readonly Kernel Wanted = Of("wanted", "const int* tokens, const int* sequences, const int* positions, const int* wanted, const int* lengths, float* logits, const u64* draw, Rows rows");

    /// <summary>Gives the fake device what the kernels do.</summary>
    public static void Install(FakeDriver driver)
    {
        driver.Kernels["lookup"] = p =>
        {
            for (var i = 0; i < Int(p[3]); i++)
                Floats(p[2])[i] = Floats(p[1])[Ints(p[0])[i]];
        };
        driver.Kernels["distance"] = p =>
        {
            var sum = 0f;
            for (var i = 0; i < Int(p[6]); i++)
            {
                var distance = Floats(p[0])[i] - Ints(p[1])[i];
                Floats(p[3])[i] = Ints(p[1])[i] < 0 ? 0 : distance * distance;
                sum += Floats(p[3])[i];
            }

            *Floats(p[4]) = sum * *Floats(p[2]);
            *Floats(p[5]) = 0.25f;
        };
        driver.Kernels["gradient"] = p =>
        {
            for (var i = 0; i < Int(p[5]); i++)
                if (Ints(p[2])[i] >= 0)
                    Floats(p[4])[Ints(p[1])[i]] += 2 * (Floats(p[0])[i] - Ints(p[2])[i]) * *Floats(p[3]);
        };
        driver.Kernels["logits"] = p =>
        {
            for (var i = 0; i < Rows(p[2]) * CudaTable.Vocabulary; i++)
                Floats(p[1])[i] = Floats(p[0])[i / CudaTable.Vocabulary] + i % CudaTable.Vocabulary;
        };
        driver.Kernels["enter"] = p =>
        {
            for (var i = 0; i < Rows(p[7]); i++)
            {
                Ints(p[2])[Ints(p[1])[i]]++;
                Ints(p[6])[i] = *Ints(p[4]) != 0 ? Ints(p[5])[i] : Ints(p[0])[i] % 2;
                Ints(p[3])[Ints(p[1])[i]] += Ints(p[6])[i];
            }
        };
        driver.Kernels["wanted"] = p =>
        {
            for (var i = 0; i < Rows(p[7]); i++)
            {
                var row = Ints(p[3])[i];
                var logits = Floats(p[5]) + i * CudaTable.Vocabulary;
                new Span<float>(logits, CudaTable.Vocabulary).Fill(-1);
                (logits[0], logits[1], logits[2], logits[3]) = (Ints(p[0])[row], Ints(p[1])[row], Ints(p[2])[row], Ints(p[4])[Ints(p[1])[row]]);
                logits[4] = **(ulong**)p[6];
            }
        };
        InstallUpdate(driver);
        InstallChoice(driver);
        driver.Kernels["carry_call"] = p => new Span<uint>(*(uint**)p[0], *(int*)p[2]).CopyTo(new Span<uint>(*(uint**)p[1], *(int*)p[2]));
        driver.Kernels["restart_sequences"] = p =>
        {
            for (var i = 0; i < Rows(p[5]); i++)
                for (var layer = 0; layer < Int(p[3]) && Ints(p[0])[i] == 0; layer++)
                    Ints(p[2])[layer * Int(p[4]) + Ints(p[1])[i]] = 0;
        };
    }

    /// <summary>Chooses by the CPU's picker, from the settings as the device is sent them.</summary>
    private static void InstallChoice(FakeDriver driver) => driver.Kernels[$"choose_of_{CudaTable.Vocabulary}"] = p =>
    {
        for (var i = 0; i < Rows(p[6]); i++)
        {
            var sequence = Ints(p[1])[i];
            var settings = (float*)((byte*)*(void**)p[2] + 32 * sequence);
            var options = new SamplingOptions(settings[0], ((int*)settings)[1], settings[2], settings[3], ((ulong*)settings)[2]);
            var seen = *(uint**)p[4] + sequence;
            var picker = new ModGen.Sampling.TokenPicker(CudaTable.Vocabulary);
            for (var token = 0; token < CudaTable.Vocabulary; token++)
                if ((*seen >> token & 1) != 0)
                    picker.See(token);
            var logits = new Span<float>(Floats(p[0]) + i * CudaTable.Vocabulary, CudaTable.Vocabulary);
            var finite = logits.ToArray().Any(float.IsFinite);
            Ints(p[5])[i] = finite ? picker.Pick(logits, options, ((int*)settings)[6], Ints(p[3])[sequence]) : -1;
            if (finite)
                *seen |= 1u << Ints(p[5])[i];
        }
    };

    private static void InstallUpdate(FakeDriver driver)
    {
        driver.Kernels["gradient_norm"] = p =>
        {
            var sum = 0.0;
            for (var i = 0L; i < Long(p[1]); i++)
                sum += (double)Floats(p[0])[i] * Floats(p[0])[i];
            *Floats(p[4]) = (float)Math.Sqrt(sum);
        };
        driver.Kernels["note_loss"] = p => *Floats(p[1]) += *Floats(p[0]);
        driver.Kernels["guard_norm"] = p =>
        {
            if (!float.IsFinite(*Floats(p[1])))
                *Floats(p[0]) = *Floats(p[1]);
            else
                *Floats(p[1]) = float.IsFinite(*Floats(p[0])) ? 0 : *Floats(p[0]);
        };
        driver.Kernels["adamw_step"] = p =>
        {
            float* w = Floats(p[0]), m = Floats(p[1]), v = Floats(p[2]), g = Floats(p[3]), step = Floats(p[9]);
            var copy = *(ushort**)p[4];
            var norm = *Floats(p[10]);
            if (!float.IsFinite(norm))
                return;
            var scale = step[7] * (norm > step[8] ? step[8] / norm : 1);
            for (var i = 0L; i < Long(p[5]); i++)
            {
                var run = 0;
                while ((*(long**)p[6])[run] <= i && run < Int(p[7]) - 1)
                    run++;
                var decay = (run % 2 == 0) == (Int(p[8]) != 0) ? step[4] : 0;
                m[i] += (1 - step[1]) * (scale * g[i] - m[i]);
                v[i] += (1 - step[2]) * (scale * g[i] * scale * g[i] - v[i]);
                w[i] -= step[0] * (m[i] / step[5] / (MathF.Sqrt(v[i] / step[6]) + step[3]) + decay * w[i]);
                if (copy is not null)
                    copy[i] = BFloat16.Round(w[i]);
            }
        };
    }

    private static Kernel Of(string name, string parameters) => new(name, "prelude", 32, $"extern \"C\" __global__ void {name}({parameters}) {{ }}");

    private static float* Floats(void* parameter) => *(float**)parameter;

    private static int* Ints(void* parameter) => *(int**)parameter;

    private static int Int(void* parameter) => *(int*)parameter;

    private static long Long(void* parameter) => *(long*)parameter;

    private static int Rows(void* parameter)
    {
        var counted = *(int**)parameter;
        var most = ((int*)parameter)[2];
        return counted is null ? most : Math.Min(*counted, most);
    }
}
