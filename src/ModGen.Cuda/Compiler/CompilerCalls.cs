using System.Runtime.InteropServices;

namespace ModGen.Cuda;

/// <summary>The entry points of NVRTC.</summary>
internal static unsafe partial class CompilerCalls
{
    private const string Library = NativeLibraries.Compiler;

    [LibraryImport(Library, EntryPoint = "nvrtcVersion")]
    public static partial int Version(out int major, out int minor);

    [LibraryImport(Library, EntryPoint = "nvrtcGetNumSupportedArchs")]
    public static partial int ArchitectureCount(out int count);

    [LibraryImport(Library, EntryPoint = "nvrtcGetSupportedArchs")]
    public static partial int Architectures(int* architectures);

    [LibraryImport(Library, EntryPoint = "nvrtcCreateProgram", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int CreateProgram(out nint program, string text, string name, int headers, void* headerTexts, void* headerNames);

    [LibraryImport(Library, EntryPoint = "nvrtcDestroyProgram")]
    public static partial int DestroyProgram(ref nint program);

    [LibraryImport(Library, EntryPoint = "nvrtcCompileProgram", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int CompileProgram(nint program, int count, string[] options);

    [LibraryImport(Library, EntryPoint = "nvrtcGetProgramLogSize")]
    public static partial int LogSize(nint program, out nuint bytes);

    [LibraryImport(Library, EntryPoint = "nvrtcGetProgramLog")]
    public static partial int Log(nint program, byte* text);

    [LibraryImport(Library, EntryPoint = "nvrtcGetCUBINSize")]
    public static partial int CubinSize(nint program, out nuint bytes);

    [LibraryImport(Library, EntryPoint = "nvrtcGetCUBIN")]
    public static partial int Cubin(nint program, byte* cubin);

    [LibraryImport(Library, EntryPoint = "nvrtcGetErrorString")]
    public static partial nint ErrorString(int result);
}
