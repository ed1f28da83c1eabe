using System.Collections.Generic;

namespace ModGen.Compiler.Spec;

/// <summary>Names as C# source writes them.</summary>
public static class CSharpIdentifier
{
    // Reserved words, and the contextual ones that mean something else where a type's name stands.
    private static readonly HashSet<string> Keywords = new((
        "abstract as base bool break byte case catch char checked class const continue decimal default delegate do double "
        + "else enum event explicit extern false finally fixed float for foreach goto if implicit in int interface internal "
        + "is lock long namespace new null object operator out override params private protected public readonly ref return "
        + "sbyte sealed short sizeof stackalloc static string struct switch this throw true try typeof uint ulong unchecked "
        + "unsafe ushort using virtual void volatile while "
        + "allows async await dynamic extension field file global managed nameof nint not notnull nuint or and partial record "
        + "required scoped unmanaged value var when where with yield get set init add remove args").Split(' '));

    /// <summary>The name, with an @ before it where it is a keyword.</summary>
    public static string Escape(string name) => Keywords.Contains(name) ? "@" + name : name;
}
