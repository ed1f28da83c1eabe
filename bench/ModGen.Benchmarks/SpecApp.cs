using System.Reflection;
using ModGen.Hosting;

namespace ModGen.Benchmarks;

/// <summary>An app around a model of <c>specs/</c>, by its name.</summary>
internal static class SpecApp
{
    public static int Run(string name, string[] args)
    {
        var models = typeof(Specs.Dense).Assembly.GetTypes().Where(t => t.IsAssignableTo(typeof(DecoderModel))).OrderBy(t => t.Name, StringComparer.Ordinal).ToList();
        if (models.Find(t => t.Name == name) is not { } model)
        {
            Console.Error.WriteLine($"There is no model '{name}' in specs/: {string.Join(", ", models.Select(t => t.Name))}.");
            return 1;
        }

        var run = typeof(ModGenApp).GetMethod(nameof(ModGenApp.Run), BindingFlags.Public | BindingFlags.Static, [typeof(string[]), typeof(string[])])!;
        return (int)run.MakeGenericMethod(model).Invoke(null, [args, Array.Empty<string>()])!;
    }
}
