using System.Collections.Generic;

namespace ModGen.Compiler.Spec;

/// <summary>Names that the generated part declares, or calls on the class: no member of the user's can have one.</summary>
public static class GeneratedNames
{
    private static readonly HashSet<string> Declared = new()
    {
        "Vocabulary", "Width", "Layers", "Heads", "KeyValueHeads", "HeadWidth", "FeedForward", "Context", "Info", "Create", "Details",
        "CreateTrainingProgram", "CreateInferenceProgram", "CpuTraining", "CpuInference", "CudaKernels", "CudaTraining", "CudaInference",
        "CreateParameters", "AddDenseBlock", "AddRoutedBlock", "DescribeLayers", "KindOf",
    };

    // A type of this name is what var means wherever it is in scope.
    private const string Var = "var";

    // Inherited, and named in generated code, which a member of the user's would hide.
    private static readonly HashSet<string> Inherited = new() { "Device" };

    /// <summary>True when a member of the user's cannot have the name.</summary>
    public static bool IsTaken(string member) => Declared.Contains(member) || Inherited.Contains(member);

    /// <summary>True when the class itself cannot have the name: C# forbids a member named as its class.</summary>
    public static bool IsTakenForClass(string name) => Declared.Contains(name) || name == Var;
}
