using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>
/// Gradients and moments on a GPU, and the launches of an update: the global norm, then AdamW over the whole arenas, which
/// also writes the operands' copy. What changes between steps lies in device memory.
/// </summary>
internal sealed class CudaOptimizer : IDisposable
{
    private const int NormThreads = 512, NormBlocksPerProcessor = 4, Threads = 256, ElementsPerThread = 8;

    // AdamWStep of adamw.cuh: nine floats; behind it the norm, its ticket, and a block sum for every block of the norm.
    private const int StepFloats = 9, NormAt = 64, TicketAt = 68, PartialsAt = 128;
    private readonly CudaContext _context;
    private readonly CudaParameterMemory _weights;
    private readonly DeviceMemory?[] _states = new DeviceMemory?[3];
    private readonly DeviceMemory _small;
    private readonly DeviceMemory _runEnds;
    private readonly PinnedMemory[] _step;
    private readonly PinnedMemory _norms;
    private readonly CudaEvent[] _fetched;
    private readonly int _runs;
    private readonly bool _firstDecays;

    public CudaOptimizer(CudaContext context, CudaStream stream, ParameterTable parameters, CudaParameterMemory weights)
    {
        _context = context;
        _weights = weights;
        var ends = RunEnds(parameters, weights.PaddedLength, out _firstDecays);
        _runs = ends.Length;
        _small = context.Allocate(PartialsAt + (long)sizeof(float) * NormBlocks, "the optimizer's scalars");
        _runEnds = context.Allocate((long)sizeof(long) * ends.Length, "runs of parameters that decay");
        _step = new PinnedMemory[TrainingProgram.MostUnderWay];
        _fetched = new CudaEvent[TrainingProgram.MostUnderWay];
        for (var i = 0; i < TrainingProgram.MostUnderWay; i++)
            (_step[i], _fetched[i]) = (context.AllocatePinned(StepFloats * sizeof(float)), context.CreateEvent());
        _norms = context.AllocatePinned(TrainingProgram.MostUnderWay * sizeof(float));
        stream.Upload<long>(_runEnds.Pointer, ends);
    }

    private int NormBlocks => _context.Processors * NormBlocksPerProcessor;

    private DevicePointer Norm => _small.Pointer + NormAt;

    /// <summary>True when a state has memory already.</summary>
    public bool Has(TrainingState state) => _states[(int)state] is not null;

    /// <summary>The memory of a state, zeroed when it comes to be.</summary>
    public DevicePointer State(TrainingState state) => (_states[(int)state] ??= _context.Allocate(Bytes, Describe(state))).Pointer;

    public long Bytes => _weights.PaddedLength * sizeof(float);

    /// <summary>Appends the launches of an update.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="lossSum">Sum of the step's losses: the norm becomes it where it is not finite. Zeroed.</param>
    public void Append(LaunchWriter writer, DevicePointer lossSum)
    {
        var count = _weights.PaddedLength;
        var gradients = State(TrainingState.Gradients);
        writer.Launch(OptimizerKernels.Norm, NormBlocks, [gradients, count, _small.Pointer + PartialsAt, _small.Pointer + TicketAt, Norm]);
        writer.Launch(OptimizerKernels.Guard, 1, [Norm, lossSum]);
        writer.Launch(
            OptimizerKernels.AdamW, CudaTrainingProgram.Blocks(count, Threads * ElementsPerThread),
            [
                _weights.Master, State(TrainingState.FirstMoment), State(TrainingState.SecondMoment), gradients, _weights.Copy, count,
                _runEnds.Pointer, _runs, _firstDecays ? 1 : 0, _small.Pointer, Norm,
            ]);
    }

    /// <summary>Sends the numbers of an update ahead of its launches.</summary>
    /// <param name="stream">The stream of the launches.</param>
    /// <param name="number">Below <see cref="TrainingProgram.MostUnderWay"/>; the last update of this number has been awaited.</param>
    /// <param name="update">The numbers.</param>
    public void Send(CudaStream stream, int number, in AdamWUpdate update)
    {
        var step = _step[number].Span<float>(0, StepFloats);
        step[0] = update.LearningRate;
        step[1] = update.Beta1;
        step[2] = update.Beta2;
        step[3] = update.Epsilon;
        step[4] = update.WeightDecay;
        step[5] = (float)(1 - Math.Pow(update.Beta1, update.Step));
        step[6] = (float)(1 - Math.Pow(update.Beta2, update.Step));
        step[7] = 1;
        step[8] = update.ClipNorm > 0 ? update.ClipNorm : float.PositiveInfinity;
        stream.Upload(_small.Pointer, step);
    }

    /// <summary>Asks for an update's norm.</summary>
    public void FetchNorm(CudaStream stream, int number)
    {
        stream.Download(NormOf(number), Norm);
        stream.Record(_fetched[number]);
    }

    /// <summary>Waits for the norm that was asked for, and so for all that was asked before.</summary>
    public float AwaitNorm(int number)
    {
        _fetched[number].Synchronize();
        return NormOf(number)[0];
    }

    /// <summary>Bytes that a kernel of an update moves; 0 for others.</summary>
    public long BytesOf(Kernel kernel)
    {
        // Weights, moments and gradient are read; all but the gradient, and the operands' copy, are written.
        var update = 7 * sizeof(float) + (_weights.Copy.IsNull ? 0 : sizeof(ushort));
        return _weights.PaddedLength * (kernel == OptimizerKernels.Norm ? sizeof(float) : kernel == OptimizerKernels.AdamW ? update : 0);
    }

    public void Dispose()
    {
        foreach (var state in _states)
            state?.Dispose();
        _norms.Dispose();
        foreach (var fetched in _fetched)
            fetched.Dispose();
        foreach (var step in _step)
            step.Dispose();
        _runEnds.Dispose();
        _small.Dispose();
    }

    private Span<float> NormOf(int number) => _norms.Span<float>(number * sizeof(float), 1);

    /// <summary>Where runs of elements end that decay alike; decaying and other runs alternate. What lies between tensors is zero and may be in either.</summary>
    private static long[] RunEnds(ParameterTable parameters, long length, out bool firstDecays)
    {
        var runs = ParameterRun.Of(parameters, int.MaxValue).ToList();
        firstDecays = runs[0].Decays;
        var ends = new List<long>();
        for (var i = 1; i < runs.Count; i++)
            if (runs[i].Decays != runs[i - 1].Decays)
                ends.Add(runs[i].Offset);
        ends.Add(length);
        return [.. ends];
    }

    private static string Describe(TrainingState state) => state switch
    {
        TrainingState.Gradients => "gradients in float32",
        TrainingState.FirstMoment => "AdamW's first moments",
        _ => "AdamW's second moments",
    };
}
