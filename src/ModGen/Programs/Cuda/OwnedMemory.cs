namespace ModGen.Programs;

/// <summary>The device memory of a program, freed together, the last that came first.</summary>
internal abstract class OwnedMemory : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    public void Dispose()
    {
        for (var i = _owned.Count - 1; i >= 0; i--)
            _owned[i].Dispose();
        _owned.Clear();
    }

    /// <summary>Frees <paramref name="memory"/> with the rest.</summary>
    protected T Own<T>(T memory)
        where T : IDisposable
    {
        _owned.Add(memory);
        return memory;
    }
}
