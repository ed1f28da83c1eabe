using Microsoft.Extensions.ObjectPool;

namespace ModGen;

/// <summary>Samplers of one model for many threads: each rents one, and returned ones are used again.</summary>
/// <typeparam name="TModel">The model to sample from.</typeparam>
public sealed class SamplerPool<TModel> : IDisposable
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly ObjectPool<Sampler<TModel>> _pool;

    /// <summary>Makes a pool.</summary>
    /// <param name="model">The model to sample from.</param>
    /// <param name="retained">Samplers that are kept for the next renter at most; 0 for two a processor.</param>
    /// <param name="batch">Texts that one sampler samples side by side.</param>
    public SamplerPool(TModel model, int retained = 0, int batch = 1)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfNegative(retained);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        var provider = new DefaultObjectPoolProvider { MaximumRetained = retained > 0 ? retained : 2 * Environment.ProcessorCount };
        _pool = provider.Create(new Policy(model, batch));
    }

    /// <summary>Rents a sampler, from any thread. Disposing the lease returns it.</summary>
    public SamplerLease<TModel> Rent() => new(_pool, _pool.Get());

    /// <summary>Disposes the samplers in the pool; rented ones are disposed when they return.</summary>
    public void Dispose() => (_pool as IDisposable)?.Dispose();

    private sealed class Policy(TModel model, int batch) : PooledObjectPolicy<Sampler<TModel>>
    {
        public override Sampler<TModel> Create() => new(model, batch);

        public override bool Return(Sampler<TModel> obj) => obj.TryReset();
    }
}

/// <summary>A sampler on loan from a <see cref="SamplerPool{TModel}"/>.</summary>
/// <typeparam name="TModel">The model to sample from.</typeparam>
public sealed class SamplerLease<TModel> : IDisposable
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly ObjectPool<Sampler<TModel>> _pool;
    private Sampler<TModel>? _sampler;

    internal SamplerLease(ObjectPool<Sampler<TModel>> pool, Sampler<TModel> sampler) => (_pool, _sampler) = (pool, sampler);

    /// <summary>The sampler.</summary>
    /// <exception cref="ObjectDisposedException">It has been returned.</exception>
    public Sampler<TModel> Sampler => _sampler ?? throw new ObjectDisposedException(nameof(SamplerLease<>));

    /// <summary>Returns the sampler.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _sampler, null) is { } sampler)
            _pool.Return(sampler);
    }
}
