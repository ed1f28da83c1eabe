using System.Reflection;
using ModGen.Hosting;

namespace ModGen.Benchmarks;

/// <summary>Runs something around a model of <c>specs/</c>, by its name.</summary>
internal static class SpecApp
{
    /// <summary>The verbs of an app.</summary>
    public static int Run(string name, string[] args)
    {
        if (Find(name) is not { } model)
            return 1;
        var run = typeof(ModGenApp).GetMethod(nameof(ModGenApp.Run), BindingFlags.Public | BindingFlags.Static, [typeof(string[]), typeof(string[])])!;
        return (int)run.MakeGenericMethod(model).Invoke(null, [args, Array.Empty<string>()])!;
    }

    /// <summary>A run that another implementation can repeat and be compared with.</summary>
    public static int RunParity(string name, string[] args)
    {
        if (Find(name) is not { } model || ParityOptions.Parse(args) is not { } options)
            return 1;
        var run = typeof(ParityRun<>).MakeGenericType(model).GetMethod(nameof(ParityRun<Specs.Dense>.Run), BindingFlags.Public | BindingFlags.Static)!;
        return run.CreateDelegate<Func<ParityOptions, int>>()(options);
    }

    private static Type? Find(string name)
    {
        var models = typeof(Specs.Dense).Assembly.GetTypes().Where(t => t.IsAssignableTo(typeof(DecoderModel))).OrderBy(t => t.Name, StringComparer.Ordinal).ToList();
        var model = models.Find(t => t.Name == name);
        if (model is null)
            Console.Error.WriteLine($"There is no model '{name}' in specs/: {string.Join(", ", models.Select(t => t.Name))}.");
        return model;
    }
}
