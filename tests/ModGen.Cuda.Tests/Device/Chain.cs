namespace ModGen.Cuda.Tests.Device;

/// <summary>
/// Kernels each of which needs all that the one before it wrote, with a copy and a clearing between: a launch that starts
/// too early shows in the result.
/// </summary>
internal sealed class Chain : IDisposable
{
    private const int Length = 100_000;
    private readonly DeviceMemory _memory;
    private readonly int _steps;

    public Chain(CudaContext context, int steps)
    {
        _steps = steps;
        Stream = context.CreateStream();
        _memory = context.Allocate(3L * Length * sizeof(int), "a chain");
        DevicePointer a = _memory.Pointer, b = a + (long)Length * sizeof(int), c = b + (long)Length * sizeof(int);
        var blocks = (Length + 255) / 256;
        List.Clear(a, (long)Length * sizeof(int));
        for (var i = 0; i < steps; i++)
        {
            List.Add(DeviceKernels.Step, blocks, [a, b, Length, i]);
            (a, b) = (b, a);
            if (i % 7 != 3)
                continue;
            List.Copy(c, a, (long)Length * sizeof(int));
            List.Clear(a, (long)Length * sizeof(int));
            (a, c) = (c, a);
        }

        Final = a;
        context.Load([List]);
    }

    public CudaStream Stream { get; }

    public LaunchList List { get; } = new();

    private DevicePointer Final { get; }

    /// <summary>The value that every element has in the end.</summary>
    public int[] Expected()
    {
        var value = 0;
        for (var i = 0; i < _steps; i++)
            value = unchecked(2 * value + i);
        var values = new int[Length];
        values.AsSpan().Fill(value);
        return values;
    }

    /// <summary>What is there after the memory was spoilt and the work was done.</summary>
    public int[] Result(Action<CudaStream> work)
    {
        Stream.Fill(_memory.Pointer, 0xA5, _memory.Bytes);
        work(Stream);
        var values = new int[Length];
        Stream.Download(values.AsSpan(), Final);
        return values;
    }

    public void Dispose()
    {
        _memory.Dispose();
        Stream.Dispose();
    }
}
