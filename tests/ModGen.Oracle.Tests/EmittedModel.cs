using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Reflection;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using ModGen.Compiler;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Spec;

namespace ModGen.Oracle.Tests;

/// <summary>A specification with the class that was generated for it: both sides of every comparison.</summary>
internal sealed class EmittedModel
{
    private static readonly ConcurrentDictionary<ModelSpec, EmittedModel> Compiled = new();
    private static readonly ImmutableArray<MetadataReference> References =
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(path => Path.GetDirectoryName(path) == Path.GetDirectoryName(typeof(object).Assembly.Location))
            .Append(typeof(Device).Assembly.Location)
            .Append(typeof(Cpu.CpuWorkers).Assembly.Location)
            .Append(typeof(Cuda.Kernel).Assembly.Location)
            .Select(path => MetadataReference.CreateFromFile(path)),
    ];

    private readonly MethodInfo _create;

    private EmittedModel(ModelSpec spec, Type type)
    {
        Spec = spec;
        Graph = ModelGraph.Build(spec);
        _create = type.GetMethod("Create", [typeof(Device), typeof(ulong)])!;
    }

    public ModelSpec Spec { get; }

    public ModelGraph Graph { get; }

    /// <summary>Compiles a specification in memory. Whatever the compiler has to say about the generated text is an error.</summary>
    public static EmittedModel Of(ModelSpec spec) => Compiled.GetOrAdd(spec, static s => Compile([s])[0]);

    /// <summary>The same for many classes of one assembly, which is faster than one assembly each.</summary>
    public static IReadOnlyList<EmittedModel> Compile(IReadOnlyList<ModelSpec> specs)
    {
        var assembly = Load(specs);
        return [.. specs.Select(spec => new EmittedModel(spec, assembly.GetType(spec.Type.FullName, throwOnError: true)!))];
    }

    /// <summary>A class that the generator completed when this project was built.</summary>
    public static EmittedModel Of(Type type) => new(SpecReader.Read(type), type);

    /// <summary>An instance with the given parameters.</summary>
    public DecoderModel Create(ModelParameters parameters, TestDevice? on = null)
    {
        var model = (DecoderModel)_create.Invoke(null, [(on ?? TestDevice.Cpu).Device, 0UL])!;
        Assert.Equal(parameters.Names.Order(StringComparer.Ordinal), model.Parameters.Parameters.Select(p => p.Name).Order(StringComparer.Ordinal));
        foreach (var parameter in model.Parameters.Parameters)
        {
            var values = new float[parameter.Length];
            Assert.Equal(parameters[parameter.Name].Length, values.Length);
            for (var i = 0; i < values.Length; i++)
                values[i] = (float)parameters[parameter.Name][i];
            model.Weights.Write(parameter, values);
        }

        return model;
    }

    private static Assembly Load(IReadOnlyList<ModelSpec> specs)
    {
        var options = new CSharpParseOptions(LanguageVersion.CSharp12, DocumentationMode.Diagnose);
        var compilation = CSharpCompilation.Create(
            "Emitted" + specs[0].Type.Name, specs.SelectMany(spec => Sources(spec, options)), References,
            new CSharpCompilationOptions(
                OutputKind.DynamicallyLinkedLibrary, warningLevel: 9999, nullableContextOptions: NullableContextOptions.Enable, optimizationLevel: OptimizationLevel.Release));
        using var image = new MemoryStream();
        var result = compilation.Emit(image);
        var problems = result.Diagnostics.Where(d => d.Severity != DiagnosticSeverity.Hidden).ToList();
        Assert.True(problems.Count == 0, string.Join('\n', problems));
        return Assembly.Load(image.ToArray());
    }

    private static IEnumerable<SyntaxTree> Sources(ModelSpec spec, CSharpParseOptions options)
    {
        var user = $"namespace {spec.Type.Namespace};\n\n/// <summary>A model.</summary>\npublic partial class {spec.Type.Name};\n";
        return DecoderCompiler.Compile(spec).Files.Append(new GeneratedFile("User", user))
            .Select(file => CSharpSyntaxTree.ParseText(file.Text, options, $"{spec.Type.Name}.{file.Name}.cs"));
    }
}
