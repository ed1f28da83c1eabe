using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Json;
using ModGen.Cpu;

namespace ModGen.Benchmarks;

/// <summary>Times things in turn, prints a table as it goes and keeps the figures as JSON.</summary>
internal sealed class Report(Options options)
{
    /// <summary>Rounds measured at the least.</summary>
    public const int LeastRounds = 5;

    private const int Warmups = 3;
    private const double SecondsEach = 0.25;
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };
    private readonly List<Dictionary<string, object>> _rows = [];

    public int Threads => options.Threads;

    public bool Wants(string name) => options.Only is null || name.Contains(options.Only, StringComparison.Ordinal);

    /// <summary>
    /// The best time of each action. On one thread they are measured alternately, so that what disturbs the machine
    /// disturbs all alike. On several each has its own turn after a pause: OpenBLAS's threads keep spinning for tens of
    /// milliseconds after a product and would take a processor from whatever comes next.
    /// </summary>
    public double[] Seconds(params Action[] actions) => Seconds(LeastRounds, actions);

    /// <summary>As <see cref="Seconds(Action[])"/>, with at least so many rounds.</summary>
    public double[] Seconds(int rounds, params Action[] actions)
    {
        var best = new double[actions.Length];
        Array.Fill(best, double.MaxValue);
        if (options.Threads == 1)
        {
            Measure(rounds, actions, best);
            return best;
        }

        for (var i = 0; i < actions.Length; i++)
        {
            Thread.Sleep(100);
            Measure(rounds, actions.AsSpan(i, 1), best.AsSpan(i, 1));
        }

        return best;
    }

    private void Measure(int rounds, ReadOnlySpan<Action> actions, Span<double> best)
    {
        for (var i = 0; i < Warmups * actions.Length; i++)
            actions[i % actions.Length]();
        var watch = Stopwatch.StartNew();
        for (var round = 0; round < rounds || watch.Elapsed.TotalSeconds < SecondsEach * actions.Length; round++)
        {
            for (var i = 0; i < actions.Length; i++)
            {
                var start = Now();
                actions[i]();
                best[i] = Math.Min(best[i], Now() - start);
            }
        }
    }

    // One thread is timed by its own clock, several by the wall.
    private double Now() => options.Threads == 1 ? CpuClock.Seconds() : Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;

    public void Add(string name, params (string Key, object Value)[] figures)
    {
        var row = new Dictionary<string, object> { ["name"] = name };
        foreach (var (key, value) in figures)
            row[key] = value is double d ? Math.Round(d, 4) : value;
        _rows.Add(row);
        Console.WriteLine($"{name,-34} {string.Join("  ", figures.Select(f => f.Value is double d ? $"{f.Key} {d,8:0.000}" : $"{f.Key} {f.Value}"))}");
    }

    public void Save()
    {
        if (options.Json is null)
            return;
        var document = new Dictionary<string, object>
        {
            ["verb"] = options.Verb,
            ["machine"] = Processor(),
            ["commit"] = Commit(),
            ["openBlas"] = OpenBlas.Kernel ?? "not installed",
            ["threads"] = options.Threads,
            ["vectorBits"] = CpuWorkers.VectorBits,
            ["processors"] = Environment.ProcessorCount,
            ["runtime"] = RuntimeInformation.FrameworkDescription,
            ["rows"] = _rows,
        };
        File.WriteAllText(options.Json, JsonSerializer.Serialize(document, Indented) + "\n");
    }

    private static string Processor()
    {
        const string CpuInfo = "/proc/cpuinfo";
        var model = File.Exists(CpuInfo) ? File.ReadLines(CpuInfo).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal)) : null;
        return model?[(model.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }

    /// <summary>The commit that was built, as the SDK writes it behind the version.</summary>
    public static string Commit() =>
        typeof(Report).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+') is [_, var commit] ? commit : "unknown";
}
