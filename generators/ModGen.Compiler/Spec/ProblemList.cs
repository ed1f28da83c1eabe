using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;

namespace ModGen.Compiler.Spec;

/// <summary>Gathers the problems of one part of a declaration.</summary>
internal sealed class ProblemList
{
    private readonly List<SpecProblem> _problems = new();

    public bool HasErrors { get; private set; }

    public EquatableArray<SpecProblem> ToArray() => _problems.ToEquatableArray();

    public void Add(string rule, DeclarationPart part, string? argument, params object[] messageArguments) =>
        AddElement(rule, part, argument, element: null, messageArguments);

    /// <summary>A problem of one argument that other values of it would mend.</summary>
    public void AddMendable(string rule, DeclarationPart part, string argument, int[] mends, params object[] messageArguments)
    {
        Add(rule, part, argument, messageArguments);
        _problems[_problems.Count - 1] = _problems[_problems.Count - 1] with { Mends = mends.ToEquatableArray() };
    }

    public void AddElement(string rule, DeclarationPart part, string? argument, int? element, params object[] messageArguments)
    {
        HasErrors |= !SpecRules.IsWarning(rule);
        _problems.Add(new(rule, part, argument, element, messageArguments.Select(Text).ToEquatableArray()));
    }

    /// <summary>True when the value lies in the range; otherwise a problem is noted.</summary>
    public bool InRange(DeclarationPart part, string argument, int value, int least, int most, string why = "")
    {
        if (value >= least && value <= most)
            return true;
        Add(SpecRules.OutOfRange, part, argument, argument, value, $"{Text(least)} … {Text(most)}{why}");
        return false;
    }

    /// <summary>As above, for numbers that may be NaN, which is in no range.</summary>
    public bool InRange(DeclarationPart part, string argument, double value, double least, double most, bool openBelow = false)
    {
        if ((openBelow ? value > least : value >= least) && value <= most)
            return true;
        var range = openBelow ? $"above {Text(least)}, at most {Text(most)}" : $"{Text(least)} … {Text(most)}";
        Add(SpecRules.OutOfRange, part, argument, argument, value, range);
        return false;
    }

    private static string Text(object value) => value is double number
        ? number.ToString("R", CultureInfo.InvariantCulture)
        : Convert.ToString(value, CultureInfo.InvariantCulture);
}
