using System.Runtime.InteropServices;

namespace ModGen.Benchmarks;

/// <summary>The peer of the matrix product: Debian's libopenblas0-pthread. Nothing but this benchmark uses it.</summary>
internal static unsafe partial class OpenBlas
{
    private const string Library = "libopenblas.so.0";
    private const int RowMajor = 101;
    private const int Plain = 111;
    private const int Transposed = 112;

    /// <summary>The kernel that it chose for this processor, or null where it is not installed.</summary>
    public static string? Kernel { get; } = Find();

    public static void Threads(int count) => SetThreads(count);

    /// <summary>c = beta·c + op(a)·op(b), row-major.</summary>
    public static void Multiply(bool transposeA, bool transposeB, int m, int n, int k, float* a, int strideA, float* b, int strideB, float beta, float* c, int strideC) =>
        Sgemm(RowMajor, transposeA ? Transposed : Plain, transposeB ? Transposed : Plain, m, n, k, 1, a, strideA, b, strideB, beta, c, strideC);

    private static string? Find() =>
        NativeLibrary.TryLoad(Library, out _) ? $"{Marshal.PtrToStringUTF8(CoreName())} ({Marshal.PtrToStringUTF8(Config())})" : null;

    [LibraryImport(Library, EntryPoint = "cblas_sgemm")]
    private static partial void Sgemm(int order, int transA, int transB, int m, int n, int k, float alpha, float* a, int lda, float* b, int ldb, float beta, float* c, int ldc);

    [LibraryImport(Library, EntryPoint = "openblas_set_num_threads")]
    private static partial void SetThreads(int count);

    [LibraryImport(Library, EntryPoint = "openblas_get_corename")]
    private static partial nint CoreName();

    [LibraryImport(Library, EntryPoint = "openblas_get_config")]
    private static partial nint Config();
}
