using System;
using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;

namespace ModGen.Compiler.Planning;

/// <summary>What a back end declares: the kernels it has, and in which precision they take and leave values.</summary>
/// <param name="Rules">Its kernels, the most fused first.</param>
/// <param name="Precisions">Its precisions; null when everything is a word.</param>
/// <param name="WidestEntered">The widest stream for which it has the kernels of <see cref="EnteredGradients"/>; 0 without them.</param>
public sealed record BackEnd(IReadOnlyList<KernelRule> Rules, IPrecisionTable? Precisions = null, int WidestEntered = 0);

/// <summary>The precisions of a back end's kernels.</summary>
public interface IPrecisionTable
{
    /// <summary>The precision in which <paramref name="node"/> must find its operand, or null when it takes either.</summary>
    Precision? Takes(Node node, int input);

    /// <summary>The precision of a result.</summary>
    /// <param name="node">The node.</param>
    /// <param name="output">Which result.</param>
    /// <param name="inputs">The precisions of what it reads.</param>
    Precision Leaves(Node node, int output, IReadOnlyList<Precision> inputs);
}
