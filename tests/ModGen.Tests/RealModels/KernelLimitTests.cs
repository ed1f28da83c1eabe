using ModGen.Cuda;
using ModGen.Cuda.Tests.Fakes;
using ModGen.Programs;

namespace ModGen.Tests.RealModels;

/// <summary>Models of the language that are too large for a GPU's kernels say so before anything is compiled.</summary>
public sealed class KernelLimitTests : IDisposable
{
    private readonly FakeMachine _machine = new();
    private readonly CudaDevice _device;

    public KernelLimitTests() => _device = new CudaDevice(_machine.Platform.Open(0, float32: false));

    public void Dispose()
    {
        _device.Dispose();
        _machine.Dispose();
    }

    [Fact]
    public void Sizes_beyond_the_kernels_are_refused_with_both_numbers()
    {
        Refused<WideHeads>("a head has 258 columns, and the kernels take 256", samples: false);
        Refused<WideStream>("the stream has 32770 columns, and the kernels take 32768", samples: false);
        Refused<LongRouted>("a routed sequence has 57001 positions, and the kernels take 57000", samples: true);
    }

    [Fact]
    public void A_vocabulary_beyond_the_choice_of_tokens_is_refused_where_tokens_are_chosen()
    {
        using var model = OddVocabulary.Create(_device, seed: 1);
        model.CreateTrainer(1, new AdamW()).Dispose();
        var error = Assert.Throws<ArgumentException>(() => model.CreateSampler());
        Assert.Contains("the vocabulary has 262145 tokens, and the kernels take 262144 at most", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("attention_any", "Width <= ", KernelLimits.HeadWidth)]
    [InlineData("cached_attention", "Width <= ", KernelLimits.HeadWidth)]
    [InlineData("vectors", "Width <= ", KernelLimits.Width)]
    [InlineData("top_k", "Length <= ", KernelLimits.RoutedContext)]
    [InlineData("sample_tokens", "Vocabulary <= Row::Group * ", KernelLimits.VocabularyGroups)]
    public void The_kernels_assert_the_same(string family, string rule, int limit) =>
        Assert.Contains($"{rule}{limit}", KernelSource.Of(new Kernel("none", family, 32, "")), StringComparison.Ordinal);

    private void Refused<TModel>(string message, bool samples)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        using var model = TModel.Create(_device, seed: 1);
        var error = Assert.Throws<ArgumentException>(() => model.CreateTrainer(1, new AdamW()));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        if (samples)
            model.CreateSampler().Dispose();
        else
            Assert.Equal(error.Message, Assert.Throws<ArgumentException>(() => model.CreateSampler()).Message);
    }
}
