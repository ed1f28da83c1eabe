using System.Security.Cryptography;
using System.Text;
using ModGen.Compiler.Emit;
using ModGen.Compiler.Emit.CSharp;
using ModGen.Compiler.Emit.Cuda;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Planning;
using ModGen.Compiler.Spec;

namespace ModGen.Compiler;

/// <summary>One file of generated source.</summary>
/// <param name="Name">Its place among the model's files: <c>Model</c>, <c>Training</c>, <c>CudaKernels</c>.</param>
/// <param name="Text">Its text; lines end with \n.</param>
public sealed record GeneratedFile(string Name, string Text);

/// <summary>What a specification compiles to.</summary>
public sealed record CompiledModel(EquatableArray<GeneratedFile> Files, CostReport Cost);

/// <summary>The compiler: a pure function from a specification to source text and costs.</summary>
public static class DecoderCompiler
{
    /// <summary>Compiles a valid specification.</summary>
    /// <exception cref="GraphException">A defect of the compiler: a stage broke a rule that the next one relies on.</exception>
    public static CompiledModel Compile(ModelSpec spec)
    {
        var graph = ModelGraph.Build(spec);
        var training = TrainingPlan.Create(graph, CpuKernels.BackEnd);
        var inference = InferencePlan.Create(graph, CpuKernels.BackEnd);
        var cost = CostReport.Of(training);
        var kernels = new KernelCatalog();
        var cudaTraining = new CudaTrainingFile(TrainingPlan.Create(graph, CudaKernels.Training), kernels).Write();
        var cudaInference = new CudaInferenceFile(InferencePlan.Create(graph, CudaKernels.Sampling), kernels).Write();
        return new CompiledModel(
            EquatableArray.Of(
                new GeneratedFile("Model", new ModelFile(training, cost, Fingerprint(spec)).Write()),
                new GeneratedFile("Training", new TrainingFile(training).Write()),
                new GeneratedFile("Inference", new InferenceFile(inference).Write()),
                new GeneratedFile("CudaTraining", cudaTraining),
                new GeneratedFile("CudaInference", cudaInference),
                new GeneratedFile("CudaKernels", CudaKernelsFile.Write(spec, kernels))),
            cost);
    }

    /// <summary>Hash of everything that decides what a checkpoint's numbers mean: all of the declaration but the class's name.</summary>
    private static string Fingerprint(ModelSpec spec)
    {
        var text = new StringBuilder();
        foreach (var number in new[] { spec.Vocabulary, spec.Width, spec.Heads, spec.KeyValueHeads, spec.HeadWidth, spec.FeedForward, spec.Context })
            text.Append(Literal.Of(number)).Append(' ');
        text.Append(spec.TiedHead).Append(' ').Append(Literal.Double(spec.RotaryBase)).Append(' ').Append(Literal.Double(spec.NormEpsilon));
        foreach (var block in spec.Blocks)
            text.Append('\n').Append(block.Routing is { } r
                ? $"{r.Kind} {Literal.Of(r.Tokens)} {r.Gate} {Literal.Double(r.AuxiliaryWeight)} {Literal.Of(r.PredictorWidth)}"
                : "dense");
        using var sha = SHA256.Create();
        var hash = new StringBuilder();
        foreach (var b in sha.ComputeHash(Encoding.UTF8.GetBytes(text.ToString())))
            hash.Append(b.ToString("x2", System.Globalization.CultureInfo.InvariantCulture));
        return hash.ToString(0, 16);
    }
}
