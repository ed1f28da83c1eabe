using ModGen.Cuda;
using ModGen.Programs;

namespace ModGen;

/// <summary>What a generated model class offers without an instance.</summary>
/// <typeparam name="TModel">The model class itself.</typeparam>
public interface IDecoderModel<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    /// <summary>What the declaration says and costs.</summary>
    static abstract ModelDescription Description { get; }

    /// <summary>The sources of its CUDA kernels, in all forms: what a GPU compiles when it first runs them.</summary>
    static virtual IReadOnlyList<Kernel> Kernels => [];

    /// <summary>Creates the model with freshly drawn parameters.</summary>
    /// <param name="device">Where its parameters live and its programs run.</param>
    /// <param name="seed">Equal seeds draw equal parameters.</param>
    static abstract TModel Create(Device device, ulong seed = 0);
}

/// <summary>A model: its description and its parameters, on a device.</summary>
public abstract class DecoderModel : IDisposable
{
    private bool _disposed;

    /// <summary>Allocates the parameters and draws their start values.</summary>
    protected DecoderModel(Device device, ModelDescription description, ParameterTable parameters, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(device);
        Device = device;
        Description = description;
        Parameters = parameters;
        Weights = device.CreateParameters(parameters.Length);
        try
        {
            ParameterInitializer.Draw(parameters, Weights, seed);
        }
        catch
        {
            Weights.Dispose();
            throw;
        }
    }

    /// <summary>Where the parameters live and the programs run.</summary>
    public Device Device { get; }

    /// <summary>What the declaration says and costs.</summary>
    public ModelDescription Description { get; }

    /// <summary>Names, shapes and places of the parameters.</summary>
    public ParameterTable Parameters { get; }

    /// <summary>The parameters' values, laid out as <see cref="Parameters"/> says.</summary>
    public ParameterMemory Weights { get; }

    /// <summary>Makes the program that trains this model with <paramref name="batch"/> sequences a micro-batch.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The batch is below 1, or makes a tensor of more than 2³¹ − 1 elements.</exception>
    /// <exception cref="InsufficientMemoryException">The CPU's memory does not suffice; a GPU's gives <see cref="CudaOutOfMemoryException"/>.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public abstract TrainingProgram CreateTrainingProgram(int batch);

    /// <summary>Makes the program that samples from this model.</summary>
    /// <param name="sequences">Sequences held at once, at least 1.</param>
    /// <param name="maximumRows">Tokens one call may append, at least 1; longer prompts are fed in pieces.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is below 1.</exception>
    /// <exception cref="InsufficientMemoryException">The CPU's memory does not suffice; a GPU's gives <see cref="CudaOutOfMemoryException"/>.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public abstract InferenceProgram CreateInferenceProgram(int sequences, int maximumRows);

    /// <summary>Refuses a program for a model whose parameters are gone.</summary>
    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the parameters.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing)
            Weights.Dispose();
    }
}

/// <summary>The base of the generated class <typeparamref name="TModel"/>.</summary>
public abstract class DecoderModel<TModel> : DecoderModel
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    /// <inheritdoc/>
    protected DecoderModel(Device device, ModelDescription description, ParameterTable parameters, ulong seed)
        : base(device, description, parameters, seed)
    {
    }

    private TModel Self => (TModel)this;

    /// <summary>Makes a trainer of this model.</summary>
    /// <param name="batch">Sequences a step, at least 1 and a multiple of the accumulation.</param>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="options">Accumulation, clipping, schedule and seed; their defaults when null.</param>
    /// <exception cref="ArgumentException">The batch is below 1, cannot be cut into the accumulation's micro-batches, or makes a tensor of more than 2³¹ − 1 elements.</exception>
    /// <exception cref="InsufficientMemoryException">The CPU's memory does not suffice; a GPU's gives <see cref="CudaOutOfMemoryException"/>.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public Trainer<TModel> CreateTrainer(int batch, AdamW optimizer, TrainingOptions? options = null) => new(Self, batch, optimizer, options);

    /// <summary>Makes a sampler of this model, for one thread.</summary>
    /// <param name="batch">Texts that it samples side by side, at least 1; their logits fit an array.</param>
    /// <exception cref="ArgumentOutOfRangeException">The batch is out of that range.</exception>
    /// <exception cref="InsufficientMemoryException">The CPU's memory does not suffice; a GPU's gives <see cref="CudaOutOfMemoryException"/>.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public Sampler<TModel> CreateSampler(int batch = 1) => new(Self, batch);

    /// <summary>Makes a pool of samplers, for many threads.</summary>
    /// <param name="retained">Samplers that are kept for the next renter at most; 0 for two a processor.</param>
    /// <param name="batch">Texts that one sampler samples side by side, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is below its least.</exception>
    public SamplerPool<TModel> CreateSamplerPool(int retained = 0, int batch = 1) => new(Self, retained, batch);

    /// <summary>Makes an evaluator that compares top-k and causal routing.</summary>
    /// <param name="batch">Sequences of the batches that it takes, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The batch is below 1, or makes a tensor of more than 2³¹ − 1 elements.</exception>
    /// <exception cref="InsufficientMemoryException">The CPU's memory does not suffice; a GPU's gives <see cref="CudaOutOfMemoryException"/>.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public CausalEvaluator<TModel> CreateEvaluator(int batch) => new(Self, batch);
}
