using System;
using System.Linq;

namespace ModGen.Compiler.Spec;

/// <summary>
/// Checks a declaration against the rules of the language and makes the specification of it. Pure: the generator and the
/// analyzer both call it, and so agree. A check that needs several arguments runs when each of them is sound by itself, so
/// that one mistake is one problem.
/// </summary>
public static partial class SpecValidator
{
    /// <summary>Validates; the result has a specification exactly when no problem is an error.</summary>
    public static ValidationResult Validate(DecoderDeclaration declaration)
    {
        var problems = new ProblemList();
        CheckClass(declaration.Type, declaration.Class, problems);
        var sizes = ReadSizes(declaration.Decoder, problems);
        var blocks = ReadBlocks(declaration, sizes, problems);
        return new(problems.HasErrors ? null : ToSpec(declaration, sizes, blocks), problems.ToArray());
    }

    private static ModelSpec ToSpec(DecoderDeclaration declaration, Sizes sizes, EquatableArray<BlockSpec> blocks) => new(
        declaration.Type,
        sizes.Vocabulary,
        sizes.Width,
        sizes.Heads,
        sizes.KeyValueHeads,
        sizes.HeadWidth,
        sizes.FeedForward,
        sizes.Context,
        declaration.Decoder.TiedHead ?? false,
        declaration.Decoder.RotaryBase ?? SpecDefaults.RotaryBase,
        declaration.Decoder.NormEpsilon ?? SpecDefaults.NormEpsilon,
        blocks);

    private static void CheckClass(TypeIdentity type, ClassFacts facts, ProblemList problems)
    {
        if (Unsuitable(facts) is var (what, mend))
            problems.Add(SpecRules.UnsuitableClass, DeclarationPart.Class, null, type.Name, what, mend);
        else if (!facts.IsPartial)
            problems.Add(SpecRules.NotPartial, DeclarationPart.Class, null, type.Name);
        if (facts.BaseClass is { } baseClass)
            problems.Add(SpecRules.OwnBaseClass, DeclarationPart.BaseList, null, type.Name, baseClass);
        if (GeneratedNames.IsTakenForClass(type.Name))
            problems.Add(SpecRules.NameClash, DeclarationPart.Class, null, $"Class '{type.Name}'");
        foreach (var member in facts.ClashingMembers)
            problems.Add(SpecRules.NameClash, DeclarationPart.Member, member, $"'{type.Name}.{member}'");
        if (facts.OldLanguageVersion is { } version)
            problems.Add(SpecRules.OldLanguageVersion, DeclarationPart.Decoder, null, version, SpecDefaults.LanguageVersion);
        if (facts.MissingRuntimeType is { } missing)
            problems.Add(SpecRules.MissingRuntime, DeclarationPart.Decoder, null, missing);
    }

    private static (string What, string Mend)? Unsuitable(ClassFacts facts)
    {
        if (facts.ContainingType is { } containing)
            return ($"nested in '{containing}'", "move it out, directly into a namespace");
        if (facts.IsGeneric)
            return ("generic", "remove its type parameters");
        if (facts.IsFileLocal)
            return ("file-local", "remove 'file': the generated part is another file");
        if (facts.IsRecord)
            return ("a record", "write 'class': a model has identity and owns memory, and is no value");
        if (facts.IsStatic)
            return ("static", "remove 'static': a model is created with its parameters");
        if (facts.IsAbstract)
            return ("abstract", "remove 'abstract': the generated Create makes an instance");
        return null;
    }
}

/// <summary>Values that stand in for arguments that are not given.</summary>
public static class SpecDefaults
{
    public const double RotaryBase = 10000;
    public const double NormEpsilon = 1e-5;
    public const double AuxiliaryWeight = 0.01;
    public const int Every = 2;

    /// <summary>The oldest C# that generated code compiles as.</summary>
    public const string LanguageVersion = "12.0";

    /// <summary>8/3 of the width rounded up to a multiple of 32: three matrices then weigh what two of 4 × width would.</summary>
    public static int FeedForward(int width) => (int)((8L * width + 95) / 96 * 32);

    /// <summary>k of a sequence: ⌊capacity · length + ½⌋, at least 1 and at most the length.</summary>
    public static int Tokens(double capacity, int length) =>
        Math.Min(length, Math.Max(1, (int)Math.Floor(capacity * length + 0.5)));
}
