using ModGen.Tests.Fakes;

namespace ModGen.Tests.RealModels;

public sealed class LongEvaluationTests
{
    [Fact]
    public void Pieces_that_end_inside_a_sequence_change_nothing()
    {
        // 70 sequences of 30 are 2100 rows: three pieces, none of which ends with a sequence.
        using var device = Device.Cpu(threads: 2);
        using var model = Dense.Create(device, seed: 1);
        using var evaluator = model.CreateEvaluator(70);
        var report = evaluator.Evaluate([Texts.Random<Dense>(70, seed: 1), Texts.Random<Dense>(70, seed: 2)]);
        Assert.Equal(report.TopKLoss, report.CausalLoss, 1e-5);
        Assert.Equal((140, 4200), (report.Sequences, report.Tokens));
    }
}
