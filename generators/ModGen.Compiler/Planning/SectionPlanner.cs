using System;
using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Autodiff;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Planning;

/// <summary>How the residual stream passes through a section.</summary>
internal enum StreamUse
{
    /// <summary>Each section reads one buffer and writes the next: training, where the backward pass needs them all.</summary>
    Layered,

    /// <summary>One buffer that the section updates: all sections in inference, routed blocks in training.</summary>
    InPlace,
}

/// <summary>How a section takes its place in a training step.</summary>
/// <param name="OnePass">True when its backward pass follows its forward pass at once, as in the head: then nothing is kept between them.</param>
/// <param name="TakesRounding">True when the gradient of its result comes as operands too.</param>
/// <param name="LeavesRounding">True when it is to leave the gradient of its input so.</param>
/// <param name="EnteredOnly">True when it is to touch the rows that entered alone: of the stream, which it updates in place, and of its gradient; see <see cref="EnteredGradients"/>.</param>
internal readonly record struct TrainingPlace(
    bool OnePass = false, bool TakesRounding = false, bool LeavesRounding = false, bool EnteredOnly = false);

/// <summary>Plans one section: covers it with kernels, finds lifetimes, lets results take dead operands' memory, assigns offsets.</summary>
internal sealed class SectionPlanner
{
    private readonly Section _section;
    private readonly DifferentiatedSection? _gradients;
    private readonly TensorGraph _graph;
    private readonly IReadOnlyCollection<Value> _operands;
    private readonly IReadOnlyList<Launch> _launches;
    private readonly int _forwardLaunches;
    private readonly StreamUse _streamUse;
    private readonly GradientRounding _rounded;
    private readonly PassingRouter? _passing;
    private readonly Dictionary<Value, Storage> _storage = [];
    private readonly BufferGroups _groups;

    private SectionPlanner(Section section, DifferentiatedSection? gradients, BackEnd backEnd, StreamUse streamUse, TrainingPlace place)
    {
        _section = section;
        _gradients = gradients;
        _streamUse = streamUse;
        GraphVerifier.Verify(gradients?.Graph ?? section.Graph, section.Name);
        var precise = PrecisionGraph.Of(
            Simplifier.Simplify(gradients?.Graph ?? section.Graph), Simplifier.Simplify(section.Graph).Nodes.Count, backEnd.Precisions,
            [.. section.Reports.Select(r => r.Value)],
            new GradientRounding(place.TakesRounding ? gradients?.GradientIn : null, place.LeavesRounding ? gradients?.GradientOut : null));
        (_graph, _passing) = !place.EnteredOnly ? new EnteredGradients(precise.Graph, null)
            : EnteredGradients.Of(precise.Graph, gradients!, precise.Rounded) ?? throw new GraphException($"{section.Name} cannot leave the rows alone that pass by.");
        _operands = precise.Operands;
        _rounded = precise.Rounded;
        GraphVerifier.Verify(_graph, section.Name);
        _launches = Fusion.Cover(_graph, backEnd.Rules, Exported());
        var forward = new HashSet<Node>(_graph.Nodes.Take(precise.ForwardNodes));
        _forwardLaunches = place.OnePass ? 0 : _launches.TakeWhile(l => l.Nodes.All(forward.Contains)).Count();
        if (!place.OnePass && _launches.Skip(_forwardLaunches).Any(l => l.Nodes.All(forward.Contains)))
            throw new GraphException($"{section.Name}: a forward kernel stands behind a backward one.");
        _groups = new BufferGroups(_launches);
    }

    /// <summary>Plans a section that is run forward only.</summary>
    public static SectionPlan Plan(Section section, BackEnd backEnd, StreamUse streamUse) =>
        new SectionPlanner(section, null, backEnd, streamUse, default).Plan();

    /// <summary>Plans a section with its backward pass.</summary>
    public static SectionPlan PlanTraining(Section section, BackEnd backEnd, TrainingPlace place = default) =>
        new SectionPlanner(section, Differentiator.Differentiate(section), backEnd, place.EnteredOnly ? StreamUse.InPlace : StreamUse.Layered, place).Plan();

    /// <summary>True when the back end's kernels read the gradient of the section's result as an operand.</summary>
    public static bool WantsRounding(Section section, BackEnd backEnd) =>
        Differentiator.Differentiate(section) is { GradientIn: { } gradientIn, Graph: var graph } && PrecisionGraph.IsOperandOf(Simplifier.Simplify(graph), backEnd.Precisions, gradientIn);

    /// <summary>The section with a backward pass that touches the rows that entered alone, or null where there is none.</summary>
    public static EnteredGradients? EnteredOnly(Section section, BackEnd backEnd) =>
        section.StreamIn?.Type.Last <= backEnd.WidestEntered && Precise(section, backEnd) is var (gradients, precise) ? EnteredGradients.Of(precise.Graph, gradients, default) : null;

    private static (DifferentiatedSection Gradients, PrecisionGraph Precise) Precise(Section section, BackEnd backEnd)
    {
        var gradients = Differentiator.Differentiate(section);
        return (gradients, PrecisionGraph.Of(
            Simplifier.Simplify(gradients.Graph), Simplifier.Simplify(section.Graph).Nodes.Count, backEnd.Precisions, [.. section.Reports.Select(r => r.Value)]));
    }

    private SectionPlan Plan()
    {
        var (parameters, extent) = PlaceParameters();
        PlaceInputs();
        PlaceStreams();
        JoinInPlaceResults();
        VerifyStreams();
        var saved = PlaceSaved();
        var scratch = Footprint.Max(PlaceScratch(0, _forwardLaunches), PlaceScratch(_forwardLaunches, _launches.Count));
        var plan = new SectionPlan(
            _section,
            _graph,
            _launches.Take(_forwardLaunches).ToList(),
            _launches.Skip(_forwardLaunches).ToList(),
            _storage, parameters, extent, saved, scratch, _gradients, _rounded, _passing);
        PlanVerifier.Verify(plan);
        return plan;
    }

    private IEnumerable<Value> Exported()
    {
        IEnumerable<Value?> values = [_section.StreamOut, _gradients?.GradientOut, _rounded.Out];
        return values.OfType<Value>()
            .Concat(_section.Reports.Select(r => r.Value))
            .Concat(_gradients?.ParameterGradients.Select(p => p.Gradient) ?? []);
    }

    /// <summary>Every parameter starts on a cache line: kernels load rows of them in vectors.</summary>
    private (long Elements, long Extent) PlaceParameters()
    {
        var (elements, extent) = (0L, 0L);
        var offsets = new Dictionary<ParameterSpec, long>();
        foreach (var parameter in _section.Graph.Parameters)
        {
            if (!offsets.TryGetValue(parameter.Parameter!, out var at))
            {
                offsets[parameter.Parameter!] = at = Storage.Align(extent);
                elements += parameter.Type.Elements;
                extent = at + parameter.Type.Elements;
            }

            _storage[parameter] = new Storage(StorageKind.Parameter, at, parameter.Type.Elements);
        }

        foreach (var gradient in _gradients?.ParameterGradients ?? default)
            _storage[gradient.Gradient] = _storage[gradient.Parameter] with { Kind = StorageKind.ParameterGradient };
        return (elements, extent);
    }

    private void PlaceInputs()
    {
        foreach (var input in _graph.Inputs)
        {
            var kind = input == _section.StreamIn ? StorageKind.StreamIn
                : input == _gradients?.GradientIn || input == _rounded.In ? StorageKind.StreamGradient
                : input == _gradients?.LossScale ? StorageKind.Scalar
                : StorageKind.External;
            _storage[input] = new Storage(kind, 0, input.Type.Elements, PrecisionOf(input));
        }

        foreach (var value in _launches.SelectMany(l => l.Writes).Where(v => v.Type == TensorType.Scalar))
            _storage[value] = new Storage(StorageKind.Scalar, 0, 1);
        foreach (var operand in _launches.SelectMany(l => l.Operands).Where(o => o.Provided))
            _storage[operand.Value] = new Storage(StorageKind.External, 0, operand.Value.Type.Elements);
        foreach (var report in _section.Reports.Where(r => r.Kind == ReportKind.Logits))
            _storage[report.Value] = new Storage(StorageKind.External, 0, report.Value.Type.Elements);
    }

    /// <summary>Lets a result take the memory of an operand that nobody reads afterwards.</summary>
    private void JoinInPlaceResults()
    {
        for (var i = 0; i < _launches.Count; i++)
        {
            foreach (var operand in _launches[i].Operands.Where(o => o.InPlaceOf is not null))
            {
                var over = operand.InPlaceOf!;
                if (MayOverwrite(over, i) && !_storage.ContainsKey(operand.Value) && over.Type.Elements == operand.Value.Type.Elements && PrecisionOf(over) == PrecisionOf(operand.Value))
                    _groups.Join(operand.Value, over);
                else if (operand.MustBeInPlace)
                    throw new GraphException($"{_section.Name}: {_launches[i]} must overwrite {over.Name}, which is still needed.");
            }
        }
    }

    private bool MayOverwrite(Value value, int launch)
    {
        var root = _groups.Root(value);
        if (_section.Reports.Any(r => _groups.Root(r.Value) == root) || _groups.LastRead(root) > launch)
            return false;
        return !_storage.TryGetValue(root, out var storage)
            || storage.Kind == StorageKind.StreamGradient
            || (storage.Kind == StorageKind.StreamIn && _streamUse == StreamUse.InPlace);
    }

    private void PlaceStreams()
    {
        if (_section.StreamOut is { } streamOut && (_streamUse == StreamUse.Layered || _section.StreamIn is null))
            _storage[streamOut] = new Storage(StorageKind.StreamOut, 0, streamOut.Type.Elements);
        if (_gradients is { GradientIn: null, GradientOut: { } gradientOut })
            _storage[gradientOut] = new Storage(StorageKind.StreamGradient, 0, gradientOut.Type.Elements);
        if (_rounded.Out is { } rounded && _launches.SelectMany(l => l.Operands).First(o => o.Value == rounded).InPlaceOf is null)
            _storage[rounded] = new Storage(StorageKind.StreamGradient, 0, rounded.Type.Elements, Precision.Operand);
    }

    /// <summary>What one section leaves in a shared stream must be where the next one looks for it.</summary>
    private void VerifyStreams()
    {
        if (_section is { StreamIn: { } streamIn, StreamOut: { } streamOut } && _streamUse == StreamUse.InPlace && _groups.Root(streamOut) != streamIn)
            throw new GraphException($"{_section.Name}: the residual stream is not updated in place.");
        if (_gradients is { GradientIn: { } gradientIn, GradientOut: { } gradientOut } && _groups.Root(gradientOut) != gradientIn)
            throw new GraphException($"{_section.Name}: the gradient of the residual stream is not updated in place.");
    }

    /// <summary>Gives a place in the layer's slab to what the backward pass or the caller reads after the forward pass.</summary>
    private Footprint PlaceSaved()
    {
        var end = new Footprint();
        foreach (var root in _groups.Roots().Where(r => !_storage.ContainsKey(r)))
        {
            var written = _groups.FirstWrite(root);
            var outlives = written < _forwardLaunches && _groups.LastRead(root) >= _forwardLaunches && _gradients is not null;
            if (!outlives && !_section.Reports.Any(r => _groups.Root(r.Value) == root))
                continue;
            var precision = PrecisionOf(root);
            _storage[root] = new Storage(StorageKind.Saved, end[precision], root.Type.Elements, precision);
            end += Aligned(root.Type.Elements, precision);
        }

        return end;
    }

    /// <summary>First fit over lifetimes within one pass.</summary>
    private Footprint PlaceScratch(int begin, int end)
    {
        List<(Precision Precision, long Offset, long End, int LastUse)> live = [];
        var most = new Footprint();
        foreach (var root in _groups.Roots().Where(r => !_storage.ContainsKey(r)))
        {
            var first = _groups.FirstWrite(root);
            if (first < begin || first >= end)
                continue;
            live.RemoveAll(l => l.LastUse < first);
            var precision = PrecisionOf(root);
            var offset = 0L;
            foreach (var other in live.Where(l => l.Precision == precision).OrderBy(l => l.Offset))
                if (offset + root.Type.Elements > other.Offset && offset < other.End)
                    offset = Storage.Align(other.End);
            live.Add((precision, offset, offset + root.Type.Elements, Math.Max(first, _groups.LastRead(root))));
            _storage[root] = new Storage(StorageKind.Scratch, offset, root.Type.Elements, precision);
            most = Footprint.Max(most, Aligned(offset + root.Type.Elements, precision));
        }

        foreach (var value in _launches.Skip(begin).Take(end - begin).SelectMany(l => l.Writes))
            if (!_storage.ContainsKey(value))
                _storage[value] = _storage[_groups.Root(value)];
        return most;
    }

    private Precision PrecisionOf(Value value) => _operands.Contains(value) ? Precision.Operand : Precision.Word;

    private static Footprint Aligned(long elements, Precision precision) =>
        precision == Precision.Word ? new Footprint(Storage.Align(elements), 0) : new Footprint(0, Storage.Align(elements));
}
