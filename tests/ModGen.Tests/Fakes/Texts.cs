namespace ModGen.Tests.Fakes;

/// <summary>Texts and batches to train on.</summary>
internal static class Texts
{
    public static string Sentences(int count) =>
        string.Concat(Enumerable.Range(0, count).Select(i => $"Sentence {i} says that {i * 7 % 13} is a number, “quoted” once.\n"));

    public static TokenBatch<TModel> Random<TModel>(int rows, int seed, long position = 0)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        var random = new Random(seed);
        var length = rows * TModel.Description.Context;
        int[] Draw() => [.. Enumerable.Range(0, length).Select(_ => random.Next(TModel.Description.Vocabulary))];
        return new TokenBatch<TModel>(Draw(), Draw(), position);
    }

    public static float[] Weights(DecoderModel model)
    {
        var values = new float[model.Weights.Length];
        model.Weights.Read(0, values);
        return values;
    }
}
