using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using ModGen.Compiler;

namespace ModGen.Generator.Reading;

/// <summary>The named arguments of one attribute, by name.</summary>
internal sealed class ArgumentReader
{
    private readonly Dictionary<string, TypedConstant> _arguments = new();

    public ArgumentReader(AttributeData attribute, CancellationToken cancellation)
    {
        foreach (var argument in attribute.NamedArguments)
            _arguments[argument.Key] = argument.Value;
        var written = attribute.ApplicationSyntaxReference?.GetSyntax(cancellation) as AttributeSyntax;
        // Roslyn leaves out what does not bind at all, and marks what binds to no constant.
        IsReadable = attribute.AttributeConstructor is not null
            && (written?.ArgumentList?.Arguments.Count ?? 0) == attribute.NamedArguments.Length
            && _arguments.Values.All(IsConstant);
    }

    /// <summary>False when an argument has an error of the compiler's own.</summary>
    public bool IsReadable { get; }

    /// <summary>The value, or null when the argument is not given.</summary>
    public T? Value<T>(string name) where T : struct =>
        _arguments.TryGetValue(name, out var constant) && constant.Kind is TypedConstantKind.Primitive or TypedConstantKind.Enum
            && constant.Value is T value ? value : null;

    /// <summary>The elements, or null when the argument is not given or null.</summary>
    public EquatableArray<T>? Array<T>(string name) where T : struct, IEquatable<T> =>
        _arguments.TryGetValue(name, out var constant) && constant is { Kind: TypedConstantKind.Array, IsNull: false }
            ? constant.Values.Select(static element => element.Value).OfType<T>().ToEquatableArray()
            : null;

    private static bool IsConstant(TypedConstant constant) => constant.Kind switch
    {
        TypedConstantKind.Error => false,
        TypedConstantKind.Array => constant.IsNull || constant.Values.All(IsConstant),
        _ => true,
    };
}
