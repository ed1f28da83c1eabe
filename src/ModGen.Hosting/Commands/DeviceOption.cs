using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using ModGen.Cuda;

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

    /// <summary>Opens the device that was asked for, or the best there is.</summary>
    /// <exception cref="AppException">It cannot be used, or does not go with the precision.</exception>
    public Device Open(ParseResult arguments)
    {
        var (name, precision) = (arguments.GetValue(_device), arguments.GetValue(_precision));
        if (name is null)
            return Device.Best(precision, arguments.GetValue(_threads));
        if (name == Cpu)
        {
            return arguments.IsGiven(_precision) && precision == CudaPrecision.BFloat16
                ? throw new AppException("--precision bfloat16 is of GPUs; the CPU computes in float32.", ExitCode.Usage)
                : Device.Cpu(arguments.GetValue(_threads));
        }

        var ordinal = Ordinal(name)!.Value;
        return CudaContext.WhyUnavailable(ordinal) is { } why
            ? throw new AppException($"--device {name} cannot be used: {why}")
            : Device.Cuda(ordinal, precision);
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
