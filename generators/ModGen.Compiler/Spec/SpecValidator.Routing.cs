using System;
using System.Collections.Generic;
using System.Linq;

namespace ModGen.Compiler.Spec;

public static partial class SpecValidator
{
    private const DeclarationPart Depths = DeclarationPart.MixtureOfDepths;

    // In the order of the attribute's enums, which is that of RoutingKind and GateKind.
    private static readonly string[] Routings = { "Learned", "Random" };
    private static readonly string[] Gates = { "Identity", "Sigmoid", "Tanh" };

    private static EquatableArray<BlockSpec> ReadBlocks(DecoderDeclaration declaration, in Sizes sizes, ProblemList problems)
    {
        if (declaration.MixtureOfDepths is not { } depths)
            return Enumerable.Repeat(BlockSpec.Dense, sizes.Layers).ToEquatableArray();
        var routing = ReadRouting(depths, sizes.Context, problems);
        var routed = ReadRoutedLayers(depths, sizes.Layers, problems);
        return Enumerable.Range(0, sizes.Layers)
            .Select(layer => routed.Contains(layer) ? new BlockSpec(routing) : BlockSpec.Dense)
            .ToEquatableArray();
    }

    private static RoutingSpec ReadRouting(MixtureOfDepthsArguments depths, int context, ProblemList problems)
    {
        var tokens = ReadCapacity(depths, context, problems);
        var kind = (RoutingKind)ReadEnum("Routing", depths.Routing, Routings, problems);
        var gate = (GateKind)ReadEnum("Gate", depths.Gate, Gates, problems);
        var weightSound = depths.AuxiliaryWeight is not { } weight
            || problems.InRange(Depths, "AuxiliaryWeight", weight, 0, SpecLimits.AuxiliaryWeight);
        var predictorSound = depths.Predictor is not { } width || CheckPredictor(width, context, problems);
        var predictor = depths.Predictor ?? 0;
        if (kind == RoutingKind.Random)
        {
            if (weightSound && predictorSound)
                CheckRandom(depths, problems);
            return new(kind, tokens, GateKind.One, AuxiliaryWeight: 0, PredictorWidth: 0);
        }
        // Either scheme makes sampling causal; who asks for the predictor alone does not get a loss on the router beside it.
        var auxiliary = depths.AuxiliaryWeight ?? (predictor > 0 ? 0 : SpecDefaults.AuxiliaryWeight);
        if (weightSound && predictorSound && auxiliary == 0 && predictor == 0)
            problems.Add(SpecRules.NoCausalDecision, Depths, "AuxiliaryWeight");
        return new(kind, tokens, gate, auxiliary, predictor);
    }

    private static bool CheckPredictor(int width, int context, ProblemList problems)
    {
        if (!problems.InRange(Depths, "Predictor", width, 0, SpecLimits.Predictor))
            return false;
        var elements = (long)width * context;
        if (elements <= SpecLimits.TensorElements)
            return true;
        problems.Add(
            SpecRules.TooLarge, Depths, "Predictor", "The predictor of one sequence (Context × Predictor)",
            $"{Number(context)} × {Number(width)} = {Number(elements)}");
        return false;
    }

    private static int ReadCapacity(MixtureOfDepthsArguments depths, int context, ProblemList problems)
    {
        if (depths.Tokens is not null && depths.Capacity is not null)
            problems.Add(SpecRules.CapacityTwice, Depths, "Tokens");
        else if (depths.Tokens is { } tokens)
            return problems.InRange(Depths, "Tokens", tokens, 1, context > 0 ? context : SpecLimits.Context, context > 0 ? " (Context)" : "") ? tokens : 0;
        else if (depths.Capacity is not { } capacity)
            problems.Add(SpecRules.NoCapacity, Depths, null);
        else if (problems.InRange(Depths, "Capacity", capacity, 0, 1, openBelow: true))
            return SpecDefaults.Tokens(capacity, context);
        return 0;
    }

    private static int ReadEnum(string argument, int? given, string[] names, ProblemList problems)
    {
        if (given is not { } value)
            return 0;
        if (value >= 0 && value < names.Length)
            return value;
        problems.Add(SpecRules.UnknownValue, Depths, argument, argument, value, string.Join(", ", names));
        return 0;
    }

    private static void CheckRandom(MixtureOfDepthsArguments depths, ProblemList problems)
    {
        if (depths.Gate is not null)
            problems.Add(SpecRules.RandomHasNoRouter, Depths, "Gate", "Gate");
        if (depths.AuxiliaryWeight is > 0)
            problems.Add(SpecRules.RandomHasNoRouter, Depths, "AuxiliaryWeight", "AuxiliaryWeight");
        if (depths.Predictor is > 0)
            problems.Add(SpecRules.RandomHasNoRouter, Depths, "Predictor", "Predictor");
    }

    private static HashSet<int> ReadRoutedLayers(MixtureOfDepthsArguments depths, int layers, ProblemList problems)
    {
        if (depths.Layers is { } listed)
            return ReadListedLayers(depths, listed, layers, problems);
        var every = depths.Every ?? SpecDefaults.Every;
        var soundEvery = problems.InRange(Depths, "Every", every, 1, SpecLimits.Layers);
        if (depths.First is { } given && !problems.InRange(Depths, "First", given, 0, SpecLimits.Layers - 1) || !soundEvery || layers == 0)
            return new();
        var first = depths.First ?? every - 1;
        if (first >= layers)
            problems.Add(
                SpecRules.NothingRouted, Depths, depths.First is not null ? "First" : depths.Every is not null ? "Every" : null,
                $"The first routed block would be {Number(first)}, and the last of Layers {Number(layers)} is {Number(layers - 1)}",
                $"give First from 0 to {Number(layers - 1)}");
        return new(Enumerable.Range(0, layers).Where(layer => layer >= first && (layer - first) % every == 0));
    }

    private static HashSet<int> ReadListedLayers(
        MixtureOfDepthsArguments depths, EquatableArray<int> listed, int layers, ProblemList problems)
    {
        if (depths.Every is not null)
            problems.Add(SpecRules.LayersTwice, Depths, "Every", "Every");
        if (depths.First is not null)
            problems.Add(SpecRules.LayersTwice, Depths, "First", "First");
        if (listed.Count == 0)
            problems.Add(SpecRules.NothingRouted, Depths, "Layers", "Layers is empty", "name at least one block, or remove the attribute for a dense model");
        var seen = new HashSet<int>();
        for (var i = 0; i < listed.Count; i++)
            if (listed[i] < 0 || layers > 0 && listed[i] >= layers)
                problems.AddElement(SpecRules.NoSuchLayer, Depths, "Layers", i, listed[i], Math.Max(layers, 1) - 1);
            else if (!seen.Add(listed[i]))
                problems.AddElement(SpecRules.DuplicateLayer, Depths, "Layers", i, listed[i]);
        return seen;
    }
}
