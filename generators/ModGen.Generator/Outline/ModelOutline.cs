using ModGen.Compiler.Spec;

namespace ModGen.Generator.Outline;

/// <summary>
/// What stands in for a class whose declaration has errors: the members that user code refers to, so that one mistake in
/// the declaration gives one error and not one at every use.
/// </summary>
/// <param name="Type">The class.</param>
/// <param name="Class">How it is written: what it has of its own is left out.</param>
/// <param name="Decoder">The numbers, as far as given.</param>
/// <param name="Reason">What the members throw, should the build go on in spite of the errors.</param>
internal sealed record ModelOutline(TypeIdentity Type, ClassFacts Class, DecoderArguments Decoder, string Reason)
{
    /// <summary>The outline of a declaration that is not valid.</summary>
    public static ModelOutline Of(DecoderDeclaration declaration) => new(
        declaration.Type, declaration.Class, declaration.Decoder,
        $"The declaration of {declaration.Type.FullName} has errors; build with analyzers on to see them.");

    /// <summary>The outline of a valid declaration that the compiler failed on.</summary>
    public static ModelOutline Of(ModelSpec spec, string failure) => new(
        spec.Type, ClassFacts.Suitable,
        new()
        {
            Vocabulary = spec.Vocabulary, Width = spec.Width, Layers = spec.Layers, Heads = spec.Heads, Context = spec.Context,
            KeyValueHeads = spec.KeyValueHeads, HeadWidth = spec.HeadWidth, FeedForward = spec.FeedForward,
        },
        $"ModGen could not compile {spec.Type.FullName}: {failure}");

    /// <summary>True when a second part of the class can be written that adds no error of its own but a missing 'partial'.</summary>
    public static bool CanExtend(ClassFacts facts) => facts is
    {
        IsRecord: false, IsStatic: false, IsFileLocal: false, IsGeneric: false, ContainingType: null,
        OldLanguageVersion: null, MissingRuntimeType: null,
    };
}
