using System.CommandLine;

namespace ModGen.Hosting.Commands;

/// <summary>The option that says in what a GPU holds the operands of its products.</summary>
internal static class PrecisionOption
{
    public const string BFloat16 = "bfloat16", Float32 = "float32";

    public static Option<CudaPrecision> Create() => new("--precision")
    {
        Description = $"What a GPU holds the operands of its products in: {BFloat16}, the default, or {Float32} to compare with the CPU.",
        HelpName = "NAME",
        CustomParser = result =>
        {
            var name = result.Tokens.Count > 0 ? result.Tokens[0].Value : "";
            if (name is not (BFloat16 or Float32))
                result.AddError($"--precision is '{name}'; it must be {BFloat16} or {Float32}.");
            return name == Float32 ? CudaPrecision.Float32 : CudaPrecision.BFloat16;
        },
    };
}
