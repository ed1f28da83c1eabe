using System.Globalization;
using ModGen.Hosting.Output;
using ModGen.Programs;
using Spectre.Console;

namespace ModGen.Hosting.Commands;

/// <summary>The launches of a step as a table: equal ones in one row, the costliest first.</summary>
internal static class LaunchTable
{
    public static Table Of(IReadOnlyList<LaunchTime> launches)
    {
        var total = launches.Sum(launch => launch.Microseconds);
        var table = new Table().Border(TableBorder.Rounded)
            .AddColumn($"{string.Join(" and ", launches.Select(launch => launch.Pass).Distinct())}, {launches.Count} launches");
        foreach (var column in (ReadOnlySpan<string>)["times", "blocks", "µs each", "µs", "share", "FLOP/s", "bytes/s", "registers", "spilled"])
            table.AddColumn(new TableColumn(column).RightAligned());
        foreach (var group in launches.GroupBy(launch => (launch.Pass, launch.Name, launch.Blocks)).OrderByDescending(group => group.Sum(launch => launch.Microseconds)))
        {
            var (sum, first) = (group.Sum(launch => launch.Microseconds), group.First());
            var (flops, bytes) = (group.Sum(launch => launch.Flops), group.Sum(launch => launch.Bytes));
            Row(
                first.Name, Number(group.Count()), Number(first.Blocks), Microseconds(sum / group.Count()), Microseconds(sum), Units.Percent(sum / total),
                flops > 0 ? Units.FlopRate(flops / (sum * 1e-6)) : "", bytes > 0 ? Units.Bytes(bytes / (sum * 1e-6)) : "", first.Registers > 0 ? Number(first.Registers) : "", first.SpilledBytes > 0 ? Units.Bytes(first.SpilledBytes) : "");
        }

        Row("all", Number(launches.Count), "", "", Microseconds(total), "", "", "", "", "");
        return table;

        void Row(params ReadOnlySpan<string> cells)
        {
            var texts = new List<Text>();
            foreach (var cell in cells)
                texts.Add(new Text(cell));
            table.AddRow(texts);
        }
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Microseconds(double value) => value.ToString("F1", CultureInfo.InvariantCulture);
}
