namespace ModGen;

/// <summary>Why a text ended.</summary>
public enum FinishReason
{
    /// <summary>A stop text came up.</summary>
    StopText,

    /// <summary>As many tokens as were asked for at most.</summary>
    MaximumTokens,

    /// <summary>Prompt and text fill the context.</summary>
    ContextFull,
}

/// <summary>One token of a text as it is sampled.</summary>
/// <param name="Token">Its id.</param>
/// <param name="Text">
/// The text that it completes: often one character, sometimes nothing (a character needs more bytes, or a stop text may
/// have begun) or several. The texts of all tokens together are the whole text.
/// </param>
/// <param name="Position">Its position in the sequence, prompt included.</param>
/// <param name="Finish">Why the text ends here; null when it goes on.</param>
/// <param name="Routing">Which routed layers the tokens up to this one entered.</param>
public readonly record struct SampledToken<TModel>(int Token, string Text, int Position, FinishReason? Finish, RoutingMap<TModel> Routing)
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    /// <summary>Number of routed layers that this token entered.</summary>
    public int Depth => Routing.Depth(Position);

    /// <summary>True when this token entered <paramref name="layer"/>.</summary>
    public bool Entered(int layer) => Routing.Entered(layer, Position);
}

/// <summary>A sampled text.</summary>
/// <param name="Text">The text, without the prompt and without a stop text.</param>
/// <param name="Tokens">The sampled tokens; those of a stop text are among them.</param>
/// <param name="PromptTokens">Tokens of the prompt.</param>
/// <param name="Finish">Why it ended.</param>
/// <param name="Routing">Which routed layers the tokens entered, those of the prompt first.</param>
/// <param name="Prefill">Time until the prompt was read.</param>
/// <param name="Decode">Time from there to the end; shared with the others of a batch.</param>
public sealed record Generation<TModel>(
    string Text, IReadOnlyList<int> Tokens, int PromptTokens, FinishReason Finish, RoutingMap<TModel> Routing, TimeSpan Prefill, TimeSpan Decode)
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    /// <summary>Tokens sampled a second.</summary>
    public double TokensPerSecond => Tokens.Count / Decode.TotalSeconds;
}
