using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>Where values lie on a GPU.</summary>
internal static class CudaPlaces
{
    /// <summary>The pointer to a parameter or to its gradient; null for anything else. Matrix products read the operands' copy of the weights.</summary>
    public static string? Parameter(ParameterLayout layout, SectionPlan section, Storage storage, Value value)
    {
        var arena = storage.Kind switch
        {
            StorageKind.Parameter => IsMatrixOperand(section, value) ? "WeightOperands" : "Weights",
            StorageKind.ParameterGradient => "Gradients",
            _ => null,
        };
        return arena is null ? null : $"{arena}({SourceFile.ParameterOffset(layout, section, storage, value)})";
    }

    /// <summary>The pointer to an activation at an offset of its arena.</summary>
    public static string Activation(Storage storage, TensorType type, string offset) =>
        (storage.Precision == Precision.Operand ? "Operands" : type.Element == ElementType.Int32 ? "Integers" : "Floats") + $"({offset})";

    /// <summary>An offset behind the start of a region: <c>Scratch + 128</c>.</summary>
    public static string Behind(string start, long offset) => offset == 0 ? start : start == "0" ? Literal.Of(offset) : $"{start} + {Literal.Of(offset)}";

    private static bool IsMatrixOperand(SectionPlan section, Value parameter) =>
        section.Graph.Uses(parameter).Any(n => n.Op is Linear or LinearInputGradient && n.Inputs[1] == parameter);
}
