using System.Runtime.ExceptionServices;
using System.Runtime.Intrinsics;

namespace ModGen.Cpu;

/// <summary>
/// The threads that kernels run on. A kernel is cut into pieces that depend on its sizes and never on the number of
/// threads, so results are bitwise the same for any number. The caller works along; the others spin for a moment after
/// each kernel, since the next one usually follows at once, and then sleep. One kernel has the threads at a time;
/// a kernel called meanwhile from elsewhere runs on its caller alone.
/// </summary>
public sealed unsafe class CpuWorkers : IDisposable
{
    // About a microsecond of work (in floats touched); waking other threads for less costs more than it gains.
    private const long InlineCost = 12_000;
    private const int SpinsBeforeSleep = 4_000;
    private const int Open = 1 << 30;

    private readonly int _bits;
    private readonly long _inlineCost;
    private readonly Thread[] _threads;
    private readonly object _sleep = new();
    private readonly ScratchPool _scratch = new();

    private int _taken;
    private int _epoch;
    private int _sleeping;
    private bool _stopping;

    // The kernel at work: valid while the gate is open or threads are inside.
    private delegate*<void*, int, Scratch, void> _body;
    private void* _job;
    private int _pieces;
    private int _nextPiece;
    private int _gate;
    private ExceptionDispatchInfo? _failure;

    /// <summary>Starts the workers.</summary>
    /// <param name="threads">Threads, the caller's included; 0 for one a processor.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="threads"/> is negative.</exception>
    public CpuWorkers(int threads = 0)
        : this(threads, VectorBits, InlineCost)
    {
    }

    internal CpuWorkers(int threads, int vectorBits, long inlineCost)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        Count = threads > 0 ? threads : Environment.ProcessorCount;
        _bits = vectorBits;
        _inlineCost = inlineCost;
        _threads = new Thread[Count - 1];
        for (var i = 0; i < _threads.Length; i++)
        {
            _threads[i] = new Thread(Work) { IsBackground = true, Name = $"ModGen kernel {i + 1}" };
            _threads[i].Start();
        }
    }

    /// <summary>Width of the vectors that kernels use on this machine: 512, 256 or 128.</summary>
    /// <remarks>The environment variable MODGEN_CPU_VECTOR_BITS asks for narrower ones than the hardware has.</remarks>
    public static int VectorBits { get; } = ChooseVectorBits();

    /// <summary>Threads that share a kernel, the caller's included.</summary>
    public int Count { get; }

    /// <summary>Memory for a kernel that works in several steps; give it back with <see cref="Return"/>.</summary>
    /// <exception cref="ObjectDisposedException">The workers have been disposed: nobody would free what is rented now.</exception>
    internal Scratch Rent()
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _stopping), this);
        return _scratch.Rent();
    }

    internal void Return(Scratch scratch) => _scratch.Return(scratch);

    /// <summary>Runs every piece of a job and returns when all are done.</summary>
    /// <param name="job">The job; it stays on the caller's stack.</param>
    /// <param name="pieces">How many pieces; a function of sizes only.</param>
    /// <param name="cost">All pieces together, in floats touched; cheap jobs stay on the caller's thread.</param>
    internal void Run<TJob>(TJob job, int pieces, long cost)
        where TJob : unmanaged, IJob
    {
        delegate*<void*, int, Scratch, void> body = _bits switch
        {
            512 => &Piece<TJob, Lanes512>,
            256 => &Piece<TJob, Lanes256>,
            _ => &Piece<TJob, Lanes128>,
        };
        var scratch = Rent();
        try
        {
            if (pieces == 1 || _threads.Length == 0 || cost < _inlineCost || Interlocked.CompareExchange(ref _taken, 1, 0) != 0)
            {
                for (var piece = 0; piece < pieces; piece++)
                    body(&job, piece, scratch);
            }
            else
            {
                Share(body, &job, pieces, scratch);
            }
        }
        finally
        {
            _scratch.Return(scratch);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_sleep)
        {
            Volatile.Write(ref _stopping, true);
            Monitor.PulseAll(_sleep);
        }

        foreach (var thread in _threads)
            thread.Join();
        _scratch.Dispose();
    }

    private static void Piece<TJob, V>(void* job, int piece, Scratch scratch)
        where TJob : unmanaged, IJob
        where V : struct, ILanes<V> => ((TJob*)job)->Run<V>(piece, scratch);

    private void Share(delegate*<void*, int, Scratch, void> body, void* job, int pieces, Scratch scratch)
    {
        _body = body;
        _job = job;
        _pieces = pieces;
        _nextPiece = 0;
        _failure = null;
        Volatile.Write(ref _gate, Open);
        Interlocked.Increment(ref _epoch);
        if (Volatile.Read(ref _sleeping) > 0)
        {
            lock (_sleep)
                Monitor.PulseAll(_sleep);
        }

        TakePieces(scratch);

        // Closing the gate keeps late threads out, so nobody waits for a thread that never came.
        Interlocked.And(ref _gate, ~Open);
        var spin = new SpinWait();
        while (Volatile.Read(ref _gate) != 0)
            spin.SpinOnce(sleep1Threshold: -1);

        var failure = _failure;
        Volatile.Write(ref _taken, 0);
        failure?.Throw();
    }

    private void TakePieces(Scratch scratch)
    {
        try
        {
            int piece;
            while ((piece = Interlocked.Increment(ref _nextPiece) - 1) < _pieces)
                _body(_job, piece, scratch);
        }
#pragma warning disable CA1031 // Whatever a piece throws reaches the caller of the kernel.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(e), null);
        }
    }

    private void Work()
    {
        using var scratch = new Scratch();
        var seen = 0;
        while (WaitForKernel(ref seen))
        {
            var gate = Volatile.Read(ref _gate);
            while ((gate & Open) != 0)
            {
                var before = Interlocked.CompareExchange(ref _gate, gate + 1, gate);
                if (before == gate)
                {
                    TakePieces(scratch);
                    Interlocked.Decrement(ref _gate);
                    break;
                }

                gate = before;
            }
        }
    }

    private bool WaitForKernel(ref int seen)
    {
        for (var spin = 0; spin < SpinsBeforeSleep; spin++)
        {
            var epoch = Volatile.Read(ref _epoch);
            if (epoch != seen)
            {
                seen = epoch;
                return true;
            }

            Thread.SpinWait(1);
        }

        lock (_sleep)
        {
            Interlocked.Increment(ref _sleeping);
            while (Volatile.Read(ref _epoch) == seen && !_stopping)
                Monitor.Wait(_sleep);
            Interlocked.Decrement(ref _sleeping);
            seen = _epoch;
            return !_stopping;
        }
    }

    private static int ChooseVectorBits()
    {
        var hardware = Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;
        var asked = Environment.GetEnvironmentVariable("MODGEN_CPU_VECTOR_BITS");
        return asked switch
        {
            "512" or "256" or "128" => Math.Min(hardware, int.Parse(asked, System.Globalization.CultureInfo.InvariantCulture)),
            _ => hardware,
        };
    }
}
