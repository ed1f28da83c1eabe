using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace ModGen.Hosting.Commands;

/// <summary>Makes options whose values are read in the invariant culture and checked against a rule that the error names.</summary>
internal static class Options
{
    /// <summary>A number with a default.</summary>
    public static Option<T> Number<T>(string name, string description, T fallback, Func<T, bool> isValid, string rule)
        where T : struct, INumber<T> =>
        new(name)
        {
            Description = description,
            HelpName = "N",
            DefaultValueFactory = _ => fallback,
            CustomParser = result => Parse(name, result, isValid, rule) ?? fallback,
        };

    /// <summary>A number that need not be given.</summary>
    public static Option<T?> OptionalNumber<T>(string name, string description, Func<T, bool> isValid, string rule)
        where T : struct, INumber<T> =>
        new(name)
        {
            Description = description,
            HelpName = "N",
            CustomParser = result => Parse(name, result, isValid, rule),
        };

    /// <summary>A text that need not be given.</summary>
    public static Option<string?> Text(string name, string description, string helpName) =>
        new(name) { Description = description, HelpName = helpName };

    /// <summary>A path that need not be given, but may not be empty.</summary>
    public static Option<string?> Path(string name, string description, string helpName)
    {
        var option = Text(name, description, helpName);
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && string.IsNullOrWhiteSpace(result.Tokens[0].Value))
                result.AddError($"{name} is empty; give a path.");
        });
        return option;
    }

    /// <summary>A switch.</summary>
    public static Option<bool> Flag(string name, string description) => new(name) { Description = description };

    /// <summary>True when the user wrote the option; false when its value is the default.</summary>
    public static bool IsGiven(this ParseResult arguments, Option option) => arguments.GetResult(option) is { Implicit: false };

    private static T? Parse<T>(string name, ArgumentResult result, Func<T, bool> isValid, string rule)
        where T : struct, INumber<T>
    {
        var text = result.Tokens.Count > 0 ? result.Tokens[0].Value : "";
        if (T.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && isValid(value))
            return value;
        result.AddError($"{name} is '{text}'; it must be {rule}.");
        return null;
    }
}
