namespace ModGen.Hosting.Commands;

/// <summary>Evaluates a model on a text's validation part.</summary>
internal static class Evaluation
{
    public static EvaluationReport<TModel> Run<TModel>(
        TModel model, Corpus<TModel> corpus, long sequences, int batch, CancellationToken interruption)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        using var evaluator = model.CreateEvaluator(batch);
        return evaluator.Evaluate(corpus.ValidationBatches(batch, sequences), progress: null, interruption);
    }
}
