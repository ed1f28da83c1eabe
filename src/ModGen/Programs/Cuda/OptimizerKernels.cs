using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>The kernels of an update, the same for every model.</summary>
internal static class OptimizerKernels
{
    private const string Families = "prelude vectors adamw";

    /// <summary>The global norm of the gradient; four blocks a processor.</summary>
    public static Kernel Norm { get; } = new("gradient_norm", Families, 512, """
        // norm[0] = root of the sum of squares of the gradient, (count) f32.
        extern "C" __global__ void __launch_bounds__(512, 1) gradient_norm(const float* gradient, i64 count, float* partials, u32* ticket, float* norm) {
            global_norm<512>(gradient, count, partials, ticket, norm);
        }
        """);

    /// <summary>Adds a run's loss to the step's; one block.</summary>
    public static Kernel NoteLoss { get; } = new("note_loss", "prelude", 32, """
        // sum[0] += loss[0]: not finite as soon as one loss is not.
        extern "C" __global__ void __launch_bounds__(32, 1) note_loss(const float* loss, float* sum) {
            wait_for_previous_kernel();
            if (threadIdx.x == 0) sum[0] += loss[0];
        }
        """);

    /// <summary>Lets a loss that is not finite stop the update as a norm does that is not, and either of them all updates behind it; one block.</summary>
    public static Kernel Guard { get; } = new("guard_norm", "prelude", 32, """
        // norm[0] = sum[0] where that is not finite. Then sum[0] = 0, but where either is not finite it stays so for the next step.
        extern "C" __global__ void __launch_bounds__(32, 1) guard_norm(float* norm, float* sum) {
            wait_for_previous_kernel();
            if (threadIdx.x != 0) return;
            float losses = sum[0];
            if (!(fabsf(losses) < MODGEN_INFINITY)) norm[0] = losses;
            else sum[0] = fabsf(norm[0]) < MODGEN_INFINITY ? 0.0f : norm[0];
        }
        """);

    /// <summary>AdamW over whole arenas; 2048 elements a block.</summary>
    public static Kernel AdamW { get; } = new("adamw_step", Families, 256, """
        // All arenas (count); weights is null where the master is the operand. Decay applies to alternate runs of elements.
        extern "C" __global__ void __launch_bounds__(256, 1) adamw_step(
            float* master, float* moment1, float* moment2, float* gradient, element* weights, i64 count,
            const i64* run_ends, int runs, int first_decays, const AdamWStep* step, const float* norm) {
            AdamW p;
            p.master = master;
            p.moment1 = moment1;
            p.moment2 = moment2;
            p.gradient = gradient;
            p.weights = weights;
            p.count = count;
            p.run_ends = run_ends;
            p.runs = runs;
            p.first_decays = first_decays;
            p.step = step;
            p.norm = norm;
            adamw<256, 2, false>(p);
        }
        """);
}
