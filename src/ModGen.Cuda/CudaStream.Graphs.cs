namespace ModGen.Cuda;

public sealed unsafe partial class CudaStream
{
    /// <summary>Captures lists, one behind the other, into a graph; nothing runs.</summary>
    /// <exception cref="CudaException">A kernel does not load, or the driver refuses.</exception>
    public CudaGraph Capture(params ReadOnlySpan<LaunchList> lists)
    {
        foreach (var list in lists)
            Context.Prepare(list);
        var captured = BeginCapture();
        try
        {
            var afterKernel = false;
            foreach (var list in lists)
                afterKernel = Enqueue(list, afterKernel, wait: false);
        }
        catch
        {
            captured.Abandon();
            throw;
        }

        return captured.End();
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
        var captured = BeginCapture();
        try
        {
            for (var i = 0; i <= launches.Count; i++)
            {
                Context.Check(Context.Driver.RecordEvent(events[i].Value, Value, node: true), "cuEventRecordWithFlags");
                if (i < launches.Count)
                    Enqueue(launches[i], afterKernel: false);
            }
        }
        catch
        {
            captured.Abandon();
            throw;
        }

        return captured.End();
    }

    private static double Median(double[] values)
    {
        Array.Sort(values);
        return values.Length % 2 == 1 ? values[values.Length / 2] : (values[values.Length / 2 - 1] + values[values.Length / 2]) / 2;
    }

    private Capturing BeginCapture()
    {
        Context.Enter();
        Context.Check(Context.Driver.BeginCapture(Value), "cuStreamBeginCapture");
        return new Capturing(this);
    }

    /// <summary>A capture that has begun, to be ended or abandoned.</summary>
    private readonly struct Capturing(CudaStream stream)
    {
        public CudaGraph End()
        {
            var (context, driver) = (stream.Context, stream.Context.Driver);
            context.Check(driver.EndCapture(stream.Value, out var graph), "cuStreamEndCapture");
            try
            {
                context.Check(driver.GraphNodes(graph, out var nodes), "cuGraphGetNodes");
                context.Check(driver.InstantiateGraph(graph, out var executable), "cuGraphInstantiateWithFlags", $"a graph of {nodes} launches");
                var made = new CudaGraph(context, executable, nodes);
                // Else the first launch pays for it.
                var uploaded = driver.UploadGraph(executable, stream.Value);
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

        public void Abandon()
        {
            if (stream.Context.Driver.EndCapture(stream.Value, out var graph) == CudaResult.Success)
                _ = stream.Context.Driver.DestroyGraph(graph);
        }
    }
}
