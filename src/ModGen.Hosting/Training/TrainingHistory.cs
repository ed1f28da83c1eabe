using System.Globalization;

namespace ModGen.Hosting.Training;

/// <summary>One step's loss, and the validation loss where it was measured.</summary>
internal readonly record struct HistoryPoint(long Step, double Loss, double? Validation);

/// <summary>
/// The losses of a run, kept in <c>losses.csv</c> beside the checkpoints so that reports can draw the whole run. What
/// lies behind the checkpoint that a run resumes from is dropped.
/// </summary>
internal sealed class TrainingHistory
{
    private const string FileName = "losses.csv";
    private const string Header = "step,loss,validation";
    private readonly List<HistoryPoint> _points = [];
    private int _written;

    public IReadOnlyList<HistoryPoint> Points => _points;

    /// <summary>Reads a run's losses up to a step; lines that are cut off or foreign are passed over.</summary>
    public static TrainingHistory Load(string root, long lastStep)
    {
        var history = new TrainingHistory();
        var path = Path.Combine(root, FileName);
        if (!File.Exists(path))
            return history;
        foreach (var line in File.ReadLines(path))
            if (Parse(line) is { } point && point.Step <= lastStep)
                history.Take(point);
        return history;
    }

    public void Add(long step, double loss) => _points.Add(new HistoryPoint(step, loss, null));

    /// <summary>Notes the validation loss of the newest step; a line that is in the file already is written again.</summary>
    public void AddValidation(double loss)
    {
        if (_points.Count == 0)
            return;
        _points[^1] = _points[^1] with { Validation = loss };
        _written = Math.Min(_written, _points.Count - 1);
    }

    /// <summary>Brings the file up to date: whole the first time, then only what is new.</summary>
    public void Save(string root)
    {
        Directory.CreateDirectory(root);
        var path = Path.Combine(root, FileName);
        if (_written == 0)
            File.WriteAllText(path, Header + "\n");
        File.AppendAllLines(path, _points.Skip(_written).Select(Line));
        _written = _points.Count;
    }

    /// <summary>The last line of a step counts.</summary>
    private void Take(HistoryPoint point)
    {
        if (_points.Count > 0 && _points[^1].Step == point.Step)
            _points[^1] = point;
        else if (_points.Count == 0 || _points[^1].Step < point.Step)
            _points.Add(point);
    }

    private static string Line(HistoryPoint point) => string.Create(
        CultureInfo.InvariantCulture, $"{point.Step},{point.Loss:R},{(point.Validation is { } validation ? validation.ToString("R", CultureInfo.InvariantCulture) : "")}");

    private static HistoryPoint? Parse(string line)
    {
        var fields = line.Split(',');
        return fields.Length == 3
            && long.TryParse(fields[0], NumberStyles.None, CultureInfo.InvariantCulture, out var step)
            && double.TryParse(fields[1], NumberStyles.Float, CultureInfo.InvariantCulture, out var loss)
            && double.IsFinite(loss)
            ? new HistoryPoint(step, loss, double.TryParse(fields[2], NumberStyles.Float, CultureInfo.InvariantCulture, out var validation) ? validation : null)
            : null;
    }
}
