using System.Globalization;

namespace ModGen.Cuda;

/// <summary>The driver and the compiler of a machine, and whether a device can be used with them.</summary>
internal sealed class CudaPlatform
{
    // 11.8 brought cuLaunchKernelEx, 12.0 tensor maps and NVRTC's cubins for Hopper.
    private static readonly Version OldestDriver = new(12, 0);
    private static readonly Version OldestCapability = new(8, 0);
    private readonly Func<IDriver?> _findDriver;
    private readonly Func<Version, (IKernelCompiler? Compiler, string? Problem)> _findCompiler;
    private readonly Func<string?> _cacheFolder;
    private readonly Lock _gate = new();
    private IDriver? _driver;
    private IKernelCompiler? _compiler;

    public CudaPlatform(Func<IDriver?> findDriver, Func<Version, (IKernelCompiler? Compiler, string? Problem)> findCompiler, Func<string?> cacheFolder)
    {
        _findDriver = findDriver;
        _findCompiler = findCompiler;
        _cacheFolder = cacheFolder;
    }

    /// <summary>This machine's.</summary>
    public static CudaPlatform Machine { get; } = new(
        () => NativeLibraries.LoadDriver() ? new NativeDriver() : null,
        FindCompiler,
        () => KernelCache.DefaultFolder(OperatingSystem.IsWindows(), Environment.GetEnvironmentVariable));

    /// <summary>The same machine with another folder for compiled kernels.</summary>
    public CudaPlatform With(string? cacheFolder) => new(_findDriver, _findCompiler, () => cacheFolder);

    /// <summary>The same machine with something put in front of its driver.</summary>
    public CudaPlatform With(Func<IDriver, IDriver> before) => new(() => _findDriver() is { } driver ? before(driver) : null, _findCompiler, _cacheFolder);

    /// <summary>How many devices the driver sees; 0 when there is no driver or it does not work.</summary>
    public int Count => Driver(out var driver) is null && driver!.DeviceCount(out var count) == CudaResult.Success ? count : 0;

    /// <summary>Why a device cannot be used, in one line; null when it can.</summary>
    public string? WhyUnavailable(int ordinal) => Find(ordinal, out _);

    /// <summary>Opens a device.</summary>
    public CudaContext Open(int ordinal, bool float32)
    {
        if (Find(ordinal, out var found) is { } problem)
            throw new CudaException($"CUDA device {ordinal} cannot be used: {problem}.");
        var (driver, compiler) = (_driver!, _compiler!);
        var result = driver.RetainContext(found.Device, out var context);
        if (result != CudaResult.Success)
            throw new CudaException($"{found.Name} cannot be opened: cuDevicePrimaryCtxRetain failed with {Failure(driver, result)}; another process may fill or own the device.", "cuDevicePrimaryCtxRetain", null, result, driver.ErrorName(result));
        var handle = new ContextHandle(driver, found.Device, context);
        var cache = new KernelCache(_cacheFolder());
        return new CudaContext(found, handle, new KernelBuilder(compiler, cache, found.Capability, float32), cache, float32);
    }

    /// <summary>The driver's name and words for an error.</summary>
    public static string Failure(IDriver driver, CudaResult result) =>
        string.Create(CultureInfo.InvariantCulture, $"{driver.ErrorName(result)} ({(int)result}): {driver.ErrorText(result)}");

    private static (IKernelCompiler? Compiler, string? Problem) FindCompiler(Version driver)
    {
        if (NativeLibraries.LoadCompiler(driver) is { } problem)
            return (null, problem);
        try
        {
            return (new NvrtcCompiler(), null);
        }
        catch (CudaException e)
        {
            return (null, $"NVRTC does not answer: {e.Message.TrimEnd('.')}");
        }
    }

    private string? Find(int ordinal, out FoundDevice found)
    {
        found = default;
        ArgumentOutOfRangeException.ThrowIfNegative(ordinal);
        lock (_gate)
        {
            if (Driver(out var driver) is { } noDriver)
                return noDriver;
            if (Describe(driver!, ordinal, ref found) is { } noDevice)
                return noDevice;
            if (_compiler is null)
            {
                var (compiler, problem) = _findCompiler(found.Driver);
                if (compiler is null)
                    return problem;
                _compiler = compiler;
            }

            found = found with { Compiler = _compiler.Version };
            var architecture = 10 * found.Capability.Major + found.Capability.Minor;
            return _compiler.Architectures.Contains(architecture)
                ? null
                : $"NVRTC {_compiler.Version} does not know the architecture sm_{architecture} of {found.Name}; install a newer CUDA toolkit";
        }
    }

    // Null when the driver works.
    private string? Driver(out IDriver? driver)
    {
        lock (_gate)
        {
            driver = _driver;
            if (driver is not null)
                return null;
            if (_findDriver() is not { } candidate)
                return "no NVIDIA driver is installed (libcuda.so.1, on Windows nvcuda.dll, cannot be loaded)";
            if (candidate.DriverVersion(out var number) is var read and not CudaResult.Success)
                return $"the NVIDIA driver does not answer: cuDriverGetVersion failed with {Failure(candidate, read)}";
            if (VersionOf(number) is var version && version < OldestDriver)
                return $"the NVIDIA driver runs CUDA {version} and ModGen needs {OldestDriver} or newer; update the driver";
            if (candidate.Initialize() is var result and not CudaResult.Success)
                return $"the NVIDIA driver cannot be used: cuInit failed with {Failure(candidate, result)}";
            _driver = driver = candidate;
            return null;
        }
    }

    private static string? Describe(IDriver driver, int ordinal, ref FoundDevice found)
    {
        const int Prohibited = 2;
        var result = driver.DeviceCount(out var count);
        if (result == CudaResult.Success && ordinal >= count)
            return count == 0 ? "the NVIDIA driver sees no device" : $"there is no CUDA device {ordinal}; this machine has {count}, numbered from 0";
        long bytes = 0;
        int device = 0, major = 0, minor = 0, processors = 0, shared = 0, mode = 0, version = 0;
        var name = "";
        Do(d => d.Device(ordinal, out device));
        Do(d => d.DeviceName(device, out name));
        Do(d => d.DeviceTotalBytes(device, out bytes));
        Do(d => d.Attribute(device, DeviceAttribute.CapabilityMajor, out major));
        Do(d => d.Attribute(device, DeviceAttribute.CapabilityMinor, out minor));
        Do(d => d.Attribute(device, DeviceAttribute.Processors, out processors));
        Do(d => d.Attribute(device, DeviceAttribute.SharedBytesPerBlock, out shared));
        Do(d => d.Attribute(device, DeviceAttribute.ComputeMode, out mode));
        Do(d => d.DriverVersion(out version));
        if (result != CudaResult.Success)
            return $"CUDA device {ordinal} does not answer: {Failure(driver, result)}";
        found = new FoundDevice(ordinal, device, name, new Version(major, minor), processors, shared, bytes, VersionOf(version), new Version());
        if (mode == Prohibited)
            return $"{name} is set to accept no programs (compute mode PROHIBITED); set it with nvidia-smi -c DEFAULT";
        return found.Capability < OldestCapability
            ? $"{name} has compute capability {found.Capability}; ModGen needs {OldestCapability} (Ampere) or newer"
            : null;

        void Do(Func<IDriver, CudaResult> call)
        {
            if (result == CudaResult.Success)
                result = call(driver);
        }
    }

    private static Version VersionOf(int number) => new(number / 1000, number % 1000 / 10);
}

/// <summary>What the driver says about a device.</summary>
internal readonly record struct FoundDevice(
    int Ordinal, int Device, string Name, Version Capability, int Processors, int SharedBytesPerBlock, long TotalBytes, Version Driver, Version Compiler);
