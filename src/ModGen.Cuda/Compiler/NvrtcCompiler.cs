using System.Runtime.InteropServices;
using System.Text;

namespace ModGen.Cuda;

/// <summary>NVRTC. Made only after <see cref="NativeLibraries.LoadCompiler"/> has found it.</summary>
internal sealed unsafe class NvrtcCompiler : IKernelCompiler
{
    // NVRTC_ERROR_COMPILATION: the text is at fault, and the log says why.
    private const int CompilationError = 6;

    public NvrtcCompiler()
    {
        Check(CompilerCalls.Version(out var major, out var minor), "nvrtcVersion");
        Version = new Version(major, minor);
        Check(CompilerCalls.ArchitectureCount(out var count), "nvrtcGetNumSupportedArchs");
        var architectures = new int[count];
        fixed (int* p = architectures)
            Check(CompilerCalls.Architectures(p), "nvrtcGetSupportedArchs");
        Architectures = architectures;
    }

    public Version Version { get; }

    public IReadOnlyList<int> Architectures { get; }

    public CompilerOutput Compile(string text, string name, IReadOnlyList<string> options)
    {
        Check(CompilerCalls.CreateProgram(out var program, text, name, 0, null, null), "nvrtcCreateProgram");
        try
        {
            var result = CompilerCalls.CompileProgram(program, options.Count, [.. options]);
            if (result == CompilationError)
                return new CompilerOutput([], LogOf(program), false);
            if (result != 0)
                throw new CudaException($"{Failure(result, "nvrtcCompileProgram")} {LogOf(program)}".TrimEnd(), "nvrtcCompileProgram", name);
            Check(CompilerCalls.CubinSize(program, out var bytes), "nvrtcGetCUBINSize");
            var cubin = new byte[bytes];
            fixed (byte* p = cubin)
                Check(CompilerCalls.Cubin(program, p), "nvrtcGetCUBIN");
            return new CompilerOutput(cubin, LogOf(program), true);
        }
        finally
        {
            _ = CompilerCalls.DestroyProgram(ref program);
        }
    }

    private static string LogOf(nint program)
    {
        // The size counts the terminating zero.
        Check(CompilerCalls.LogSize(program, out var bytes), "nvrtcGetProgramLogSize");
        if (bytes <= 1)
            return "";
        var text = new byte[bytes];
        fixed (byte* p = text)
            Check(CompilerCalls.Log(program, p), "nvrtcGetProgramLog");
        return Encoding.UTF8.GetString(text.AsSpan(0, text.Length - 1)).Trim();
    }

    private static void Check(int result, string call)
    {
        if (result != 0)
            throw new CudaException(Failure(result, call), call, null);
    }

    private static string Failure(int result, string call) =>
        $"{call} failed: {Marshal.PtrToStringUTF8(CompilerCalls.ErrorString(result))} ({result}).";
}
