using ModGen.Benchmarks;

// dotnet run -c Release --project bench/ModGen.Benchmarks -- gemm|attention|kernels|step|decode [--threads N] [--json FILE] [--only TEXT]
// dotnet run -c Release --project bench/ModGen.Benchmarks -- model NAME bench|train|... (the verbs of an app around a class of specs/)
// dotnet run -c Release --project bench/ModGen.Benchmarks -- parity NAME FOLDER --data TEXT ... (a run for bench/peers/torch_parity.py)
// dotnet run -c Release --project bench/ModGen.Benchmarks -- smoke [bfloat16|float32] [MODEL ...] (seconds of a GPU: for compute-sanitizer)
if (args is ["smoke", ..])
    return DeviceSmoke.Run(args[1..]);
if (args is ["model", var model, ..])
    return SpecApp.Run(model, args[2..]);
if (args is ["parity", var compared, ..])
    return SpecApp.RunParity(compared, args[2..]);
var options = Options.Parse(args);
if (options is null)
    return 1;
var report = new Report(options);
switch (options.Verb)
{
    case "gemm":
        GemmBenchmark.Run(report);
        break;
    case "attention":
        AttentionBenchmark.Run(report);
        break;
    case "kernels":
        KernelBenchmark.Run(report);
        break;
    case "step":
        StepBenchmark.Run(report);
        break;
    case "decode":
        DecodeBenchmark.Run(report);
        break;
}

report.Save();
return 0;
