namespace ModGen.Cuda.Tests;

/// <summary>The products of a layer in all their forms, as generated code writes them.</summary>
internal static class LinearKernels
{
    private const string PortableFamilies = "prelude sm80 linear_stores linear_sm80", RowsFamilies = "prelude sm80 linear_stores linear_rows";
    private const string HopperFamilies = "prelude sm90 wgmma linear_stores linear_sm90 linear_epilogues_sm90", PlainFamilies = "prelude linear_stores linear_any";

    public static LinearKernel Of(LinearPass pass, int outputs, int inputs) => pass switch
    {
        LinearPass.Forward => Make(pass, outputs, inputs, "false, false", "a, {1}, b, {1}, rows, {0}, {1}, StoreElement{{y, {0}}}", "rows, {0}, {1}", mapped: true),
        LinearPass.InputGradient => Make(pass, outputs, inputs, "false, true", "a, {0}, b, {1}, rows, {1}, {0}, StoreElement{{y, {1}}}", "rows, {1}, {0}", mapped: true),
        _ => Make(pass, outputs, inputs, "true, true", "a, {0}, b, {1}, {0}, {1}, rows, Accumulate{{y, {1}, add != 0}}", "{0}, {1}, rows", mapped: false),
    };

    /// <summary>Y = X Wᵀ + bias, of float32, through the stores of every family.</summary>
    public static LinearKernel WithBias(int outputs, int inputs)
    {
        var store = $"StoreBias<float>{{y, bias, {outputs}}}";
        var sizes = $"{outputs}, {inputs}";
        const string Pointers = "const element* a, const element* b, float* y, Rows rows, const float* bias";
        return new LinearKernel("biased", LinearPass.Forward, outputs, inputs)
        {
            Plain = Entry(PlainFamilies, Pointers, $"linear_any<false, false>(a, {inputs}, b, {inputs}, rows, {sizes}, {store});"),
            Portable = Entry(PortableFamilies, Pointers, $"linear_sm80<LinearTile80<LINEAR_COLUMNS, false, false, LINEAR_STAGES, 8, LINEAR_THREADS>>(a, {inputs}, b, {inputs}, rows, {sizes}, {store});", "LINEAR_THREADS"),
            Hopper = Entry(HopperFamilies, "const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, float* y, int rows, const float* bias",
                $"linear_sm90<{HopperTileText("false, false")}>(a, b, rows, {sizes}, LINEAR_SLICES, RowStore<StoreBias<float>>{{{store}, rows, {outputs}}});", "LINEAR_THREADS"),
            Few = Entry(RowsFamilies, Pointers, $"linear_rows<32, {sizes}>(a, b, rows, {store});"),
        };
    }

    private static LinearKernel Make(LinearPass pass, int outputs, int inputs, string layout, string operands, string sizes, bool mapped)
    {
        var call = string.Format(null, operands, outputs, inputs);
        sizes = string.Format(null, sizes, outputs, inputs);
        var result = mapped ? "element* y" : "float* y";
        var add = mapped ? "" : ", int add";
        var turns = mapped ? "" : ", u32* turns";
        var pointers = $"const element* a, const element* b, {result}, Rows rows{add}";
        return new LinearKernel(pass.ToString(), pass, outputs, inputs)
        {
            Plain = Entry(PlainFamilies, pointers, $"linear_any<{layout}>({call});"),
            Portable = Entry(PortableFamilies, pointers + turns, $"linear_sm80<LinearTile80<LINEAR_COLUMNS, {layout}, LINEAR_STAGES, 8, LINEAR_THREADS>>({call}{(mapped ? "" : ", LINEAR_SLICES, turns")});", "LINEAR_THREADS"),
            Hopper = Entry(
                HopperFamilies, $"const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, {(mapped ? "const __grid_constant__ TensorMap y" : result)}, int rows{add}{turns}",
                $"linear_sm90<{HopperTileText(layout)}>(a, b, {sizes}, LINEAR_SLICES, {(mapped ? "StoreBf16{y}" : $"WeightGradientF32<LINEAR_APART>{{y, turns, {outputs}, {inputs}, add != 0}}")});", "LINEAR_THREADS"),
            Few = pass == LinearPass.Forward ? Entry(RowsFamilies, pointers, $"linear_rows<32, {outputs}, {inputs}>(a, b, rows, StoreElement{{y, {outputs}}});") : null,
            ResultMapped = mapped,
        };
    }

    private static string HopperTileText(string layout) => $"LinearTile<LINEAR_COLUMNS, {layout}, LINEAR_STAGES, LINEAR_CLUSTER, 8, LINEAR_CONSUMERS>";

    private static Kernel Entry(string families, string parameters, string call, string threads = "256") =>
        new("product", families, 256, $"extern \"C\" __global__ void __launch_bounds__({threads}, 1) product({parameters}) {{\n    {call}\n}}\n");
}
