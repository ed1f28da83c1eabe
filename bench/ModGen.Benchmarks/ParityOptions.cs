using System.Globalization;

namespace ModGen.Benchmarks;

/// <summary>What <see cref="ParityRun{TModel}"/> trains on, how long and where.</summary>
internal sealed record ParityOptions(string Folder)
{
    public const string Usage =
        "Usage: parity NAME FOLDER --data TEXT [--steps N] [--batch N] [--lr X] [--device cuda|cpu] [--precision bfloat16|float32]";

    public string? Data { get; private set; }

    public int Steps { get; private set; } = 200;

    public int Batch { get; private set; } = 16;

    public float LearningRate { get; private set; } = 1e-3f;

    public bool OnCpu { get; private set; }

    public CudaPrecision Precision { get; private set; } = CudaPrecision.BFloat16;

    /// <summary>Steps of the warm-up; the rate is constant from then on.</summary>
    public int WarmUp => Math.Min(20, Steps);

    /// <summary>Null, and a line on standard error, for arguments that are none of these.</summary>
    public static ParityOptions? Parse(string[] args)
    {
        if (args.Length % 2 == 0)
            return Refuse(Usage);
        var options = new ParityOptions(args[0]);
        for (var i = 1; i < args.Length; i += 2)
            if (!options.Take(args[i], args[i + 1]))
                return Refuse($"'{args[i]} {args[i + 1]}' is not an option. {Usage}");
        return options.Data is null ? Refuse($"--data is missing. {Usage}") : options;
    }

    public Device Open() => OnCpu ? Device.Cpu() : Device.Cuda(0, Precision);

    private bool Take(string option, string value)
    {
        var culture = CultureInfo.InvariantCulture;
        switch (option)
        {
            case "--data":
                Data = value;
                return true;
            case "--steps" when int.TryParse(value, NumberStyles.None, culture, out var steps):
                Steps = steps;
                return true;
            case "--batch" when int.TryParse(value, NumberStyles.None, culture, out var batch) && batch > 0:
                Batch = batch;
                return true;
            case "--lr" when float.TryParse(value, NumberStyles.Float, culture, out var rate) && rate > 0:
                LearningRate = rate;
                return true;
            case "--device" when value is "cpu" or "cuda":
                OnCpu = value == "cpu";
                return true;
            case "--precision" when value is "bfloat16" or "float32":
                Precision = value == "float32" ? CudaPrecision.Float32 : CudaPrecision.BFloat16;
                return true;
            default:
                return false;
        }
    }

    private static ParityOptions? Refuse(string why)
    {
        Console.Error.WriteLine(why);
        return null;
    }
}
