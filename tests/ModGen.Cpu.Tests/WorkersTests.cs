namespace ModGen.Cpu.Tests;

public class WorkersTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public unsafe void Every_piece_runs_once(int threads)
    {
        using var workers = new CpuWorkers(threads, CpuWorkers.VectorBits, inlineCost: 0);
        var counts = new int[1000];
        for (var round = 0; round < 200; round++)
        {
            fixed (int* p = counts)
                workers.Run(new CountJob { Counts = p }, counts.Length, 1);
        }

        Assert.All(counts, count => Assert.Equal(200, count));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void An_exception_of_a_piece_reaches_the_caller_and_the_workers_go_on(int threads)
    {
        using var workers = new CpuWorkers(threads, CpuWorkers.VectorBits, inlineCost: 0);
        for (var round = 0; round < 20; round++)
        {
            var error = Assert.Throws<InvalidOperationException>(() => workers.Run(new FailingJob(), 64, 1));
            Assert.Equal("piece 17", error.Message);
        }

        Every_piece_runs_once(threads);
    }

    [Fact]
    public async Task Kernels_called_from_many_threads_at_once_are_all_right()
    {
        using var workers = new CpuWorkers(2, CpuWorkers.VectorBits, inlineCost: 0);
        var data = new Data(5);
        float[] x = data.Normal(40 * 70), w = data.Normal(90 * 70);
        var expected = LinearTests.Product(x, w, 40, 70, 90);
        await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(
            () =>
            {
                for (var round = 0; round < 50; round++)
                {
                    var y = Data.Poison(40 * 90);
                    Linear.Forward(workers, x, w, y, 40, 70, 90);
                    Variants.Near(expected, y, "concurrent");
                }
            },
            TestContext.Current.CancellationToken)));
    }

    [Fact]
    public void A_kernel_allocates_nothing_once_warm()
    {
        using var workers = new CpuWorkers(2, CpuWorkers.VectorBits, inlineCost: 0);
        float[] x = new float[64 * 64], y = new float[64 * 64], qkv = new float[64 * 96], lse = new float[128];
        void Step()
        {
            Linear.Forward(workers, x, x, y, 64, 64, 64);
            Linear.Forward(workers, x, x, y, 2, 64, 64);
            CausalAttention.Forward(workers, qkv, y, lse, 1, 64, 2, 2, 16);
            RmsNorm.Backward(workers, x, x, x, y.AsSpan(0, 64), y, lse, 64, 64);
        }

        for (var i = 0; i < 50; i++)
            Step();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 50; i++)
            Step();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Workers_sleep_and_wake()
    {
        using var workers = new CpuWorkers(3, CpuWorkers.VectorBits, inlineCost: 0);
        for (var round = 0; round < 5; round++)
        {
            Thread.Sleep(20);
            var y = Data.Poison(64);
            Silu.Forward(workers, new float[64], y);
            Assert.All(y, value => Assert.Equal(0, value));
        }
    }

    private unsafe struct CountJob : IJob
    {
        public int* Counts;

        public readonly void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V> => Interlocked.Increment(ref Counts[piece]);
    }

    private readonly struct FailingJob : IJob
    {
        public void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            if (piece == 17)
                throw new InvalidOperationException("piece 17");
        }
    }
}
