using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;
using static ModGen.Compiler.Emit.Cuda.CudaTexts;
using static ModGen.Compiler.Planning.Operand;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>The three products of a linear layer, and what is stored of them.</summary>
internal static class CudaLinearKernels
{
    // So many outputs a thread holds; a tile of the matrix instructions would be all but empty.
    private const int FewOutputs = 8;

    public static IReadOnlyList<CudaKernel> All { get; } =
    [
        CudaKernel.For<Linear>("linear",
            n => n.Inputs.Count == 3
                ? [Read("x", n.Inputs[0]), Read("weight", n.Inputs[1]), Read("bias", n.Inputs[2]), Write("y", n.Output)]
                : [Read("x", n.Inputs[0]), Read("weight", n.Inputs[1]), Write("y", n.Output)],
            c =>
            {
                var entry = Forward(c.Width("y"), c.Width("x"), c.Element("y"), c.Has("bias") ? Stored.WithBias : Stored.Plain);
                return [Launch(c, entry, c["x"], c["weight"], c["y"], c.Rows("x"), c.Has("bias") ? [c["bias"]] : [])];
            }),
        CudaKernel.For<LinearInputGradient>("linear_input_gradient",
            n => [Read("dy", n.Inputs[0]), Read("weight", n.Inputs[1]), Write("dx", n.Output)],
            c => [Launch(c, InputGradient(c.Width("dy"), c.Width("dx")), c["dy"], c["weight"], c["dx"], c.Rows("dy"))]),
        CudaKernel.For<LinearWeightGradient>("linear_weight_gradient",
            n => [Read("x", n.Inputs[0]), Read("dy", n.Inputs[1]), Write("dweight", n.Output)],
            c => [Launch(c, WeightGradient(c.Width("dy"), c.Width("x")), c["dy"], c["x"], c["dweight"], c.Rows("x"))]),
    ];

    public static IReadOnlyList<CudaKernel> Sampling { get; } =
    [
        CudaKernel.Fused("linear_add", FusedPatterns.LinearAdd, c =>
        {
            var entry = Forward(c.Width("y"), c.Width("x"), c.Element("y"), c.Element("residual") == "float" ? Stored.AddedToFloat : Stored.AddedToElement);
            return [Launch(c, entry, c["x"], c["weight"], c["y"], c.Rows("x"), c["residual"])];
        }),
    ];

    /// <summary>What becomes of a product.</summary>
    internal enum Stored
    {
        Plain,
        WithBias,
        AddedToFloat,
        AddedToElement,
    }

    /// <summary>The statement that launches a product.</summary>
    public static string Launch(CudaCall c, LinearEntry entry, string a, string b, string result, string rows, params string[] more) =>
        $"Linear({c.Catalog.Add(entry)}, {a}, {b}, {result}, {rows}{(more.Length == 0 ? "" : $", [{string.Join(", ", more)}]")});";

    /// <summary>y = x Wᵀ.</summary>
    public static LinearEntry Forward(int outputs, int inputs, string y, Stored stored)
    {
        var name = $"linear_{Literal.Of(outputs)}x{Literal.Of(inputs)}{Suffix(y)}" + stored switch { Stored.WithBias => "_bias", Stored.AddedToFloat => "_add_float", Stored.AddedToElement => "_add", _ => "" };
        List<EntryParameter> parameters =
        [
            Pointer("const element", "x", $"(rows, {Literal.Of(inputs)})"), Pointer("const element", "w", $"({Literal.Of(outputs)}, {Literal.Of(inputs)})"),
            Pointer(y, "y", $"(rows, {Literal.Of(outputs)})"), Rows,
        ];
        if (stored == Stored.WithBias)
            parameters.Add(Pointer("const float", "bias", $"({Literal.Of(outputs)})"));
        else if (stored != Stored.Plain)
            parameters.Add(Pointer(stored == Stored.AddedToFloat ? "const float" : "const element", "residual", $"(rows, {Literal.Of(outputs)}), may be y"));
        var store = stored switch
        {
            Stored.WithBias => $"StoreBias<{y}>{{y, bias, {Literal.Of(outputs)}}}",
            Stored.AddedToFloat => $"AddTo<float, {y}>{{residual, y, {Literal.Of(outputs)}}}",
            Stored.AddedToElement => $"AddTo<element, {y}>{{residual, y, {Literal.Of(outputs)}}}",
            _ => y == "float" ? $"StoreFloat{{y, {Literal.Of(outputs)}}}" : $"StoreElement{{y, {Literal.Of(outputs)}}}",
        };
        var few = $"linear_rows<32, {Literal.Of(outputs)}, {Literal.Of(inputs)}>(x, w, rows, {store});";
        if (outputs <= FewOutputs)
            return EntryOfFewOutputs(name, "Forward", outputs, inputs, parameters, $"linear_outputs<{Literal.Of(outputs)}, {Literal.Of(inputs)}>(x, w, rows, {store});", few: few);
        var operands = $"x, {Literal.Of(inputs)}, w, {Literal.Of(inputs)}, rows, {Literal.Of(outputs)}, {Literal.Of(inputs)}, {store}";
        return Entry(name, "Forward", outputs, inputs, parameters, "false, false", operands, store, mapped: stored == Stored.Plain && y == "element", few);
    }

    /// <summary>dx = dy W.</summary>
    public static LinearEntry InputGradient(int outputs, int inputs)
    {
        var name = $"linear_input_gradient_{Literal.Of(outputs)}x{Literal.Of(inputs)}";
        List<EntryParameter> parameters =
        [
            Pointer("const element", "dy", $"(rows, {Literal.Of(outputs)})"), Pointer("const element", "w", $"({Literal.Of(outputs)}, {Literal.Of(inputs)})"),
            Pointer("element", "dx", $"(rows, {Literal.Of(inputs)})"), Rows,
        ];
        return outputs <= FewOutputs
            ? EntryOfFewOutputs(name, "InputGradient", outputs, inputs, parameters, $"linear_outputs_dgrad<{Literal.Of(outputs)}, {Literal.Of(inputs)}>(dy, w, dx, rows);")
            : Entry(name, "InputGradient", outputs, inputs, parameters,
                "false, true", $"dy, {Literal.Of(outputs)}, w, {Literal.Of(inputs)}, rows, {Literal.Of(inputs)}, {Literal.Of(outputs)}, StoreElement{{dx, {Literal.Of(inputs)}}}", "", mapped: true);
    }

    /// <summary>dW += dyᵀ x.</summary>
    public static LinearEntry WeightGradient(int outputs, int inputs)
    {
        var name = $"linear_weight_gradient_{Literal.Of(outputs)}x{Literal.Of(inputs)}";
        List<EntryParameter> operands = [Pointer("const element", "dy", $"(rows, {Literal.Of(outputs)})"), Pointer("const element", "x", $"(rows, {Literal.Of(inputs)})")];
        return outputs <= FewOutputs
            ? EntryOfFewOutputs(name, "WeightGradient", outputs, inputs,
                [.. operands, Pointer("float", "partials", $"(blocks, {Literal.Of(outputs)}, {Literal.Of(inputs)})"), Rows],
                $"linear_outputs_wgrad<{Literal.Of(outputs)}, {Literal.Of(inputs)}>(dy, x, partials, rows);")
            : Entry(name, "WeightGradient", outputs, inputs,
                [.. operands, Pointer("float", "dw", $"({Literal.Of(outputs)}, {Literal.Of(inputs)}), added to or stored"), Rows, Value("int", "add")],
                "true, true", $"dy, {Literal.Of(outputs)}, x, {Literal.Of(inputs)}, {Literal.Of(outputs)}, {Literal.Of(inputs)}, rows, Accumulate{{dw, {Literal.Of(inputs)}, add != 0}}", "", mapped: false);
    }

    /// <summary>The forms of a product with few outputs: one at the speed of memory for any number of rows, and few rows where they are counted on the device.</summary>
    private static LinearEntry EntryOfFewOutputs(
        string name, string pass, int outputs, int inputs, List<EntryParameter> parameters, string body, string? few = null)
    {
        List<EntryForm> forms = [new("Plain", new CudaText(name, "prelude vectors linear_stores linear_outputs", 256, parameters.ToEquatableArray(), body))];
        if (few is not null)
            forms.Add(FewRows(name, parameters, few));
        return new LinearEntry(name, pass, outputs, inputs, forms.ToEquatableArray(), ResultMapped: false, FewOutputs: true);
    }

    private static EntryForm FewRows(string name, List<EntryParameter> parameters, string body) =>
        new("Few", new CudaText(name, "prelude sm80 linear_stores linear_rows", 256, parameters.ToEquatableArray(), body));

    /// <summary>
    /// The forms of a product: plain for float32 and odd sizes, tensor cores where rows are whole 16-byte groups, few rows where
    /// they are counted on the device. Parameters are A, B, C, the rows, and what <paramref name="store"/> takes beyond C.
    /// </summary>
    private static LinearEntry Entry(
        string name, string pass, int outputs, int inputs, List<EntryParameter> parameters, string layout, string operands, string store, bool mapped, string? few = null)
    {
        var plain = new CudaText(name, "prelude linear_stores linear_any", 256, parameters.ToEquatableArray(), $"linear_any<{layout}>({operands});");
        List<EntryForm> forms = [new("Plain", plain)];
        var tensorCores = outputs % 8 == 0 && inputs % 8 == 0;
        if (tensorCores)
        {
            var adds = pass == "WeightGradient";
            List<EntryParameter> all = adds ? [.. parameters, Turns] : parameters;
            forms.Add(new("Portable", new CudaText(name, "prelude sm80 linear_stores linear_sm80", 256, all.ToEquatableArray(),
                $"linear_sm80<LinearTile80<LINEAR_COLUMNS, {layout}, LINEAR_STAGES, 8, LINEAR_THREADS>>({operands}{(adds ? ", LINEAR_SLICES, turns" : "")});", Bound: "LINEAR_THREADS")));
            forms.Add(new("Hopper", Hopper(name, pass, outputs, inputs, all, layout, store, mapped)));
        }

        if (few is not null)
            forms.Add(FewRows(name, parameters, few));
        return new LinearEntry(name, pass, outputs, inputs, forms.ToEquatableArray(), tensorCores && mapped);
    }

    // Slices of a reduction add in turn: a word for whoever stores, zero before and after.
    private static EntryParameter Turns { get; } = Pointer("u32", "turns", "(tiles), zero before and after");

    /// <summary>The form for Hopper: operands, and a result that is stored as it is, as tensor maps; the tile's constants are the launch's.</summary>
    private static CudaText Hopper(string name, string pass, int outputs, int inputs, List<EntryParameter> parameters, string layout, string store, bool mapped)
    {
        var (a, b, c) = (parameters[0], parameters[1], parameters[2]);
        List<EntryParameter> all = [Map(a), Map(b), mapped ? Map(c) : c, Value("int", "rows"), .. parameters.Skip(4)];
        var (height, width, depth) = pass switch
        {
            "Forward" => ("rows", Literal.Of(outputs), Literal.Of(inputs)),
            "InputGradient" => ("rows", Literal.Of(inputs), Literal.Of(outputs)),
            _ => (Literal.Of(outputs), Literal.Of(inputs), "rows"),
        };
        var epilogue = pass == "WeightGradient" ? $"WeightGradientF32<LINEAR_APART>{{{c.Name}, turns, {height}, {width}, add != 0}}"
            : mapped ? $"StoreBf16{{{c.Name}}}"
            : $"RowStore<{store.Substring(0, store.IndexOf('{'))}>{{{store}, {height}, {width}}}";
        return new CudaText(name, "prelude sm90 wgmma linear_stores linear_sm90 linear_epilogues_sm90", 384, all.ToEquatableArray(),
            $"linear_sm90<LinearTile<LINEAR_COLUMNS, {layout}, LINEAR_STAGES, LINEAR_CLUSTER, 8, LINEAR_CONSUMERS>>(\n    {a.Name}, {b.Name}, {height}, {width}, {depth}, LINEAR_SLICES, {epilogue});",
            Bound: "LINEAR_THREADS");

        static EntryParameter Map(EntryParameter matrix) => new("const __grid_constant__ TensorMap", matrix.Name, matrix.Shape);
    }
}
