namespace ModGen.Cuda.Tests.Device;

/// <summary>Small kernels whose results are known.</summary>
internal static class DeviceKernels
{
    /// <summary>y[i] = 2 · x[i] + add, over ints.</summary>
    public static Kernel Step { get; } = Of(
        "step",
        256,
        """
        extern "C" __global__ void __launch_bounds__(256, 1) step(const int* x, int* y, int n, int add) {
            wait_for_previous_kernel();
            let_next_kernel_start();
            int i = int(blockIdx.x) * 256 + int(threadIdx.x);
            if (i < n) y[i] = 2 * x[i] + add;
        }
        """);

    /// <summary>Writes what it was given, as 64-bit words.</summary>
    public static Kernel Echo { get; } = Of(
        "echo",
        32,
        """
        extern "C" __global__ void __launch_bounds__(32, 1) echo(i64* out, int a, float b, i64 c, u32 d, Rows e, u64 f, Rows g) {
            wait_for_previous_kernel();
            if (threadIdx.x != 0) return;
            out[0] = a; out[1] = i64(b * 4.0f); out[2] = c; out[3] = d;
            out[4] = e.count(); out[5] = i64(f); out[6] = g.count(); out[7] = sizeof(element);
        }
        """);

    /// <summary>Reverses n ints through dynamic shared memory.</summary>
    public static Kernel Reverse(int sharedBytes) => Of(
        "reverse",
        256,
        """
        extern "C" __global__ void __launch_bounds__(256, 1) reverse(const int* x, int* y, int n) {
            extern __shared__ int tile[];
            wait_for_previous_kernel();
            for (int i = int(threadIdx.x); i < n; i += 256) tile[i] = x[i];
            __syncthreads();
            for (int i = int(threadIdx.x); i < n; i += 256) y[i] = tile[n - 1 - i];
        }
        """) with { SharedBytes = sharedBytes };

    /// <summary>Every block writes its rank in its cluster.</summary>
    public static Kernel Ranks(int cluster) => Of(
        "ranks",
        32,
        """
        extern "C" __global__ void __launch_bounds__(32, 1) ranks(u32* y) {
            wait_for_previous_kernel();
            if (threadIdx.x == 0) y[blockIdx.x] = cluster_rank();
        }
        """,
        "prelude sm90") with { Cluster = cluster };

    /// <summary>Copies a box of 64 x 8 two-byte elements through the copy engine; the swizzle is undone when it is written.</summary>
    public static Kernel Box { get; } = Of(
        "box",
        64,
        """
        extern "C" __global__ void __launch_bounds__(64, 1) box(const __grid_constant__ TensorMap map, u16* y, int column, int row) {
            __shared__ __align__(1024) unsigned char tile[8 * 128];
            __shared__ u64 barrier;
            wait_for_previous_kernel();
            if (threadIdx.x == 0) {
                barrier_init(&barrier, 1);
                barrier_init_fence();
                barrier_expect(&barrier, sizeof(tile));
                copy_box(tile, map, &barrier, column, row);
            }
            __syncthreads();
            barrier_wait(&barrier, 0);
            int r = int(threadIdx.x) / 8, chunk = int(threadIdx.x) % 8;
            *reinterpret_cast<uint4*>(y + r * 64 + chunk * 8) = *reinterpret_cast<const uint4*>(tile + swizzled(r, chunk));
        }
        """,
        "prelude sm90");

    public static Kernel Of(string name, int threads, string text, string families = "prelude") => new(name, families, threads, text + "\n");
}
