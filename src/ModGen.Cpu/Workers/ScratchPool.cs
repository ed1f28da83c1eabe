namespace ModGen.Cpu;

/// <summary>Scratch memory to rent for the length of a kernel. After the first kernels nothing is allocated.</summary>
internal sealed class ScratchPool : IDisposable
{
    private readonly Stack<Scratch> _idle = new();
    private Scratch? _next;
    private bool _disposed;

    public Scratch Rent()
    {
        if (Interlocked.Exchange(ref _next, null) is { } scratch)
            return scratch;
        lock (_idle)
            return _idle.TryPop(out scratch) ? scratch : new Scratch();
    }

    public void Return(Scratch scratch)
    {
        if (!Volatile.Read(ref _disposed) && Interlocked.CompareExchange(ref _next, scratch, null) is null)
            return;
        lock (_idle)
        {
            if (!_disposed)
            {
                _idle.Push(scratch);
                return;
            }
        }

        scratch.Dispose();
    }

    public void Dispose()
    {
        lock (_idle)
        {
            _disposed = true;
            while (_idle.TryPop(out var scratch))
                scratch.Dispose();
        }

        Interlocked.Exchange(ref _next, null)?.Dispose();
    }
}
