using System;
using System.Collections.Generic;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>One row of the GPU's table: when the kernel applies, and the C# that launches it.</summary>
internal sealed record CudaKernel(KernelRule Rule, Func<CudaCall, IEnumerable<string>> Emit)
{
    /// <summary>A kernel for a single op.</summary>
    public static CudaKernel For<T>(string name, Func<Node, Operand[]> operands, Func<CudaCall, IEnumerable<string>> emit) where T : Op =>
        Fused(name, (_, node) => node.Op is T ? new KernelMatch([node], operands(node)) : null, emit);

    /// <summary>A kernel for a pattern of ops.</summary>
    public static CudaKernel Fused(string name, Func<Matcher, Node, KernelMatch?> match, Func<CudaCall, IEnumerable<string>> emit) =>
        new(new KernelRule(name, match), emit);

    /// <summary>A kernel that also leaves its result <paramref name="role"/> as an operand, where the graph narrows it.</summary>
    public static CudaKernel FusedNarrow(string name, string role, Func<Matcher, Node, KernelMatch?> match, Func<CudaCall, IEnumerable<string>> emit) =>
        Fused(name, (m, node) => match(m, node) is { } found ? WithNarrow(m, found, role) : null, emit);

    private static KernelMatch? WithNarrow(Matcher matcher, KernelMatch match, string role)
    {
        var result = System.Linq.Enumerable.First(match.Operands, o => o.Role == role).Value;
        return matcher.Use<Narrow>(result) is { } narrow
            ? new KernelMatch([.. match.Nodes, narrow], [.. match.Operands, Operand.Write("narrow", narrow.Output)])
            : null;
    }
}
