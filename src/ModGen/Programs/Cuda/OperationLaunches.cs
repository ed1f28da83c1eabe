using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>Operations that are more than one kernel with a fixed grid: products, and gradients of columns.</summary>
internal static class OperationLaunches
{
    private const int MaximumArguments = 20;

    /// <summary>Elements that a block of an elementwise kernel takes.</summary>
    public const int ElementsABlock = 2048;

    /// <summary>Makes a gradient of rows of partial column sums, or adds them to it; a block for 32 columns.</summary>
    public static Kernel AddColumnPartials { get; } = new("add_partials", "prelude vectors elementwise", 256, """
        // gradient (width), added to or stored, of partials (blocks, width).
        extern "C" __global__ void __launch_bounds__(256, 1) add_partials(const float* partials, float* gradient, int width, int blocks, int add) {
            add_column_partials(partials, gradient, width, blocks, add);
        }
        """);

    /// <summary>Appends a product in the form that suits the device and the number of rows.</summary>
    public static void Linear(
        this LaunchWriter writer, LinearKernel kernel, DevicePointer a, DevicePointer b, DevicePointer result, RowCount rows, ReadOnlySpan<Argument> more)
    {
        var width = kernel.Outputs * kernel.Inputs;
        var adds = kernel.Pass == LinearPass.WeightGradient && writer.AddsTo(result, sizeof(float) * (long)width);
        if (kernel is { FewOutputs: true, Pass: LinearPass.WeightGradient })
        {
            // Two blocks a multiprocessor: each thread keeps but a few rows on their way.
            writer.Partials(kernel.Plain, 2 * writer.Context.Processors, width, [result], [adds], rows, [a, b], kernel.Flops(rows));
            return;
        }

        var chosen = kernel.Choose(writer.Context, rows);
        var turns = chosen.Turns > 0 ? writer.Turns(chosen.Turns) : default;
        var (gradient, slices) = (result, chosen.Hopper is { Apart: true } sliced ? sliced.Slices : 0);
        if (slices > 0)
            result = writer.Hold(sizeof(float) * (long)slices * width);
        if (chosen.Hopper is not null && writer.IsMeasuring)
        {
            // There is no memory yet that could be mapped.
            if (slices > 0)
                writer.ReleaseFrom(result);
            return;
        }

        var arguments = new Argument[MaximumArguments];
        if (chosen.Hopper is { } tile)
        {
            (arguments[0], arguments[1], arguments[2]) = kernel.Map(writer.Context, tile, a, b, result, rows.Most);
            arguments[3] = rows.Most;
        }
        else
        {
            arguments[0] = a;
            arguments[1] = b;
            arguments[2] = result;
            arguments[3] = rows;
        }

        more.CopyTo(arguments.AsSpan(4));
        var count = 4 + more.Length;
        if (kernel.Pass == LinearPass.WeightGradient)
            arguments[count++] = adds ? 1 : 0;
        if (chosen.Turns > 0 || slices > 0)
            arguments[count++] = turns;
        writer.Launch(chosen.Kernel, chosen.Blocks, arguments.AsSpan(0, count), chosen.Define, kernel.Flops(rows));
        if (slices > 0)
        {
            writer.AddPartials(result, gradient, width, slices, adds);
            writer.ReleaseFrom(result);
        }
    }

    /// <summary>Appends a product whose result is two branches, and SwiGLU of these.</summary>
    public static void LinearSwiGlu(
        this LaunchWriter writer, FusedLinear kernel, DevicePointer x, DevicePointer weight, DevicePointer branches, DevicePointer result, RowCount rows)
    {
        if (kernel.Choose(writer.Context, rows) is not { Hopper: { } tile } chosen)
        {
            writer.Linear(kernel.Product, x, weight, branches, rows, []);
            writer.Rest(kernel, rows, [branches, result, rows]);
        }
        else if (!writer.IsMeasuring)
        {
            var (a, b) = kernel.Map(writer.Context, tile, x, weight, rows.Most);
            writer.Launch(chosen.Kernel, chosen.Blocks, [a, b, result, branches, rows.Most], chosen.Define, kernel.Product.Flops(rows));
        }
    }

    /// <summary>Appends a product's input gradient, which is that of SwiGLU's result, and the gradient of the branches. The last may be the branches.</summary>
    public static void SwiGluInputGradient(
        this LaunchWriter writer, FusedLinear kernel, DevicePointer dy, DevicePointer weight, DevicePointer branches, DevicePointer result, RowCount rows)
    {
        if (kernel.Choose(writer.Context, rows) is not { Hopper: { } tile } chosen)
        {
            var hidden = writer.HoldResult(kernel, rows);
            writer.Linear(kernel.Product, dy, weight, hidden, rows, []);
            writer.Rest(kernel, rows, [branches, hidden, result, rows]);
            writer.Release();
        }
        else if (!writer.IsMeasuring)
        {
            var (a, b) = kernel.Map(writer.Context, tile, dy, weight, rows.Most);
            writer.Launch(chosen.Kernel, chosen.Blocks, [a, b, branches, result, rows.Most], chosen.Define, kernel.Product.Flops(rows));
        }
    }

    /// <summary>Appends a product and the rotation of its first heads by their positions.</summary>
    public static void LinearRotary(
        this LaunchWriter writer, FusedLinear kernel, DevicePointer x, DevicePointer weight, DevicePointer result, RowCount rows, DevicePointer positions, DevicePointer table)
    {
        if (kernel.Choose(writer.Context, rows) is not { Hopper: { } tile } chosen)
        {
            writer.Linear(kernel.Product, x, weight, result, rows, []);
            writer.Rest(kernel, rows, [result, positions, table, rows]);
        }
        else if (!writer.IsMeasuring)
        {
            var (a, b) = kernel.Map(writer.Context, tile, x, weight, rows.Most);
            writer.Launch(chosen.Kernel, chosen.Blocks, [a, b, FusedLinear.MapResult(writer.Context, result, rows.Most, kernel.Product.Outputs), rows.Most, positions, table], chosen.Define, kernel.Product.Flops(rows));
        }
    }

    /// <summary>Appends a product and its sum with rows that are there already, which may be the result's.</summary>
    public static void LinearSum(
        this LaunchWriter writer, FusedLinear kernel, DevicePointer x, DevicePointer weight, DevicePointer residual, DevicePointer result, RowCount rows)
    {
        if (kernel.Choose(writer.Context, rows) is not { Hopper: { } tile } chosen)
        {
            var product = writer.HoldResult(kernel, rows);
            writer.Linear(kernel.Product, x, weight, product, rows, []);
            writer.Rest(kernel, rows, [residual, product, result, rows]);
            writer.Release();
        }
        else if (!writer.IsMeasuring)
        {
            var (a, b) = kernel.Map(writer.Context, tile, x, weight, rows.Most);
            writer.Launch(chosen.Kernel, chosen.Blocks, [a, b, residual, result, rows.Most], chosen.Define, kernel.Product.Flops(rows));
        }
    }

    private static DevicePointer HoldResult(this LaunchWriter writer, FusedLinear kernel, RowCount rows) =>
        writer.Hold((writer.Context.Float32 ? sizeof(float) : sizeof(ushort)) * (long)rows.Most * kernel.Width);

    private static void Rest(this LaunchWriter writer, FusedLinear kernel, RowCount rows, ReadOnlySpan<Argument> arguments) =>
        writer.Launch(kernel.Rest, CudaTrainingProgram.Blocks((long)rows.Most * kernel.Width, ElementsABlock), arguments);

    /// <summary>
    /// Appends a kernel of persistent blocks that each leave a row of partial column sums for each of some gradients, and what makes
    /// gradients of these rows in their order or adds them to these. The kernel's last arguments are the partial sums and the rows.
    /// </summary>
    public static void ColumnSums(
        this LaunchWriter writer, Kernel kernel, int width, ReadOnlySpan<DevicePointer> gradients, RowCount rows, ReadOnlySpan<Argument> arguments)
    {
        var adds = new bool[gradients.Length];
        for (var i = 0; i < gradients.Length; i++)
            adds[i] = writer.AddsTo(gradients[i], sizeof(float) * (long)width);
        writer.Partials(kernel, writer.Context.Processors, width, gradients, adds, rows, arguments);
    }

    /// <summary>Appends a kernel of persistent blocks that each leave a partial sum, and the one that stores the total of these.</summary>
    public static void Total(this LaunchWriter writer, Kernel kernel, DevicePointer total, RowCount rows, ReadOnlySpan<Argument> arguments) =>
        writer.Partials(kernel, writer.Context.Processors, 1, [total], [false], rows, arguments);

    private static void Partials(
        this LaunchWriter writer, Kernel kernel, int most, int width, ReadOnlySpan<DevicePointer> sums, ReadOnlySpan<bool> adds, RowCount rows, ReadOnlySpan<Argument> arguments, double flops = 0)
    {
        // A block takes eight rows at a time; more blocks than rows would only leave zeros to be added.
        var blocks = Math.Min(most, (rows.Most + 7) / 8);
        var all = new Argument[MaximumArguments];
        arguments.CopyTo(all);
        var count = arguments.Length;
        var partials = new DevicePointer[sums.Length];
        for (var i = 0; i < sums.Length; i++)
            all[count++] = partials[i] = writer.Hold(sizeof(float) * (long)blocks * width);
        all[count++] = rows;
        writer.Launch(kernel, blocks, all.AsSpan(0, count), flops: flops);
        for (var i = 0; i < sums.Length; i++)
            writer.AddPartials(partials[i], sums[i], width, blocks, adds[i]);
        writer.ReleaseFrom(partials[0]);
    }

    private static void AddPartials(this LaunchWriter writer, DevicePointer partials, DevicePointer sum, int width, int count, bool adds) =>
        writer.Launch(AddColumnPartials, (width + 31) / 32, [partials, sum, width, count, adds ? 1 : 0]);
}
