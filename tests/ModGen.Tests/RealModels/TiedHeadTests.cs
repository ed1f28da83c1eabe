using ModGen.Files;
using ModGen.Tests.Fakes;

namespace ModGen.Tests.RealModels;

public sealed class TiedHeadTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_repeated_head_is_taken_only_when_it_is_the_embedding(bool same)
    {
        using var folder = new TemporaryFolder();
        using var device = Device.Cpu(threads: 1);
        using var source = RoutedByRouter.Create(device, seed: 1);
        using var target = RoutedByRouter.Create(device, seed: 2);
        var tensors = source.Parameters.Parameters.Select(parameter => new TensorToWrite(
            parameter.Name, parameter.Shape, parameter.Length, (start, values) => source.Weights.Read(parameter.Offset + start, values))).ToList();
        tensors.Add(tensors.Single(tensor => tensor.Name == "model.embed_tokens.weight") with { Name = "lm_head.weight" });
        if (!same)
        {
            var read = tensors[^1].Read;
            tensors[^1] = tensors[^1] with
            {
                Read = (start, values) =>
                {
                    read(start, values);
                    values[0] += start == 0 ? 1 : 0;
                },
            };
        }

        SafetensorsWriter.Write(folder["model.safetensors"], tensors, new Dictionary<string, string>());
        if (same)
            WeightsFile.Load(target, folder.Path);
        else
            Assert.Contains("unknown: lm_head.weight", Assert.Throws<WeightsException>(() => WeightsFile.Load(target, folder.Path)).Message, StringComparison.Ordinal);
        Assert.Equal(same, Texts.Weights(source).AsSpan().SequenceEqual(Texts.Weights(target)));
    }
}
