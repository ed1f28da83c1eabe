namespace ModGen.Sampling;

/// <summary>The texts of one call, more of them perhaps than there are slots: each that ends gives its slot to the next.</summary>
internal sealed class BatchRun<TModel>(Sampler<TModel> sampler, int[][] prompts, SamplingOptions options)
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly Generation<TModel>[] _results = new Generation<TModel>[prompts.Length];
    private readonly int[] _promptOf = new int[sampler.Batch];
    private readonly int[] _active = new int[sampler.Batch];
    private readonly int[] _chosen = new int[sampler.Batch];
    private int _activeCount;
    private int _next;

    public Generation<TModel>[] Run(CancellationToken cancellation)
    {
        for (var slot = 0; slot < sampler.Batch; slot++)
            Assign(slot);
        var read = 0;
        while (_activeCount > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            sampler.Prefill(_active.AsSpan(read, _activeCount - read));
            Step();
            read = Retire();
        }

        return _results;
    }

    /// <summary>Samples a token for each text; a prompt that fills the context has ended before.</summary>
    private void Step()
    {
        var count = 0;
        foreach (var slot in _active.AsSpan(0, _activeCount))
        {
            if (sampler.Slot(slot).Finish is not null)
                continue;
            sampler.Slot(slot).Next();
            _chosen[count++] = slot;
        }

        sampler.Extend(_chosen.AsSpan(0, count));
    }

    /// <summary>Takes the texts that have ended and begins others in their place; returns how many of the active ones go on.</summary>
    private int Retire()
    {
        var (count, going) = (_activeCount, 0);
        var freed = 0;
        for (var i = 0; i < count; i++)
        {
            var slot = _active[i];
            if (sampler.Slot(slot).Finish is null)
            {
                _active[going++] = slot;
                continue;
            }

            _results[_promptOf[slot]] = sampler.Slot(slot).Result();
            _chosen[freed++] = slot;
        }

        _activeCount = going;
        foreach (var slot in _chosen.AsSpan(0, freed))
            Assign(slot);
        return going;
    }

    private void Assign(int slot)
    {
        if (_next == prompts.Length)
            return;
        _promptOf[slot] = _next;
        sampler.Begin(slot, prompts[_next], options, row: _next);
        _active[_activeCount++] = slot;
        _next++;
    }
}
