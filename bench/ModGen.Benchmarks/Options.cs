using System.Globalization;

namespace ModGen.Benchmarks;

internal sealed record Options(string Verb, int Threads, string? Json, string? Only)
{
    private const string Usage = "Usage: gemm|attention|kernels|step|decode [--threads N] [--json FILE] [--only TEXT], model NAME VERB ..., or parity NAME FOLDER ...";

    public static Options? Parse(string[] args)
    {
        if (args.Length == 0 || args[0] is not ("gemm" or "attention" or "kernels" or "step" or "decode") || args.Length % 2 == 0)
        {
            Console.Error.WriteLine(Usage);
            return null;
        }

        var options = new Options(args[0], 1, null, null);
        for (var i = 1; i < args.Length; i += 2)
        {
            switch (args[i])
            {
                case "--threads" when int.TryParse(args[i + 1], CultureInfo.InvariantCulture, out var threads) && threads > 0:
                    options = options with { Threads = threads };
                    break;
                case "--json":
                    options = options with { Json = args[i + 1] };
                    break;
                case "--only":
                    options = options with { Only = args[i + 1] };
                    break;
                default:
                    Console.Error.WriteLine($"'{args[i]} {args[i + 1]}' is not an option. {Usage}");
                    return null;
            }
        }

        return options;
    }
}
