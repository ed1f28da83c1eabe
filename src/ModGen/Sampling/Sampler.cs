using System.Runtime.CompilerServices;
using System.Text;
using ModGen.Programs;
using ModGen.Sampling;

namespace ModGen;

/// <summary>
/// Samples texts from a model, causally: a token enters a routed block when the predictor, or the router itself, says
/// so from what came before (arXiv 2404.02258, section 3.5). One text or one batch at a time; rent one a thread from a
/// <see cref="SamplerPool{TModel}"/>.
/// </summary>
/// <typeparam name="TModel">The model to sample from.</typeparam>
public sealed partial class Sampler<TModel> : IDisposable
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private const int PrefillRows = 256;
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private readonly InferenceProgram _program;
    private readonly SamplingSlot<TModel>[] _slots;
    private readonly StepRows _rows;
    private readonly int[] _routedLayers;
    private int _busy;

    internal Sampler(TModel model, int batch)
    {
        // The logits of a step stand in one array.
        Check.Between(batch, 1, Array.MaxLength / model.Description.Vocabulary, nameof(batch));
        Model = model;
        Batch = batch;
        var maximumRows = Math.Max(batch, Math.Min(PrefillRows, model.Description.Context));
        _program = model.CreateInferenceProgram(batch, maximumRows);
        _rows = new StepRows(maximumRows, batch, model.Description.Vocabulary, picks: !_program.Samples);
        _routedLayers = [.. model.Description.Layers.Where(layer => layer.IsRouted).Select(layer => layer.Index)];
        _slots = new SamplingSlot<TModel>[batch];
        for (var i = 0; i < batch; i++)
            _slots[i] = new SamplingSlot<TModel>(picks: !_program.Samples);
    }

    /// <summary>The model.</summary>
    public TModel Model { get; }

    /// <summary>Texts that are sampled side by side.</summary>
    public int Batch { get; }

    /// <summary>Samples a text.</summary>
    /// <param name="prompt">Text to go on from; at least one character.</param>
    /// <param name="options">How; plain sampling until the context is full when null.</param>
    /// <param name="cancellation">Breaks the text off between two tokens; the sampler is then free again.</param>
    /// <exception cref="ArgumentException">The prompt is empty, longer than the context, or holds a byte that is not in the vocabulary.</exception>
    /// <exception cref="OperationCanceledException">It was broken off.</exception>
    public Generation<TModel> Generate(string prompt, SamplingOptions? options = null, CancellationToken cancellation = default) =>
        Generate(Encode(prompt), options, cancellation);

    /// <summary>Samples a text after a prompt of token ids.</summary>
    /// <inheritdoc cref="Generate(string, SamplingOptions?, CancellationToken)"/>
    public Generation<TModel> Generate(IReadOnlyList<int> prompt, SamplingOptions? options = null, CancellationToken cancellation = default) =>
        GenerateBatch([prompt], options, cancellation)[0];

    /// <summary>
    /// Samples a text and hands out each token as it comes. The work runs on the thread pool. Breaking off or
    /// cancelling ends the text; the sampler is then free again.
    /// </summary>
    /// <param name="prompt">Text to go on from; at least one character.</param>
    /// <param name="options">How; plain sampling until the context is full when null.</param>
    /// <param name="cancellation">Ends the text.</param>
    /// <exception cref="ArgumentException">The prompt is empty, longer than the context, or holds a byte that is not in the vocabulary.</exception>
    public IAsyncEnumerable<SampledToken<TModel>> GenerateAsync(string prompt, SamplingOptions? options = null, CancellationToken cancellation = default) =>
        GenerateAsync(Encode(prompt), options, cancellation);

    /// <summary>Samples a text after a prompt of token ids and hands out each token as it comes.</summary>
    /// <inheritdoc cref="GenerateAsync(string, SamplingOptions?, CancellationToken)"/>
    public IAsyncEnumerable<SampledToken<TModel>> GenerateAsync(IReadOnlyList<int> prompt, SamplingOptions? options = null, CancellationToken cancellation = default)
    {
        var tokens = CheckPrompt(prompt);
        return Stream(tokens, options ?? new SamplingOptions(), cancellation);
    }

    /// <summary>
    /// Samples a text for each prompt. <see cref="Batch"/> of them run side by side, whatever their lengths; each ends
    /// for itself, and the next prompt takes its place.
    /// </summary>
    /// <param name="prompts">Texts to go on from; each at least one character.</param>
    /// <param name="options">How; the texts of one call draw differently even with one seed.</param>
    /// <param name="cancellation">Breaks all texts off between two tokens; the sampler is then free again.</param>
    /// <exception cref="ArgumentException">A prompt is empty, longer than the context, or holds a byte that is not in the vocabulary.</exception>
    /// <exception cref="OperationCanceledException">It was broken off.</exception>
    public IReadOnlyList<Generation<TModel>> GenerateBatch(IReadOnlyList<string> prompts, SamplingOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        return GenerateBatch([.. prompts.Select(prompt => (IReadOnlyList<int>)Encode(prompt))], options, cancellation);
    }

    /// <summary>Samples a text for each prompt of token ids.</summary>
    /// <inheritdoc cref="GenerateBatch(IReadOnlyList{string}, SamplingOptions?, CancellationToken)"/>
    public IReadOnlyList<Generation<TModel>> GenerateBatch(IReadOnlyList<IReadOnlyList<int>> prompts, SamplingOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        int[][] tokens = [.. prompts.Select(CheckPrompt)];
        using var turn = new Turn(this);
        return new BatchRun<TModel>(this, tokens, options ?? new SamplingOptions()).Run(cancellation);
    }

    /// <summary>The logits of the token after a prompt.</summary>
    /// <exception cref="ArgumentException">The prompt is empty, longer than the context, or holds a byte that is not in the vocabulary.</exception>
    public Logits<TModel> NextLogits(string prompt) => NextLogits(Encode(prompt));

    /// <summary>The logits of the token after a prompt of token ids.</summary>
    /// <inheritdoc cref="NextLogits(string)"/>
    public Logits<TModel> NextLogits(IReadOnlyList<int> prompt)
    {
        var tokens = CheckPrompt(prompt);
        using var turn = new Turn(this);
        var logits = new Logits<TModel>(rows: 1);
        ReadPrompt(tokens, logits.Values);
        return logits;
    }

    /// <summary>Frees the caches and the activations. The model stays.</summary>
    public void Dispose() => _program.Dispose();

    /// <summary>Forgets all texts; false when one is being sampled still.</summary>
    internal bool TryReset()
    {
        if (Volatile.Read(ref _busy) != 0)
            return false;
        for (var slot = 0; slot < Batch; slot++)
            _program.Clear(slot);
        return true;
    }

    private async IAsyncEnumerable<SampledToken<TModel>> Stream(int[] prompt, SamplingOptions options, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var turn = new Turn(this);
        int[] active = [0];
        var slot = _slots[0];
        Begin(0, prompt, options, row: 0);
        await Task.Run(() => Prefill(active), cancellation).ConfigureAwait(false);
        while (slot.Finish is null)
        {
            yield return await Task.Run(Step, cancellation).ConfigureAwait(false);
        }

        SampledToken<TModel> Step()
        {
            var token = slot.Next();
            Extend(active);
            return token;
        }
    }

    private static int[] Encode(string prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        try
        {
            return [.. Strict.GetBytes(prompt)];
        }
        catch (EncoderFallbackException e)
        {
            throw new ArgumentException($"Character {e.Index} of the prompt is half a surrogate pair and has no UTF-8.", nameof(prompt), e);
        }
    }

    private int[] CheckPrompt(IReadOnlyList<int> prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        var (context, vocabulary) = (Model.Description.Context, Model.Description.Vocabulary);
        if (prompt.Count == 0)
            throw new ArgumentException("The prompt is empty: give at least one token to go on from.", nameof(prompt));
        if (prompt.Count > context)
            throw new ArgumentException($"The prompt has {prompt.Count} tokens; Context {context} is the most.", nameof(prompt));
        foreach (var token in prompt)
            if ((uint)token >= (uint)vocabulary)
                throw new ArgumentException($"Token {token} of the prompt is not in the vocabulary: 0 to {vocabulary - 1}.", nameof(prompt));
        return [.. prompt];
    }

    /// <summary>Keeps a second caller out while a text is sampled.</summary>
    private readonly struct Turn : IDisposable
    {
        private readonly Sampler<TModel> _sampler;

        public Turn(Sampler<TModel> sampler)
        {
            if (Interlocked.Exchange(ref sampler._busy, 1) != 0)
                throw new InvalidOperationException("The sampler is at work on another text; use one sampler a thread, from a SamplerPool.");
            _sampler = sampler;
        }

        public void Dispose() => Volatile.Write(ref _sampler._busy, 0);
    }
}
