namespace ModGen.Compiler.Spec;

/// <summary>
/// What the user wrote, before anything is checked: the arguments of the attributes, null where not given, and the facts
/// about the class that decide whether it can be a model. <see cref="SpecValidator"/> makes a <see cref="ModelSpec"/> of it.
/// </summary>
/// <param name="Type">The class that carries the attributes.</param>
/// <param name="Class">How the class is written and what surrounds it.</param>
/// <param name="Decoder">Arguments of <c>[Decoder]</c>.</param>
/// <param name="MixtureOfDepths">Arguments of <c>[MixtureOfDepths]</c>; null without the attribute.</param>
public sealed record DecoderDeclaration(
    TypeIdentity Type, ClassFacts Class, DecoderArguments Decoder, MixtureOfDepthsArguments? MixtureOfDepths);

/// <summary>Arguments of <c>[Decoder]</c> as written; null for one that is not given.</summary>
public sealed record DecoderArguments
{
    public int? Vocabulary { get; init; }

    public int? Width { get; init; }

    public int? Layers { get; init; }

    public int? Heads { get; init; }

    public int? KeyValueHeads { get; init; }

    public int? HeadWidth { get; init; }

    public int? FeedForward { get; init; }

    public int? Context { get; init; }

    public bool? TiedHead { get; init; }

    public double? RotaryBase { get; init; }

    public double? NormEpsilon { get; init; }
}

/// <summary>Arguments of <c>[MixtureOfDepths]</c> as written; null for one that is not given. Enums are their numbers.</summary>
public sealed record MixtureOfDepthsArguments
{
    public double? Capacity { get; init; }

    public int? Tokens { get; init; }

    public int? Every { get; init; }

    public int? First { get; init; }

    public EquatableArray<int>? Layers { get; init; }

    public int? Routing { get; init; }

    public int? Gate { get; init; }

    public double? AuxiliaryWeight { get; init; }

    public int? Predictor { get; init; }
}

/// <summary>How the class is written, as far as it decides whether a generated part can be added to it.</summary>
public sealed record ClassFacts
{
    /// <summary>A plain, partial, top-level class in a project that has all it needs.</summary>
    public static ClassFacts Suitable { get; } = new() { IsPartial = true };

    public bool IsPartial { get; init; }

    public bool IsRecord { get; init; }

    public bool IsStatic { get; init; }

    public bool IsAbstract { get; init; }

    public bool IsFileLocal { get; init; }

    public bool IsGeneric { get; init; }

    /// <summary>The type that it is nested in, or null.</summary>
    public string? ContainingType { get; init; }

    /// <summary>The base class that the user gave it, or null; the base that the generated part names does not count.</summary>
    public string? BaseClass { get; init; }

    /// <summary>Members of the user's whose names the generated part needs: see <see cref="GeneratedNames"/>.</summary>
    public EquatableArray<string> ClashingMembers { get; init; }

    /// <summary>The project's C# version when generated code needs a newer one, or null.</summary>
    public string? OldLanguageVersion { get; init; }

    /// <summary>The first type that generated code calls and that no reference of the project has, or null.</summary>
    public string? MissingRuntimeType { get; init; }
}
