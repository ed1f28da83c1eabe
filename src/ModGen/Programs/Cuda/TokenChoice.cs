using System.Globalization;
using System.Runtime.InteropServices;
using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>
/// How tokens are chosen on a GPU: the settings of every sequence, which tokens it holds, and the launch that chooses from
/// logits by the rules of <see cref="Sampling.TokenPicker"/>.
/// </summary>
internal sealed class TokenChoice : IDisposable
{
    private readonly DeviceMemory _settings;
    private readonly DeviceMemory _seen;
    private readonly uint[] _marks;

    public TokenChoice(CudaContext context, ModelDescription model, int sequences)
    {
        _marks = new uint[(model.Vocabulary + 31) / 32];
        Kernel = KernelOf(model.Vocabulary);
        _settings = context.Allocate((long)Marshal.SizeOf<Settings>() * sequences, "sampling settings");
        try
        {
            _seen = context.Allocate((long)sizeof(uint) * _marks.Length * sequences, "tokens of the texts");
        }
        catch
        {
            _settings.Dispose();
            throw;
        }
    }

    /// <summary>One block a wanted row.</summary>
    public Kernel Kernel { get; }

    /// <summary>The kernel for a vocabulary.</summary>
    public static Kernel KernelOf(int vocabulary)
    {
        var size = vocabulary.ToString(CultureInfo.InvariantCulture);
        return new Kernel($"choose_of_{size}", "prelude vectors routing sampling_rows sampling_weights sampling_head sampling_search sample_tokens", 512, $$"""
            // logits (rows, {{size}}) are used up; chosen (rows).
            extern "C" __global__ void __launch_bounds__(512, 1) choose_of_{{size}}(
                float* logits, const int* sequences, const SamplingSettings* settings, const int* counts, u32* seen, int* chosen, Rows rows) {
                sample_tokens<{{size}}>(logits, sequences, settings, counts, seen, chosen, rows);
            }
            """);
    }

    /// <summary>Sends the settings of a text that begins, and the tokens that it begins with.</summary>
    public void Begin(CudaStream stream, int sequence, ReadOnlySpan<int> prompt, SamplingOptions options, int row)
    {
        var settings = new Settings(options.Temperature, options.TopK, options.TopP, options.RepetitionPenalty, options.Seed, row);
        stream.Upload<Settings>(_settings.Pointer + (long)Marshal.SizeOf<Settings>() * sequence, [settings]);
        Array.Clear(_marks);
        foreach (var token in prompt)
            _marks[token / 32] |= 1u << (token % 32);
        stream.Upload<uint>(_seen.Pointer + (long)sizeof(uint) * _marks.Length * sequence, _marks);
    }

    /// <summary>Appends the launch that chooses from the logits of a call.</summary>
    public void Append(LaunchWriter writer, CallBuffers call, DevicePointer logits) => writer.Launch(
        Kernel, call.Most, [logits, call.WantedSequences, _settings.Pointer, call.Lengths, _seen.Pointer, call.Chosen, new RowCount(call.Most, call.WantedCount)]);

    public void Dispose()
    {
        _seen.Dispose();
        _settings.Dispose();
    }

    /// <summary>SamplingSettings of sampling_rows.cuh.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Settings(float Temperature, int TopK, float TopP, float RepetitionPenalty, ulong Seed, int Row);
}
