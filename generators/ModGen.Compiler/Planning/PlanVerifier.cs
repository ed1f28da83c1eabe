using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Planning;

/// <summary>
/// Runs a plan on memory that remembers who wrote it last: every read must find the value that was meant. So it catches
/// overlapping live buffers, reads before writes, and results overwritten too early. What a kernel writes may lie over
/// what it reads only where the kernel says so.
/// </summary>
public static class PlanVerifier
{
    /// <exception cref="GraphException">A kernel would read something else than the plan says.</exception>
    public static void Verify(SectionPlan plan)
    {
        var memory = new Dictionary<(StorageKind, Precision), List<(long Begin, long End, Value Owner)>>();
        var graph = plan.Graph;
        foreach (var given in graph.Inputs.Concat(graph.Parameters))
            Write(given);
        foreach (var launch in plan.Forward.Concat(plan.Backward))
        {
            foreach (var read in launch.Reads)
                Check(read, launch);
            foreach (var operand in launch.Operands.Where(o => o.Access == Access.Write))
                CheckApart(operand, launch);
            foreach (var written in launch.Writes)
                Write(written);
        }

        foreach (var report in plan.Section.Reports)
            Check(report.Value, null);
        if (plan.Section.StreamOut is { } streamOut && plan.Gradients is null)
            Check(streamOut, null);
        if (plan.Gradients?.GradientOut is { } gradientOut)
            Check(gradientOut, null);
        if (plan.Rounded.Out is { } rounded)
            Check(rounded, null);
        var covered = plan.Forward.Concat(plan.Backward).SelectMany(l => l.Nodes).ToList();
        if (covered.Count != graph.Nodes.Count || covered.Distinct().Count() != covered.Count)
            throw new GraphException($"{plan.Section.Name}: {graph.Nodes.Count} nodes, {covered.Count} computed.");

        void Write(Value value)
        {
            var storage = StorageOf(value);
            if (IsOutside(storage))
                return;
            var cells = Cells(storage);
            cells.RemoveAll(c => c.Begin < storage.Offset + storage.Length && storage.Offset < c.End);
            cells.Add((storage.Offset, storage.Offset + storage.Length, value));
        }

        void Check(Value value, Launch? launch)
        {
            var storage = StorageOf(value);
            if (IsOutside(storage))
                return;
            if (!Cells(storage).Any(c => c.Owner == value))
                throw new GraphException($"{plan.Section.Name}: {(object?)launch ?? "the caller"} reads {value.Name}, whose memory holds something else.");
        }

        void CheckApart(Operand written, Launch launch)
        {
            var storage = StorageOf(written.Value);
            if (IsOutside(storage))
                return;
            foreach (var other in launch.Operands.Where(o => o != written))
            {
                var place = StorageOf(other.Value);
                var overlaps = place.Kind == storage.Kind && place.Precision == storage.Precision && place.Offset < storage.Offset + storage.Length && storage.Offset < place.Offset + place.Length;
                if (overlaps && !(other.Value == written.InPlaceOf && place == storage))
                    throw new GraphException($"{plan.Section.Name}: {launch} writes {written.Value.Name} over its own operand {other.Value.Name}.");
            }
        }

        Storage StorageOf(Value value) => plan.Storage.TryGetValue(value, out var storage)
            ? storage
            : throw new GraphException($"{plan.Section.Name}: {value.Name} has no place.");

        List<(long Begin, long End, Value Owner)> Cells(Storage storage) =>
            memory.TryGetValue((storage.Kind, storage.Precision), out var cells) ? cells : memory[(storage.Kind, storage.Precision)] = [];
    }

    private static bool IsOutside(Storage storage) =>
        storage.Kind is StorageKind.External or StorageKind.Parameter or StorageKind.ParameterGradient or StorageKind.Scalar;
}
