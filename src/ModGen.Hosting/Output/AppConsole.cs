using Spectre.Console;

namespace ModGen.Hosting.Output;

/// <summary>Where a program reads and writes; tests give their own.</summary>
/// <param name="Out">Standard output.</param>
/// <param name="Error">Standard error.</param>
/// <param name="In">Standard input; null when it is a terminal, which nobody should have to type a prompt into unasked.</param>
/// <param name="IsTerminal">True when a person watches standard output.</param>
internal sealed record AppConsole(TextWriter Out, TextWriter Error, TextReader? In, bool IsTerminal)
{
    private const int PlainWidth = 120;

    /// <summary>Standard output for tables, colours and live displays; plain text when it is no terminal.</summary>
    public IAnsiConsole Ansi
    {
        get => field ??= CreateAnsi();
        init;
    }

    public static AppConsole OfProcess() =>
        new(Console.Out, Console.Error, Console.IsInputRedirected ? Console.In : null, !Console.IsOutputRedirected);

    private IAnsiConsole CreateAnsi()
    {
        if (IsTerminal)
            return AnsiConsole.Console;
        var ansi = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No,
            ColorSystem = ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(Out),
        });
        ansi.Profile.Width = PlainWidth;
        return ansi;
    }
}
