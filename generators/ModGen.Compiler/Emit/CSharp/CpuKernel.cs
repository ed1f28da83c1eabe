using System;
using System.Collections.Generic;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Emit.CSharp;

/// <summary>One row of the CPU's table: when the kernel applies, and the C# that calls it.</summary>
internal sealed record CpuKernel(KernelRule Rule, Func<CpuCall, IEnumerable<string>> Emit)
{
    /// <summary>A kernel for a single op.</summary>
    public static CpuKernel For<T>(string name, Func<Node, Operand[]> operands, Func<CpuCall, IEnumerable<string>> emit) where T : Op =>
        Fused(name, (_, node) => node.Op is T ? new KernelMatch([node], operands(node)) : null, emit);

    /// <summary>A kernel for a pattern of ops.</summary>
    public static CpuKernel Fused(string name, Func<Matcher, Node, KernelMatch?> match, Func<CpuCall, IEnumerable<string>> emit) =>
        new(new KernelRule(name, match), emit);
}
