using ModGen.Compiler.Graph;
using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Emit.CSharp;

/// <summary>Where values lie on the CPU.</summary>
internal static class CpuPlaces
{
    /// <summary>The span of a parameter or of its gradient; null for anything else.</summary>
    public static string? Parameter(ParameterLayout layout, SectionPlan section, Storage storage, Value value)
    {
        var arena = storage.Kind switch { StorageKind.Parameter => "Weights", StorageKind.ParameterGradient => "Gradients", _ => null };
        return arena is null ? null : $"{arena}.Span({SourceFile.ParameterOffset(layout, section, storage, value)}, {Literal.Of(storage.Length)})";
    }
}
