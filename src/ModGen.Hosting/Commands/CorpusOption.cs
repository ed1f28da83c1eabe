using System.CommandLine;
using ModGen.Hosting.Output;
using ModGen.Hosting.Training;

namespace ModGen.Hosting.Commands;

/// <summary>The options that say which text a verb reads.</summary>
internal sealed class CorpusOption
{
    /// <summary>Share of a text that is kept for validation, in training and in evaluation alike.</summary>
    private const double ValidationFraction = 0.05;

    public Option<string?> Data { get; } = Options.Path("--data", "A UTF-8 text file, or a folder of them; the .NET SDK's API documentation when not given.", "PATH");

    public Option<bool> AllowBytes { get; } = Options.Flag("--allow-bytes", "Take files that are not UTF-8 text as the bytes they are.");

    /// <summary>Opens the text; <paramref name="remembered"/> says what an earlier run read, where the user names nothing.</summary>
    public Corpus<TModel> Open<TModel>(ParseResult arguments, VerbOutput output, TrainSettings? remembered = null)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        var path = arguments.GetValue(Data) ?? remembered?.Data;
        var options = new CorpusOptions { AllowBytes = AllowsBytes(arguments, remembered) };
        var corpus = path is null
            ? Corpus<TModel>.SdkDocumentation(ValidationFraction, options)
            : Corpus<TModel>.Open(path, ValidationFraction, options);
        output.Note($"Text: {corpus.Source}, {Units.Bytes(corpus.Length)} in {Units.Plural(Math.Max(corpus.Files, 1), "file")}, {Units.Bytes(corpus.ValidationLength)} of it for validation.");
        return corpus;
    }

    /// <summary>Whether any bytes will do: the user says so, or the run that goes on began with such a text.</summary>
    public bool AllowsBytes(ParseResult arguments, TrainSettings? remembered) => arguments.GetValue(AllowBytes) || remembered is { AllowBytes: true };
}
