using System.Collections.Generic;
using System.Linq;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>What a launch refers to: one entry point, or several forms of one operation among which the device chooses.</summary>
internal abstract record CudaEntry(string Name)
{
    /// <summary>Writes the C# field that holds it.</summary>
    public abstract void Write(CodeWriter writer, string field);
}

/// <summary>One parameter of an entry point: its C++ type, its name, and for a pointer the shape behind it.</summary>
internal sealed record EntryParameter(string Type, string Name, string Shape = "");

/// <summary>The CUDA text of one entry point: a family's function with every size filled in.</summary>
/// <param name="Name">Name of the entry point.</param>
/// <param name="Families">The kernel families that it needs, in order.</param>
/// <param name="Threads">Threads a block.</param>
/// <param name="Parameters">Its parameters.</param>
/// <param name="Body">The call of the family's function.</param>
/// <param name="Shared">Bytes of dynamic shared memory.</param>
/// <param name="Blocks">Blocks that one multiprocessor must be able to hold.</param>
/// <param name="Bound">Threads a block as the text says it, where a tile's constants decide; null for <paramref name="Threads"/>.</param>
/// <param name="Resident">Blocks a multiprocessor as the text says it; null for <paramref name="Blocks"/>.</param>
internal sealed record CudaText(
    string Name, string Families, int Threads, EquatableArray<EntryParameter> Parameters, string Body, long Shared = 0, int Blocks = 1, string? Bound = null, string? Resident = null)
{
    /// <summary>Writes the constructor call of the kernel behind <paramref name="head"/>, which ends in an equals sign.</summary>
    public void Write(CodeWriter writer, string head, string end)
    {
        writer.Line($"{head} new({Literal.String(Name)}, {Literal.String(Families)}, {Literal.Of(Threads)},");
        writer.Line("    \"\"\"");
        foreach (var line in Lines())
            writer.Line(line.Length == 0 ? "" : "    " + line);
        writer.Line($"    \"\"\"{(Shared > 0 ? $", {Literal.Of(Shared)}" : "")}){end}");
    }

    private IEnumerable<string> Lines()
    {
        yield return $"extern \"C\" __global__ void __launch_bounds__({Bound ?? Literal.Of(Threads)}, {Resident ?? Literal.Of(Blocks)}) {Name}(";
        var widest = Parameters.Max(p => p.Type.Length + p.Name.Length);
        for (var i = 0; i < Parameters.Count; i++)
        {
            var (type, name, shape) = (Parameters[i].Type, Parameters[i].Name, Parameters[i].Shape);
            var end = i == Parameters.Count - 1 ? ")" : ",";
            var padding = shape.Length == 0 ? "" : new string(' ', widest - type.Length - name.Length + (end == ")" ? 1 : 1)) + "// " + shape;
            yield return $"    {type} {name}{end}{padding}";
        }

        yield return "{";
        foreach (var line in Body.Split('\n'))
            yield return "    " + line;
        yield return "}";
    }
}

/// <summary>An entry point in one form.</summary>
internal sealed record SingleEntry(CudaText Text) : CudaEntry(Text.Name)
{
    public override void Write(CodeWriter writer, string field) => Text.Write(writer, $"public static readonly Cuda::Kernel {field} =", ";");
}

/// <summary>A matrix product in the forms that it has.</summary>
/// <param name="Name">Name of the product.</param>
/// <param name="Pass">Forward, InputGradient or WeightGradient.</param>
/// <param name="Outputs">Outputs of the layer.</param>
/// <param name="Inputs">Inputs of the layer.</param>
/// <param name="Forms">The property of each form and its text.</param>
/// <param name="ResultMapped">Whether the Hopper form takes its result as a tensor map.</param>
/// <param name="FewOutputs">Whether the plain form is of the family for few outputs.</param>
internal sealed record LinearEntry(
    string Name, string Pass, int Outputs, int Inputs, EquatableArray<EntryForm> Forms, bool ResultMapped, bool FewOutputs = false) : CudaEntry(Name)
{
    public override void Write(CodeWriter writer, string field)
    {
        using (writer.Block($"public static readonly Cuda::LinearKernel {field} = new({Literal.String(Name)}, Cuda::LinearPass.{Pass}, {Literal.Of(Outputs)}, {Literal.Of(Inputs)})", close: "};"))
        {
            foreach (var form in Forms)
                form.Text.Write(writer, form.Property + " =", ",");
            if (ResultMapped)
                writer.Line("ResultMapped = true,");
            if (FewOutputs)
                writer.Line("FewOutputs = true,");
        }
    }
}

/// <summary>A product and what is done to its result element by element, in one kernel on Hopper.</summary>
/// <param name="Name">Name of both together.</param>
/// <param name="Product">The expression of the product in generated C#.</param>
/// <param name="Rest">The expression of what follows it.</param>
/// <param name="Width">Elements of a row that the rest runs over.</param>
/// <param name="Fused">Both in one.</param>
/// <param name="Properties">What the launch must know besides, as initialisers.</param>
internal sealed record FusedLinearEntry(string Name, string Product, string Rest, int Width, CudaText Fused, string Properties) : CudaEntry(Name)
{
    public override void Write(CodeWriter writer, string field)
    {
        using (writer.Block($"public static readonly Cuda::FusedLinear {field} = new({Literal.String(Name)}, {Product.Substring(Product.IndexOf('.') + 1)}, {Rest.Substring(Rest.IndexOf('.') + 1)}, {Literal.Of(Width)})", close: "};"))
        {
            Fused.Write(writer, "Hopper =", ",");
            if (Properties.Length > 0)
                writer.Line(Properties + ",");
        }
    }
}

/// <summary>An operation in the forms that it has, other than a product.</summary>
/// <param name="Type">The type of its field: AttentionKernel, CachedAttentionKernel.</param>
/// <param name="Name">Name of the operation.</param>
/// <param name="Arguments">What the launch must know of its shape, if anything.</param>
/// <param name="Forms">The property of each form and its text.</param>
internal sealed record OperationEntry(string Type, string Name, string Arguments, EquatableArray<EntryForm> Forms) : CudaEntry(Name)
{
    public override void Write(CodeWriter writer, string field)
    {
        using (writer.Block($"public static readonly Cuda::{Type} {field} = new({Literal.String(Name)}{(Arguments.Length == 0 ? "" : ", " + Arguments)})", close: "};"))
            foreach (var form in Forms)
                form.Text.Write(writer, form.Property + " =", ",");
    }
}

/// <summary>One form of an operation.</summary>
internal sealed record EntryForm(string Property, CudaText Text);
