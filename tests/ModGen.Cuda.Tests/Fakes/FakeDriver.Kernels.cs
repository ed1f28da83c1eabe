using System.Text;

namespace ModGen.Cuda.Tests.Fakes;

internal sealed unsafe partial class FakeDriver
{
    public CudaResult LoadModule(ReadOnlySpan<byte> image, out nint module)
    {
        module = 0;
        var result = InContext("cuModuleLoadData");
        if (result != CudaResult.Success)
            return result;
        // "cubin", architecture, name, sizes
        var words = Encoding.UTF8.GetString(image).Split(' ');
        if (words is not ["cubin", _, _, _])
            return CudaResult.InvalidImage;
        if (words[1] != KernelBuilder.ArchitectureOf(new Version(Capability.Major, Capability.Minor)))
            return CudaResult.NoBinaryForGpu;
        lock (_gate)
            _modules.Add(module = _handles++, words);
        return result;
    }

    public CudaResult UnloadModule(nint module)
    {
        lock (_gate)
            _modules.Remove(module);
        return InContext("cuModuleUnload");
    }

    public CudaResult ModuleFunction(nint module, string name, out nint function)
    {
        function = 0;
        lock (_gate)
        {
            if (_modules[module][2] != name)
                return CudaResult.NotFound;
            var sizes = _modules[module][3].Split(',', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse).ToArray();
            _functions.Add(function = _handles++, (name, sizes));
        }

        return InContext("cuModuleGetFunction");
    }

    public CudaResult GetAttribute(nint function, FunctionAttribute attribute, out int value)
    {
        value = attribute switch
        {
            FunctionAttribute.MaximumThreads => MaximumThreads,
            FunctionAttribute.Registers => 40,
            FunctionAttribute.StaticSharedBytes => 1024,
            _ => 0,
        };
        return InContext("cuFuncGetAttribute");
    }

    public CudaResult SetAttribute(nint function, FunctionAttribute attribute, int value) => InContext($"cuFuncSetAttribute({value})");

    public CudaResult Parameter(nint function, int index, out long offset, out long bytes)
    {
        (offset, bytes) = (0, 0);
        if (!KnowsParameters)
            return CudaResult.NotSupported;
        int[] sizes;
        lock (_gate)
            sizes = _functions[function].Sizes;
        if (index >= sizes.Length)
            return CudaResult.InvalidValue;
        for (var i = 0; i <= index; i++)
        {
            var alignment = sizes[i] == 128 ? 64 : Math.Min(sizes[i], 8);
            offset = (offset + bytes + alignment - 1) / alignment * alignment;
            bytes = sizes[i];
        }

        return InContext("cuFuncGetParamInfo");
    }

    public CudaResult EncodeTensorMap(void* map, in TensorMapRequest request)
    {
        if ((ulong)map % 64 != 0)
            return CudaResult.InvalidValue;
        new Span<byte>(map, 128).Fill((byte)request.Rank);
        return InContext("cuTensorMapEncodeTiled");
    }
}
