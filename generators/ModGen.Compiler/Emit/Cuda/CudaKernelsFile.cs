using ModGen.Compiler.Spec;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>Writes the CUDA C++ of a model: the entry points of all its launches.</summary>
internal static class CudaKernelsFile
{
    public static string Write(ModelSpec spec, KernelCatalog catalog)
    {
        var writer = new CodeWriter();
        SourceFile.Header(writer, spec, "its CUDA kernels");
        using (SourceFile.Type(writer, spec))
        {
            writer.Line("/// <summary>Entry points in CUDA C++: a kernel family with every size filled in. `element` is bfloat16, or float32 in the float32 mode.</summary>");
            using (writer.Block("private static class CudaKernels"))
                catalog.Write(writer);
        }

        return writer.ToString();
    }
}
