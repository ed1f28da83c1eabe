using ModGen.Compiler.Spec;
using ModGen.Generator.Outline;
using ModGen.Generator.Reading;

namespace ModGen.Generator;

/// <summary>One class as the pipeline carries it: a valid specification, or the outline of an invalid one.</summary>
internal sealed record DeclaredModel(TypeIdentity Type, ModelSpec? Spec, ModelOutline? Outline)
{
    /// <summary>Null where nothing that the generator could write would compile.</summary>
    public static DeclaredModel? From(DeclarationReading reading)
    {
        var declaration = reading.Declaration;
        if (reading.IsReadable)
        {
            var validation = SpecValidator.Validate(declaration);
            if (validation.Spec is { } spec)
                return new(declaration.Type, spec, Outline: null);
        }
        return ModelOutline.CanExtend(declaration.Class) ? new(declaration.Type, Spec: null, ModelOutline.Of(declaration)) : null;
    }
}
