using System.Text.Json;
using System.Text.Json.Serialization;

namespace ModGen.Hosting.Training;

/// <summary>
/// What decides a training run's numbers, kept in <c>run.json</c> beside the checkpoints so that a resumed run goes on
/// as it would have.
/// </summary>
internal sealed record TrainSettings
{
    private const string FileName = "run.json";
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true, Converters = { new JsonStringEnumConverter() } };

    /// <summary>Steps of the whole run; null while a run of so many minutes is still measuring its speed.</summary>
    public long? Steps { get; init; }

    /// <summary>Minutes that a run without a number of steps is to take.</summary>
    public double? Minutes { get; init; }

    /// <summary>Sequences a step.</summary>
    public required int Batch { get; init; }

    /// <summary>Micro-batches a step.</summary>
    public required int Accumulate { get; init; }

    public required float LearningRate { get; init; }

    /// <summary>Steps of warm-up.</summary>
    public required long WarmUp { get; init; }

    public required float WeightDecay { get; init; }

    public required float Clip { get; init; }

    public required ulong Seed { get; init; }

    /// <summary>Where it trains: another device rounds otherwise. Null in the settings of older versions.</summary>
    public DeviceChoice? Device { get; init; }

    /// <summary>Full path of the text; null for the SDK's documentation.</summary>
    public string? Data { get; init; }

    /// <summary>Bytes of the text: other data would make another run.</summary>
    public long DataLength { get; init; }

    /// <summary>True when the text need not be UTF-8.</summary>
    public bool AllowBytes { get; init; }

    [JsonIgnore]
    public AdamW Optimizer => new(LearningRate, WeightDecay: WeightDecay);

    /// <summary>Warm-up, then a cosine to a tenth at the last step, or a constant rate while that step is not known.</summary>
    [JsonIgnore]
    public LearningRateSchedule Schedule => new(WarmUp, Steps ?? 0);

    [JsonIgnore]
    public TrainingOptions TrainingOptions => new() { Accumulation = Accumulate, ClipNorm = Clip, Schedule = Schedule, Seed = Seed };

    /// <summary>Reads a run's settings; null when there are none.</summary>
    /// <exception cref="AppException">The file is no settings, or one of them has no meaning.</exception>
    public static TrainSettings? Load(string root)
    {
        var path = Path.Combine(root, FileName);
        if (!File.Exists(path))
            return null;
        try
        {
            var settings = JsonSerializer.Deserialize<TrainSettings>(File.ReadAllBytes(path), Options) ?? throw new JsonException("it is null.");
            return settings.Mistake() is { } mistake ? throw new JsonException(mistake) : settings;
        }
        catch (JsonException e)
        {
            throw new AppException($"{path}: is not the settings of a run: {e.Message}");
        }
    }

    /// <summary>What a hand or a defect has written that no option would have let pass; null for nothing.</summary>
    private string? Mistake() =>
        Batch < 1 ? $"batch is {Batch}; it must be 1 or more."
        : Accumulate < 1 || Batch % Accumulate != 0 ? $"accumulate is {Accumulate}; it must divide batch, {Batch}."
        : Steps < 1 ? $"steps is {Steps}; it must be 1 or more."
        : Minutes is { } minutes && !(minutes > 0) ? $"minutes is {minutes}; it must be above 0."
        : !(LearningRate > 0 && float.IsFinite(LearningRate)) ? $"learning_rate is {LearningRate}; it must be above 0."
        : WarmUp < 0 ? $"warm_up is {WarmUp}; it must be 0 or more."
        : !(WeightDecay >= 0 && float.IsFinite(WeightDecay)) ? $"weight_decay is {WeightDecay}; it must be 0 or more."
        : !(Clip >= 0 && float.IsFinite(Clip)) ? $"clip is {Clip}; it must be 0 or more."
        : Data is "" ? "data is empty; it must be a path, or null for the SDK's documentation."
        : null;

    /// <summary>Writes the settings; the file appears whole or not at all.</summary>
    public void Save(string root)
    {
        Directory.CreateDirectory(root);
        var path = Path.Combine(root, FileName);
        var temporary = $"{path}.{Environment.ProcessId}.tmp";
        File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(this, Options));
        File.Move(temporary, path, overwrite: true);
    }
}
