using System.IO.Compression;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace ModGen.Hosting.Commands;

/// <summary>
/// The generated C# of a model. The C# compiler puts the text of generated files into the debug symbols of the assembly,
/// so what is written here is what was compiled.
/// </summary>
internal static class GeneratedSource
{
    private const string GeneratedSuffix = ".g.cs";

    // "Embedded source" of the Portable PDB format.
    private static readonly Guid EmbeddedSource = new("0E8A571B-6926-466E-B4AD-8AB04611F5FE");

    /// <summary>Writes the files of a model into a folder and returns their paths.</summary>
    /// <exception cref="AppException">The assembly's debug symbols are missing or hold no source.</exception>
    public static IReadOnlyList<string> Write(Type model, string folder)
    {
        var files = Read(model);
        Directory.CreateDirectory(folder);
        var written = new List<string>();
        foreach (var (name, text) in files)
        {
            var path = Path.Combine(folder, name);
            File.WriteAllBytes(path, text);
            written.Add(path);
        }

        return written;
    }

    /// <summary>The project file that takes every C# file of a folder into its build, unless it lies below bin or obj; null for none.</summary>
    public static string? CompiledAgainBy(string folder)
    {
        for (var at = new DirectoryInfo(folder); at is not null && at.Name is not ("bin" or "obj"); at = at.Parent)
            if (at.EnumerateFiles("*.csproj").FirstOrDefault() is { } project)
                return project.Name;
        return null;
    }

    private static List<(string Name, byte[] Text)> Read(Type model)
    {
        var assembly = model.Assembly.Location;
        if (assembly.Length == 0)
            throw new AppException($"{model.Assembly.GetName().Name} was not loaded from a file; its generated source is in the debug symbols of a normal build.");
        using var image = new PEReader(File.OpenRead(assembly));
        if (!image.TryOpenAssociatedPortablePdb(assembly, path => File.Exists(path) ? File.OpenRead(path) : null, out var provider, out _) || provider is null)
            throw new AppException($"{Path.ChangeExtension(assembly, ".pdb")} is missing; the generated source is in these debug symbols, build with DebugType portable or embedded.");
        using (provider)
        {
            var symbols = provider.GetMetadataReader();
            var documents = Documents(image.GetMetadataReader(), symbols, model);
            var files = documents.Select(entry => (entry.Key, Text(symbols, entry.Value)!)).Where(file => file.Item2 is not null).ToList();
            return files.Count > 0 ? files : throw new AppException($"The debug symbols of {Path.GetFileName(assembly)} hold no source of {model.Name}.");
        }
    }

    /// <summary>The generated documents that hold methods of the model or of a type nested in it.</summary>
    private static SortedDictionary<string, DocumentHandle> Documents(MetadataReader metadata, MetadataReader symbols, Type model)
    {
        var found = new SortedDictionary<string, DocumentHandle>(StringComparer.Ordinal);
        foreach (var type in WithNested(metadata, (TypeDefinitionHandle)MetadataTokens.Handle(model.MetadataToken)))
        {
            foreach (var method in metadata.GetTypeDefinition(type).GetMethods())
            {
                var information = symbols.GetMethodDebugInformation(method);
                foreach (var document in information.GetSequencePoints().Select(point => point.Document).Append(information.Document))
                    if (!document.IsNil && Name(symbols, document) is var name && name.EndsWith(GeneratedSuffix, StringComparison.Ordinal))
                        found[name] = document;
            }
        }

        return found;
    }

    private static IEnumerable<TypeDefinitionHandle> WithNested(MetadataReader metadata, TypeDefinitionHandle type) =>
        metadata.GetTypeDefinition(type).GetNestedTypes().SelectMany(nested => WithNested(metadata, nested)).Prepend(type);

    private static string Name(MetadataReader symbols, DocumentHandle document) =>
        symbols.GetString(symbols.GetDocument(document).Name).Split('/', '\\')[^1];

    private static byte[]? Text(MetadataReader symbols, DocumentHandle document)
    {
        foreach (var handle in symbols.GetCustomDebugInformation(document))
        {
            var information = symbols.GetCustomDebugInformation(handle);
            if (symbols.GetGuid(information.Kind) == EmbeddedSource)
                return Unpack(symbols.GetBlobBytes(information.Value));
        }

        return null;
    }

    /// <summary>Four bytes of length, 0 for text as it is, then the text, deflated when the length is not 0.</summary>
    private static byte[] Unpack(byte[] blob)
    {
        if (BitConverter.ToInt32(blob) == 0)
            return blob[sizeof(int)..];
        using var packed = new DeflateStream(new MemoryStream(blob, sizeof(int), blob.Length - sizeof(int)), CompressionMode.Decompress);
        using var text = new MemoryStream();
        packed.CopyTo(text);
        return text.ToArray();
    }
}
