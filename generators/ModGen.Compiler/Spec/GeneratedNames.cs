using System.Collections.Generic;

namespace ModGen.Compiler.Spec;

/// <summary>Names that the generated part declares or inherits: neither the class nor a member of the user's can have one.</summary>
public static class GeneratedNames
{
    private static readonly HashSet<string> Members = new()
    {
        // Declared by the generated part.
        "Vocabulary", "Width", "Layers", "Heads", "KeyValueHeads", "HeadWidth", "FeedForward", "Context", "Info", "Create",
        "Details", "Training", "Inference", "CreateTrainingProgram", "CreateInferenceProgram",
        // Inherited, and called on the class.
        "Device", "Description", "Parameters", "Weights", "Dispose", "CreateTrainer", "CreateSampler",
    };

    /// <summary>True when the generated part needs the name for itself.</summary>
    public static bool IsTaken(string name) => Members.Contains(name);
}
