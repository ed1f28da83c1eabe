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
            Version? tooNew = null;
            foreach (var name in LibrarySearch.OfThisMachine.Compiler())
            {
                if (!NativeLibrary.TryLoad(name, out var library))
                    continue;
                if (VersionOf(library) is { } version && version.Major <= driver.Major)
                {
                    _compiler = library;
                    return null;
                }

                tooNew = VersionOf(library) ?? tooNew;
                NativeLibrary.Free(library);
            }

            return WhyNoCompiler(driver, tooNew, Environment.GetEnvironmentVariable(LibrarySearch.CompilerVariable));
        }
    }

    /// <summary>The line about an NVRTC that cannot be had.</summary>
    internal static string WhyNoCompiler(Version driver, Version? tooNew, string? chosen)
    {
        if (tooNew is not null)
            return $"NVRTC {tooNew} is newer than the driver, which runs CUDA {driver}; update the driver or point {LibrarySearch.CompilerVariable} to the NVRTC of CUDA {driver.Major}.";
        if (!string.IsNullOrEmpty(chosen))
            return $"{LibrarySearch.CompilerVariable} is '{chosen}' and no NVRTC can be loaded from there; point it to the file libnvrtc.so.{driver.Major} (nvrtc64_{driver.Major}0_0.dll), or unset it.";
        return $"NVRTC, CUDA's compiler library, was not found; install the CUDA toolkit (or its cuda-nvrtc package) or set {LibrarySearch.CompilerVariable} to the file libnvrtc.so.{driver.Major} (nvrtc64_{driver.Major}0_0.dll).";
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
