using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Spectre.Console;

namespace ModGen.Hosting.Output;

/// <summary>
/// What a verb says. For people: lines and tables on standard output. With <c>--json</c>: one object a line on standard
/// output and nothing else there.
/// </summary>
internal sealed class VerbOutput(AppConsole console, bool json)
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    public bool IsJson => json;

    /// <summary>True when a live display may be drawn.</summary>
    public bool IsLive => console.IsTerminal && !json;

    public bool IsTerminal => console.IsTerminal;

    public TextWriter Out => console.Out;

    public TextReader? In => console.In;

    public IAnsiConsole Ansi => console.Ansi;

    /// <summary>A line for people.</summary>
    public void Note(string line) => (json ? console.Error : console.Out).WriteLine(line);

    /// <summary>A line for people that belongs to no output: what takes so long.</summary>
    public void Aside(string line) => console.Error.WriteLine(line);

    /// <summary>A line for people about something that is not as they may think.</summary>
    public void Warn(string line) => console.Error.WriteLine($"warning: {line}");

    /// <summary>One object on a line of its own: <c>event</c> first, then the value's properties, names and choices in snake case. Only with <c>--json</c>.</summary>
    public void Emit<T>(string name, T value)
    {
        if (!json)
            return;
        var line = JsonSerializer.SerializeToNode(value, Options)!.AsObject();
        line.Insert(0, "event", JsonValue.Create(name));
        console.Out.WriteLine(line.ToJsonString(Options));
        console.Out.Flush();
    }

    /// <summary>A table; not with <c>--json</c>.</summary>
    public void Write(Table table)
    {
        if (!json)
            console.Ansi.Write(table);
    }
}
