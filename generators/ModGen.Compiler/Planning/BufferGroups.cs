using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Planning;

/// <summary>Values that share one piece of memory, one after the other, and when each piece is written and read.</summary>
internal sealed class BufferGroups
{
    private readonly Dictionary<Value, Value> _parent = [];
    private readonly Dictionary<Value, (int FirstWrite, int LastRead)> _lifetimes = [];
    private readonly List<Value> _written = [];

    public BufferGroups(IReadOnlyList<Launch> launches)
    {
        for (var i = 0; i < launches.Count; i++)
        {
            foreach (var value in launches[i].Reads)
                _lifetimes[value] = (_lifetimes.TryGetValue(value, out var l) ? l.FirstWrite : -1, i);
            foreach (var value in launches[i].Writes)
            {
                _lifetimes[value] = (i, i);
                _written.Add(value);
            }
        }
    }

    /// <summary>Groups that launches write, in the order of their first write.</summary>
    public IEnumerable<Value> Roots() => _written.Where(v => Root(v) == v).OrderBy(FirstWrite);

    /// <summary>The value that stands for the group of <paramref name="value"/>.</summary>
    public Value Root(Value value)
    {
        while (_parent.TryGetValue(value, out var parent))
            value = parent;
        return value;
    }

    /// <summary>Puts <paramref name="value"/> into the memory of <paramref name="over"/>.</summary>
    public void Join(Value value, Value over)
    {
        var root = Root(over);
        _parent[value] = root;
        _lifetimes[root] = (FirstWrite(root), System.Math.Max(LastRead(root), LastRead(value)));
    }

    /// <summary>Index of the launch that writes the group first; −1 when it comes from outside.</summary>
    public int FirstWrite(Value root) => _lifetimes.TryGetValue(root, out var l) ? l.FirstWrite : -1;

    /// <summary>Index of the last launch that touches the group.</summary>
    public int LastRead(Value root) => _lifetimes.TryGetValue(root, out var l) ? l.LastRead : -1;
}
