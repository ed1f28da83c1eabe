namespace ModGen.Cuda;

/// <summary>What a compilation gave.</summary>
/// <param name="Cubin">The binary; empty when it failed.</param>
/// <param name="Log">What the compiler said; empty when it had nothing to say.</param>
/// <param name="Succeeded">Whether there is a binary.</param>
internal sealed record CompilerOutput(byte[] Cubin, string Log, bool Succeeded);

/// <summary>A compiler of CUDA C++ to cubins that several threads may call at once; NVRTC, or a test's stand-in.</summary>
internal interface IKernelCompiler
{
    /// <summary>Its version: part of what names a cached cubin.</summary>
    Version Version { get; }

    /// <summary>The compute capabilities it can compile for, as 10 · major + minor.</summary>
    IReadOnlyList<int> Architectures { get; }

    /// <summary>Compiles a text. A text that does not compile is an output, not an exception.</summary>
    CompilerOutput Compile(string text, string name, IReadOnlyList<string> options);
}
