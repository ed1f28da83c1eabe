using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using ModGen.Cuda;
using ModGen.Hosting.Output;
using ModGen.Hosting.Training;

namespace ModGen.Hosting.Commands;

/// <summary>The options that say where a verb computes.</summary>
internal sealed class DeviceOption
{
    private const string Cpu = "cpu", Cuda = "cuda";
    private readonly Option<string?> _device = Options.Text("--device", "Where to compute: cuda, cuda:N for GPU N, or cpu. When not given: the first GPU if it can be used, else the CPU.", "NAME");
    private readonly Option<CudaPrecision> _precision = PrecisionOption.Create();
    private readonly Option<int> _threads = Options.Number("--threads", "Threads of the CPU that compute; 0 for one a processor. Results do not depend on it.", 0, n => n is >= 0 and <= 1024, "0 to 1024");

    public DeviceOption()
    {
        _device.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string?>() is { } name && name != Cpu && Ordinal(name) is null)
                result.AddError($"--device is '{name}'; it must be cpu, cuda, or cuda:N with the number of a GPU.");
        });
    }

    public IReadOnlyList<Option> All => [_device, _precision, _threads];

    /// <summary>Opens the device that was asked for, else the one that a run began on, else the best there is.</summary>
    /// <param name="arguments">What the user wrote.</param>
    /// <param name="began">Where the run that goes on began; null for none.</param>
    /// <param name="output">Is told when that one cannot be used.</param>
    /// <exception cref="AppException">It cannot be used, or does not go with the precision.</exception>
    public Device Open(ParseResult arguments, DeviceChoice? began, VerbOutput output)
    {
        var (asked, threads) = (arguments.GetValue(_device), arguments.GetValue(_threads));
        var precision = arguments.IsGiven(_precision) ? arguments.GetValue(_precision) : began?.Precision ?? CudaPrecision.BFloat16;
        if ((asked ?? began?.Device) is not { } name)
            return Device.Best(precision, threads);
        if (name == Cpu)
        {
            return arguments.IsGiven(_precision) && precision == CudaPrecision.BFloat16
                ? throw new AppException("--precision bfloat16 is of GPUs; the CPU computes in float32.", ExitCode.Usage)
                : Device.Cpu(threads);
        }

        var ordinal = Ordinal(name) ?? throw new AppException($"The run's settings name the device '{name}'; it must be cpu or cuda:N. Say --device.");
        if (CudaContext.WhyUnavailable(ordinal) is not { } why)
            return Device.Cuda(ordinal, precision);
        if (asked is not null)
            throw new AppException($"--device {name} cannot be used: {why}");
        output.Warn($"the run began on {name}, which cannot be used: {why.TrimEnd('.')}; it does not go on bit for bit.");
        return Device.Best(precision, threads);
    }

    private static int? Ordinal(string name)
    {
        if (name == Cuda)
            return 0;
        return name.StartsWith(Cuda + ":", StringComparison.Ordinal)
            && int.TryParse(name.AsSpan(Cuda.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var ordinal)
            ? ordinal
            : null;
    }
}
