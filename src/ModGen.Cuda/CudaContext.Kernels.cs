using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace ModGen.Cuda;

public sealed partial class CudaContext
{
    private readonly Dictionary<(Kernel Kernel, string Define), LoadedKernel> _loaded = [];
    private TimeSpan _loading;

    /// <summary>What loading kernels has taken so far.</summary>
    public KernelLoading Loading
    {
        get
        {
            lock (_loaded)
                return new KernelLoading(_loaded.Count, _loaded.Values.Count(kernel => kernel.Info.Cached), _loading);
        }
    }

    /// <summary>
    /// Compiles and loads every kernel of the lists that is not loaded yet, on all processors. A list that was never loaded
    /// is loaded when it first runs; to load first keeps the wait in one place, with progress.
    /// </summary>
    /// <param name="lists">The lists.</param>
    /// <param name="progress">Told after every kernel, from any thread.</param>
    /// <exception cref="CudaException">A kernel does not compile or load; the message has the compiler's words and the lines.</exception>
    public void Load(IEnumerable<LaunchList> lists, IProgress<KernelProgress>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(lists);
        Enter();
        lock (_loaded)
        {
            var launches = lists.SelectMany(list => list.Launches).Where(launch => launch.Kind == LaunchKind.Kernel).ToArray();
            LoadMissing([.. launches.Where(launch => !_loaded.ContainsKey(KeyOf(launch))).DistinctBy(KeyOf)], progress);
            foreach (var launch in launches)
                launch.Loaded = _loaded[KeyOf(launch)];
        }
    }

    /// <summary>What the compiler made of a kernel that has been loaded.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="define">The text in front of its source; null for none.</param>
    /// <exception cref="InvalidOperationException">No list with this kernel has been loaded.</exception>
    public KernelInfo Describe(Kernel kernel, string? define = null)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        lock (_loaded)
        {
            return _loaded.TryGetValue((kernel, define ?? ""), out var loaded)
                ? loaded.Info
                : throw new InvalidOperationException($"Kernel {kernel.Name} has not been loaded; call {nameof(Load)} with a list that holds it.");
        }
    }

    /// <summary>Loads what of a list is not loaded on this device.</summary>
    internal void Prepare(LaunchList list)
    {
        foreach (var launch in list.Entries)
        {
            if (launch.Kind == LaunchKind.Kernel && launch.Loaded?.Context != this)
            {
                Load([list]);
                return;
            }
        }
    }

    private static (Kernel Kernel, string Define) KeyOf(Launch launch) => (launch.Kernel!, launch.Define ?? "");

    private void LoadMissing(Launch[] missing, IProgress<KernelProgress>? progress)
    {
        if (missing.Length == 0)
            return;
        var loaded = new ConcurrentBag<(Launch Launch, LoadedKernel Kernel)>();
        var started = Stopwatch.GetTimestamp();
        var done = 0;
        try
        {
            // One at a time a worker: compile times differ by a factor of twenty.
            var work = Partitioner.Create(missing, EnumerablePartitionerOptions.NoBuffering);
            Parallel.ForEach(work, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, launch =>
            {
                Enter();
                var kernel = LoadOne(launch);
                loaded.Add((launch, kernel));
                progress?.Report(new KernelProgress(Interlocked.Increment(ref done), missing.Length, kernel.Info.Name, kernel.Info.Cached));
            });
        }
        catch (AggregateException e)
        {
            // The first is for the user; the others are mostly the same mistake in other shapes.
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
        finally
        {
            foreach (var (launch, kernel) in loaded)
                _loaded[KeyOf(launch)] = kernel;
            _loading += Stopwatch.GetElapsedTime(started);
        }
    }

    private LoadedKernel LoadOne(Launch launch)
    {
        var kernel = launch.Kernel!;
        var built = _builder.Build(kernel, launch.Define);
        var result = Driver.LoadModule(built.Cubin, out var module);
        if (result != CudaResult.Success && result != CudaResult.OutOfMemory && built.Cached)
        {
            // A whole file whose cubin is none of this device's: written by something else under our name.
            built = _builder.Build(kernel, launch.Define, fresh: true);
            result = Driver.LoadModule(built.Cubin, out module);
        }

        Check(result, "cuModuleLoadData", kernel.Name);
        try
        {
            Check(Driver.ModuleFunction(module, kernel.Name, out var function), "cuModuleGetFunction", kernel.Name);
            CheckParameters(launch, function);
            return new LoadedKernel(this, module, function, Inspect(kernel, built, function));
        }
        catch
        {
            _ = Driver.UnloadModule(module);
            throw;
        }
    }

    private KernelInfo Inspect(Kernel kernel, CompiledKernel built, nint function)
    {
        var threads = Read(FunctionAttribute.MaximumThreads);
        if (kernel.Threads > threads)
            throw new CudaException($"Kernel {kernel.Name} is launched with {kernel.Threads} threads a block and was compiled for at most {threads}; make its launch bounds and its Threads agree.", "cuFuncGetAttribute", kernel.Name);
        var shared = Read(FunctionAttribute.StaticSharedBytes) + kernel.SharedBytes;
        if (shared > _found.SharedBytesPerBlock)
            throw new CudaException($"Kernel {kernel.Name} needs {shared} bytes of shared memory a block; {Name} has {_found.SharedBytesPerBlock}.", "cuFuncSetAttribute", kernel.Name);
        if (kernel.SharedBytes > 0)
            Check(Driver.SetAttribute(function, FunctionAttribute.DynamicSharedBytes, kernel.SharedBytes), "cuFuncSetAttribute", kernel.Name);
        return new KernelInfo(kernel.Name, Read(FunctionAttribute.Registers), shared, Read(FunctionAttribute.LocalBytes), built.Milliseconds, built.Cached, KernelBuilder.WarningsOf(built.Log));

        int Read(FunctionAttribute attribute)
        {
            Check(Driver.GetAttribute(function, attribute, out var value), "cuFuncGetAttribute", kernel.Name);
            return value;
        }
    }

    // A wrong argument list is memory corruption on the device; newer drivers know what the kernel expects.
    private void CheckParameters(Launch launch, nint function)
    {
        var kernel = launch.Kernel!.Name;
        var count = launch.Sizes.Length;
        for (var i = 0; i <= count; i++)
        {
            var result = Driver.Parameter(function, i, out _, out var bytes);
            if (result == CudaResult.NotSupported)
                return;
            if (result != CudaResult.InvalidValue)
                Check(result, "cuFuncGetParamInfo", kernel);
            var past = i == count;
            if (past != (result == CudaResult.InvalidValue))
                throw new CudaException($"Kernel {kernel} {(past ? "takes more than" : "does not take")} the {count} arguments of its launch.", "cuFuncGetParamInfo", kernel);
            if (past)
                return;
            // The driver copies each argument to where the kernel has it, which for tensor maps depends on where parameters begin.
            if (bytes != launch.Sizes[i])
                throw new CudaException($"Argument {i} of {kernel} is given as {launch.Sizes[i]} bytes and the kernel reads {bytes}; its type is not the kernel's.", "cuFuncGetParamInfo", kernel);
        }
    }
}
