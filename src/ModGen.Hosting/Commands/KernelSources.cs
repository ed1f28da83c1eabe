using System.Reflection;
using System.Text;
using ModGen.Cuda;

namespace ModGen.Hosting.Commands;

/// <summary>
/// The CUDA C++ of a model, complete: for each kernel the families that it stands on and its entry point, as NVRTC is given
/// them. It needs neither a GPU nor a compiler.
/// </summary>
internal static class KernelSources
{
    private const string Extension = ".cu";

    /// <summary>Writes a file a kernel into a folder and returns their paths.</summary>
    /// <exception cref="AppException">The model's class holds no kernels.</exception>
    public static IReadOnlyList<string> Write(Type model, ModelDescription description, CudaPrecision precision, string folder)
    {
        var kernels = Find(model, description).Where(kernel => KernelSource.IsFor(kernel, precision == CudaPrecision.Float32))
            .DistinctBy(kernel => (kernel.Name, kernel.Families)).OrderBy(kernel => kernel.Name, StringComparer.Ordinal).ToList();
        if (kernels.Count == 0)
            throw new AppException($"{model.Name} holds no CUDA kernels; was it compiled by an older generator?");
        Directory.CreateDirectory(folder);
        var written = new List<string>();
        foreach (var forms in kernels.GroupBy(kernel => kernel.Name))
        {
            foreach (var kernel in forms)
            {
                // An operation in several forms has one name: the last family tells them apart.
                var form = forms.Count() == 1 ? "" : "." + kernel.Families.Split(' ')[^1];
                var path = Path.Combine(folder, kernel.Name + form + Extension);
                File.WriteAllText(path, Text(kernel, precision), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
                written.Add(path);
            }
        }

        return written;
    }

    /// <summary>The text of a kernel, under a line that says how it is launched.</summary>
    private static string Text(Kernel kernel, CudaPrecision precision)
    {
        var cluster = kernel.Cluster > 1 ? $", clusters of {kernel.Cluster}" : "";
        var shared = kernel.SharedBytes > 0 ? $", {kernel.SharedBytes} bytes of dynamic shared memory" : "";
        return $"// {kernel.Name}: {kernel.Threads} threads a block{shared}{cluster}.\n#define MODGEN_FLOAT32 {(precision == CudaPrecision.Float32 ? 1 : 0)}\n{KernelSource.Of(kernel, LinearKernel.ExampleDefine(kernel) ?? DecodeProduct.ExampleDefine(kernel))}";
    }

    /// <summary>The kernels that the types nested in a model list, and those that every model has.</summary>
    private static IEnumerable<Kernel> Find(Type model, ModelDescription description)
    {
        const BindingFlags Own = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        var lists = WithNested(model).SelectMany(type => type.GetProperties(Own))
            .Where(property => property.PropertyType.IsAssignableTo(typeof(IEnumerable<Kernel>)))
            .SelectMany(property => (IEnumerable<Kernel>)property.GetValue(null)!)
            .ToList();
        return lists.Count == 0 ? lists : lists.Concat(Programs.CommonKernels.Of(description));
    }

    private static IEnumerable<Type> WithNested(Type type) =>
        type.GetNestedTypes(BindingFlags.Public | BindingFlags.NonPublic).SelectMany(WithNested).Prepend(type);
}
