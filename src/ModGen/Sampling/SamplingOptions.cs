namespace ModGen;

/// <summary>How the next token is chosen, and when to stop.</summary>
public sealed record SamplingOptions
{
    /// <summary>Makes the settings.</summary>
    /// <param name="Temperature">Divides the logits; 0 always takes the likeliest token. 0 or more.</param>
    /// <param name="TopK">Only the k likeliest tokens; 0 for all.</param>
    /// <param name="TopP">Only the likeliest tokens that together reach this probability, above 0 and at most 1 (arXiv 1904.09751).</param>
    /// <param name="RepetitionPenalty">Makes tokens that are in the text already less likely: positive logits are divided by it, negative ones multiplied (arXiv 1909.05858). 1 for none; above 0.</param>
    /// <param name="Seed">Equal seeds draw equal texts.</param>
    /// <param name="MaximumTokens">Tokens to sample at most, at least 1. A full context ends the text before.</param>
    /// <param name="StopTexts">Texts that end the sampling; they are not part of it. None may be empty.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public SamplingOptions(
        float Temperature = 1, int TopK = 0, float TopP = 1, float RepetitionPenalty = 1, ulong Seed = 0, int MaximumTokens = int.MaxValue, IReadOnlyList<string>? StopTexts = null)
    {
        this.Temperature = Temperature;
        this.TopK = TopK;
        this.TopP = TopP;
        this.RepetitionPenalty = RepetitionPenalty;
        this.Seed = Seed;
        this.MaximumTokens = MaximumTokens;
        this.StopTexts = StopTexts ?? [];
    }

    /// <summary>Divides the logits; 0 for the likeliest token always.</summary>
    public float Temperature { get; init => field = Check.AtLeast(value, 0); }

    /// <summary>Only the k likeliest tokens; 0 for all.</summary>
    public int TopK { get; init => field = Check.AtLeast(value, 0); }

    /// <summary>Only the likeliest tokens that together reach this probability.</summary>
    public float TopP { get; init => field = Check.AboveUpTo(value, 0, 1); }

    /// <summary>Makes tokens that are in the text already less likely.</summary>
    public float RepetitionPenalty { get; init => field = Check.Above(value, 0); }

    /// <summary>Equal seeds draw equal texts.</summary>
    public ulong Seed { get; init; }

    /// <summary>Tokens to sample at most.</summary>
    public int MaximumTokens { get; init => field = Check.AtLeast(value, 1); }

    /// <summary>Texts that end the sampling.</summary>
    public IReadOnlyList<string> StopTexts
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            if (value.Any(string.IsNullOrEmpty))
                throw new ArgumentException("A stop text is empty: it would stop every text at once.", nameof(StopTexts));
            field = [.. value];
        }
    }
}
