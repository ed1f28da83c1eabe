using System.Globalization;
using ModGen.Cpu;
using ModGen.Programs;

namespace ModGen;

/// <summary>Finds out where non-finite numbers came from.</summary>
internal static class Divergence
{
    private const int PieceLength = 1 << 16;

    /// <summary>The exception that names the first tensor with a non-finite value: a weight before any gradient.</summary>
    public static TrainingDivergedException Found(DecoderModel model, TrainingProgram program, long step, string symptom)
    {
        var (what, parameter, element, value) = First(model.Parameters, "weight", model.Weights.Read)
            ?? First(model.Parameters, "gradient", (offset, values) => program.Read(TrainingState.Gradients, offset, values))
            ?? default;
        var place = parameter is null
            ? "all weights and gradients are finite, so an activation left the range of float32"
            : string.Create(CultureInfo.InvariantCulture, $"the first non-finite value is in the {what} of {parameter.Name}, element {element}: {value}");
        return new TrainingDivergedException(
            $"Training diverged at step {step}: {symptom}; {place}. The parameters are as before the step; lower the learning rate, lengthen the warm-up, or clip at a smaller norm.",
            step, parameter?.Name);
    }

    private static (string What, Parameter Parameter, long Element, float Value)? First(ParameterTable table, string what, ReadPiece read)
    {
        var buffer = new float[PieceLength];
        foreach (var parameter in table.Parameters)
        {
            for (var start = 0; start < parameter.Length; start += PieceLength)
            {
                var values = buffer.AsSpan(0, Math.Min(PieceLength, parameter.Length - start));
                read(parameter.Offset + start, values);
                var index = Reduction.FirstNonFinite(values);
                if (index >= 0)
                    return (what, parameter, start + index, values[index]);
            }
        }

        return null;
    }

    private delegate void ReadPiece(long offset, Span<float> values);
}
