namespace ModGen.Compiler.Spec;

/// <summary>One broken rule: which, where, and the numbers for its message.</summary>
/// <param name="Rule">A constant of <see cref="SpecRules"/>.</param>
/// <param name="Part">The part of the declaration that is wrong.</param>
/// <param name="Argument">The attribute argument (or the member) that is wrong, or null when the part as a whole is.</param>
/// <param name="Element">The element of an array argument, or null.</param>
/// <param name="MessageArguments">What the rule's message format takes, formatted for any culture.</param>
public sealed record SpecProblem(
    string Rule, DeclarationPart Part, string? Argument, int? Element, EquatableArray<string> MessageArguments)
{
    /// <summary>Values of the argument that would mend it, best first; empty where a value alone would not.</summary>
    public EquatableArray<int> Mends { get; init; }
}

/// <summary>The parts of a declaration that a problem can lie in.</summary>
public enum DeclarationPart
{
    /// <summary>The class's name and modifiers.</summary>
    Class,

    /// <summary>The class's base list.</summary>
    BaseList,

    /// <summary>The user's member that the problem's argument names.</summary>
    Member,

    /// <summary>The <c>[Decoder]</c> attribute.</summary>
    Decoder,

    /// <summary>The <c>[MixtureOfDepths]</c> attribute.</summary>
    MixtureOfDepths,
}

/// <summary>Ids of the rules, as the IDE shows them. The messages live with the diagnostics.</summary>
public static class SpecRules
{
    public const string NotPartial = "MODGEN001";
    public const string UnsuitableClass = "MODGEN002";
    public const string OwnBaseClass = "MODGEN003";
    public const string OldLanguageVersion = "MODGEN004";
    public const string MissingRuntime = "MODGEN005";
    public const string NameClash = "MODGEN006";
    public const string Missing = "MODGEN010";
    public const string OutOfRange = "MODGEN011";
    public const string WidthNotDivisible = "MODGEN012";
    public const string OddHeadWidth = "MODGEN013";
    public const string KeyValueHeadsDoNotDivide = "MODGEN014";
    public const string TooLarge = "MODGEN015";
    public const string NoDecoder = "MODGEN020";
    public const string CapacityTwice = "MODGEN021";
    public const string NoCapacity = "MODGEN022";
    public const string LayersTwice = "MODGEN023";
    public const string NoSuchLayer = "MODGEN024";
    public const string DuplicateLayer = "MODGEN025";
    public const string NothingRouted = "MODGEN026";
    public const string RandomHasNoRouter = "MODGEN027";
    public const string NoCausalDecision = "MODGEN028";
    public const string UnknownValue = "MODGEN029";

    /// <summary>The compiler itself failed. No validation gives this one.</summary>
    public const string Internal = "MODGEN999";

    /// <summary>True for a rule that leaves the specification usable.</summary>
    public static bool IsWarning(string rule) => rule == NoCausalDecision;
}

/// <summary>What validation gives: the specification, unless an error stands against it, and the problems in order of discovery.</summary>
public sealed record ValidationResult(ModelSpec? Spec, EquatableArray<SpecProblem> Problems);

/// <summary>Names under which a diagnostic carries parts of its problem to the code fixes.</summary>
public static class ProblemProperties
{
    /// <summary>The argument that is wrong.</summary>
    public const string Argument = "Argument";

    /// <summary>Values that would mend it, between commas.</summary>
    public const string Mends = "Mends";
}
