using System.Diagnostics;
using System.Text;

namespace ModGen.Sampling;

/// <summary>One sequence that is being sampled: its tokens, its text, its state between two steps.</summary>
internal sealed class SamplingSlot<TModel>(bool picks)
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly int[] _tokens = new int[TModel.Description.Context];
    private readonly TokenPicker? _picker = picks ? new(TModel.Description.Vocabulary) : null;
    private readonly Utf8Stream _utf8 = new();
    private readonly StopMatcher _stop = new();
    private readonly StringBuilder _text = new();
    private SamplingOptions _options = new();
    private int _row;
    private long _started;
    private long _prefilled;

    /// <summary>(vocabulary) logits of the token to come; empty where the program chooses it.</summary>
    public float[] Logits { get; } = picks ? new float[TModel.Description.Vocabulary] : [];

    /// <summary>The token to come, where the program has chosen it.</summary>
    public int Chosen { get; set; }

    public int PromptTokens { get; private set; }

    public int Count { get; private set; }

    public FinishReason? Finish { get; private set; }

    public RoutingMap<TModel> Routing { get; private set; } = new();

    public ReadOnlySpan<int> Prompt => _tokens.AsSpan(0, PromptTokens);

    public int Newest => _tokens[Count - 1];

    public ulong Draw => _options.Seed;

    /// <summary>Begins a text. <paramref name="row"/> tells the texts of one batch apart.</summary>
    public void Begin(ReadOnlySpan<int> prompt, SamplingOptions options, int row)
    {
        _started = _prefilled = Stopwatch.GetTimestamp();
        _options = options;
        _row = row;
        _picker?.Clear();
        _utf8.Clear();
        _stop.Begin(options.StopTexts);
        _text.Clear();
        prompt.CopyTo(_tokens);
        PromptTokens = Count = prompt.Length;
        Routing = new RoutingMap<TModel>();
        foreach (var token in prompt)
            _picker?.See(token);
        Finish = Count == TModel.Description.Context ? FinishReason.ContextFull : null;
    }

    /// <summary>Says that the prompt has been read.</summary>
    public void EndPrefill() => _prefilled = Stopwatch.GetTimestamp();

    /// <summary>Chooses the next token and appends it.</summary>
    public SampledToken<TModel> Next()
    {
        var token = _picker?.Pick(Logits, _options, _row, Count) ?? (Chosen >= 0 ? Chosen : throw TokenPicker.NoFiniteLogit());
        _picker?.See(token);
        _tokens[Count++] = token;
        // Ids above the bytes have no text of their own.
        var piece = _stop.Append(token < 256 ? _utf8.Append((byte)token) : "");
        Finish = _stop.Stopped ? FinishReason.StopText
            : Count - PromptTokens >= _options.MaximumTokens ? FinishReason.MaximumTokens
            : Count == TModel.Description.Context ? FinishReason.ContextFull
            : null;
        if (Finish is FinishReason.MaximumTokens or FinishReason.ContextFull)
            piece += _stop.Append(_utf8.Finish()) + _stop.Finish();

        _text.Append(piece);
        return new SampledToken<TModel>(token, piece, Count - 1, Finish, Routing);
    }

    public Generation<TModel> Result() => new(
        _text.ToString(), _tokens[PromptTokens..Count], PromptTokens, Finish ?? FinishReason.MaximumTokens, Routing,
        Stopwatch.GetElapsedTime(_started, _prefilled), Stopwatch.GetElapsedTime(_prefilled));
}
