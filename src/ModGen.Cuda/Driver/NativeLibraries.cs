using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ModGen.Cuda;

/// <summary>
/// The two native libraries, loaded when first asked for and never unloaded. Loading this assembly loads neither, so that a
/// program runs where they are missing.
/// </summary>
internal static class NativeLibraries
{
    /// <summary>The name under which <see cref="DriverCalls"/> imports the driver.</summary>
    public const string Driver = "modgen-cuda-driver";

    /// <summary>The name under which <see cref="CompilerCalls"/> imports NVRTC.</summary>
    public const string Compiler = "modgen-nvrtc";

    private static readonly Lock Gate = new();
    private static nint _driver;
    private static nint _compiler;

    /// <summary>Loads the driver's library; false when there is none.</summary>
    public static bool LoadDriver()
    {
        lock (Gate)
        {
            foreach (var name in LibrarySearch.OfThisMachine.Driver)
            {
                if (_driver == 0 && NativeLibrary.TryLoad(name, out var library))
                    _driver = library;
            }

            return _driver != 0;
        }
    }

    /// <summary>
    /// Loads the first NVRTC whose cubins a driver of this version can run. Null when it is loaded, else a line that says what
    /// was found and how to mend it.
    /// </summary>
    public static string? LoadCompiler(Version driver)
    {
        lock (Gate)
        {
            if (_compiler != 0)
                return null;
            Version? misfit = null;
            foreach (var name in LibrarySearch.OfThisMachine.Compiler())
            {
                if (!NativeLibrary.TryLoad(name, out var library))
                    continue;
                LoadBeside(name);
                var version = VersionOf(library);
                if (version is not null && Fits(version, driver))
                {
                    _compiler = library;
                    return null;
                }

                misfit = version ?? misfit;
                NativeLibrary.Free(library);
            }

            return WhyNoCompiler(driver, misfit, Environment.GetEnvironmentVariable(LibrarySearch.CompilerVariable));
        }
    }

    /// <summary>Cubins run on drivers of their own major version and of later ones; Hopper's need a compiler of 12.0.</summary>
    internal static bool Fits(Version compiler, Version driver) => compiler.Major >= 12 && compiler.Major <= driver.Major;

    /// <summary>The line about an NVRTC that cannot be had.</summary>
    /// <param name="driver">The CUDA version that the driver runs.</param>
    /// <param name="misfit">An NVRTC that was found and cannot be used; null when none was.</param>
    /// <param name="chosen">The user's own choice of a file; null or empty for none.</param>
    internal static string WhyNoCompiler(Version driver, Version? misfit, string? chosen)
    {
        var file = $"the file libnvrtc.so.{driver.Major} (on Windows nvrtc64_{driver.Major}0_0.dll)";
        if (misfit is not null)
            return $"NVRTC {misfit} does not fit the driver, which runs CUDA {driver} and needs NVRTC 12.0 to {driver.Major}.x; install that one or set {LibrarySearch.CompilerVariable} to {file}";
        if (!string.IsNullOrEmpty(chosen))
            return $"no NVRTC can be loaded from {LibrarySearch.CompilerVariable}='{chosen}'; set it to {file}, or unset it";
        return $"NVRTC, CUDA's compiler library, was not found; install the CUDA toolkit or its cuda-nvrtc package, or set {LibrarySearch.CompilerVariable} to {file}";
    }

    // NVRTC opens a second library by its bare name when it first compiles. Outside the system's own path it finds it only
    // when that one is loaded already.
    private static void LoadBeside(string compiler)
    {
        if (Path.GetDirectoryName(compiler) is not { Length: > 0 } folder || !Directory.Exists(folder))
            return;
        foreach (var file in Directory.EnumerateFiles(folder, OperatingSystem.IsWindows() ? "nvrtc-builtins64_*.dll" : "libnvrtc-builtins.so.*"))
            _ = NativeLibrary.TryLoad(file, out _);
    }

    /// <summary>Whether this driver has an entry point that not every supported one has.</summary>
    public static bool DriverExports(string name) => NativeLibrary.TryGetExport(_driver, name, out _);

    // Static fields cannot do it: the resolver must be there before the first imported call of either class.
#pragma warning disable CA2255 // ModuleInitializer in a library: it only registers the resolver.
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void RegisterResolver() => NativeLibrary.SetDllImportResolver(typeof(NativeLibraries).Assembly, Resolve);

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) => name switch
    {
        Driver => _driver,
        Compiler => _compiler,
        _ => 0,
    };

    // Asked of the library itself, since only the one that is kept is bound to the imports.
    private static unsafe Version? VersionOf(nint library)
    {
        if (!NativeLibrary.TryGetExport(library, "nvrtcVersion", out var address))
            return null;
        int major, minor;
        return ((delegate* unmanaged<int*, int*, int>)address)(&major, &minor) == 0 ? new Version(major, minor) : null;
    }
}
