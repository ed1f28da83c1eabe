namespace ModGen.Cuda;

public sealed unsafe partial class CudaStream
{
    /// <summary>Captures lists, one behind the other, into a graph; nothing runs.</summary>
    /// <exception cref="CudaException">A kernel does not load, or the driver refuses.</exception>
    public CudaGraph Capture(params ReadOnlySpan<LaunchList> lists)
    {
        foreach (var list in lists)
            Context.Prepare(list);
        using var capture = new Capturing(this);
        var afterKernel = false;
        foreach (var list in lists)
            afterKernel = capture.Stream.Enqueue(list, afterKernel, wait: false);
        return capture.End();
    }

    /// <summary>
    /// Times every launch of a list. The list runs as one graph with an event between any two launches, as often as asked;
    /// a launch's time is the median. It holds the boundary to the next launch, about a microsecond.
    /// </summary>
    /// <param name="list">The list; whatever it adds up or moves on, it does so as often as it runs.</param>
    /// <param name="repeats">How often it is timed, after one run that is not; at least 1.</param>
    /// <exception cref="CudaException">A kernel does not load, or something fails.</exception>
    public IReadOnlyList<(Launch Launch, double Microseconds)> Time(LaunchList list, int repeats)
    {
        ArgumentNullException.ThrowIfNull(list);
        ArgumentOutOfRangeException.ThrowIfLessThan(repeats, 1);
        Context.Prepare(list);
        var launches = list.Launches;
        var events = new CudaEvent[launches.Count + 1];
        try
        {
            for (var i = 0; i < events.Length; i++)
                events[i] = Context.CreateEvent(timed: true);
            using var graph = CaptureTimed(launches, events);
            var times = new double[launches.Count][];
            for (var i = 0; i < times.Length; i++)
                times[i] = new double[repeats];
            Launch(graph);
            for (var repeat = 0; repeat < repeats; repeat++)
            {
                Launch(graph);
                Synchronize();
                for (var i = 0; i < times.Length; i++)
                    times[i][repeat] = events[i + 1].MicrosecondsSince(events[i]);
            }

            return [.. launches.Select((launch, i) => (launch, Median(times[i])))];
        }
        finally
        {
            foreach (var ev in events)
                ev?.Dispose();
        }
    }

    private CudaGraph CaptureTimed(IReadOnlyList<Launch> launches, CudaEvent[] events)
    {
        using var capture = new Capturing(this);
        for (var i = 0; i <= launches.Count; i++)
        {
            Context.Check(Context.Driver.RecordEvent(events[i].Value, capture.Stream.Value, node: true), "cuEventRecordWithFlags");
            if (i < launches.Count)
                capture.Stream.Enqueue(launches[i], afterKernel: false);
        }

        return capture.End();
    }

    private static double Median(double[] values)
    {
        Array.Sort(values);
        return values.Length % 2 == 1 ? values[values.Length / 2] : (values[values.Length / 2 - 1] + values[values.Length / 2]) / 2;
    }

    /// <summary>
    /// A capture that has begun; disposed before its end, it is abandoned. It has a stream to itself: what else is asked of
    /// the owner's meanwhile, such as another thread's wait for every stream of the device, would end it.
    /// </summary>
    private sealed class Capturing : IDisposable
    {
        private readonly CudaStream _owner;
        private bool _ended;

        public Capturing(CudaStream owner)
        {
            _owner = owner;
            Stream = owner.Context.CreateStream();
            var begun = owner.Context.Driver.BeginCapture(Stream.Value);
            if (begun == CudaResult.Success)
                return;
            Stream.Dispose();
            owner.Context.Check(begun, "cuStreamBeginCapture");
        }

        /// <summary>What is put into this becomes the graph.</summary>
        public CudaStream Stream { get; }

        /// <summary>The graph, ready to be launched in the owner.</summary>
        public CudaGraph End()
        {
            var (context, driver) = (_owner.Context, _owner.Context.Driver);
            _ended = true;
            context.Check(driver.EndCapture(Stream.Value, out var graph), "cuStreamEndCapture");
            try
            {
                context.Check(driver.GraphNodes(graph, out var nodes), "cuGraphGetNodes");
                context.Check(driver.InstantiateGraph(graph, out var executable), "cuGraphInstantiateWithFlags", $"a graph of {nodes} launches");
                var made = new CudaGraph(context, executable, nodes);
                // Else the first launch pays for it.
                var uploaded = driver.UploadGraph(executable, _owner.Value);
                if (uploaded != CudaResult.Success)
                    made.Dispose();
                context.Check(uploaded, "cuGraphUpload");
                return made;
            }
            finally
            {
                _ = driver.DestroyGraph(graph);
            }
        }

        public void Dispose()
        {
            if (!_ended && _owner.Context.Driver.EndCapture(Stream.Value, out var graph) == CudaResult.Success)
                _ = _owner.Context.Driver.DestroyGraph(graph);
            Stream.Dispose();
        }
    }
}
