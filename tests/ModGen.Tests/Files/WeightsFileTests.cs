using System.Text.Json.Nodes;
using ModGen.Files;
using ModGen.Tests.Fakes;

namespace ModGen.Tests.Files;

public sealed class WeightsFileTests : IDisposable
{
    private readonly CpuDevice _device = Device.Cpu(threads: 1);
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _device.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Weights_survive_the_journey()
    {
        using var source = Tiny.Create(_device, seed: 1);
        using var target = Tiny.Create(_device, seed: 2);
        WeightsFile.Save(source, _folder["w"]);
        WeightsFile.Save(source, _folder["w"]);
        Assert.Equal(["config.json", "model.safetensors"], Directory.GetFiles(_folder["w"]).Select(Path.GetFileName).Order());
        foreach (var path in (string[])["w", "w/model.safetensors"])
        {
            target.Weights.Write(0, new float[target.Weights.Length]);
            WeightsFile.Load(target, _folder[path]);
            Assert.Equal(Texts.Weights(source), Texts.Weights(target));
        }
    }

    [Fact]
    public void Shards_are_found_through_their_index()
    {
        using var source = Tiny.Create(_device, seed: 1);
        using var target = Tiny.Create(_device, seed: 2);
        WriteShards(source);
        WeightsFile.Load(target, _folder["s"]);
        Assert.Equal(Texts.Weights(source), Texts.Weights(target));
        _folder.Write("s/model.safetensors.index.json", """{"weight_map":{"a":"../x.safetensors"}}""");
        Assert.Contains("beside the index", Refused(target, "s"), StringComparison.Ordinal);
        _folder.Write("s/model.safetensors.index.json", """{"weights":1}""");
        Assert.Contains("not an index", Refused(target, "s"), StringComparison.Ordinal);
        _folder.Write("s/model.safetensors.index.json", """{"weight_map":{"a":"missing.safetensors"}}""");
        Assert.Contains("missing.safetensors", Refused(target, "s"), StringComparison.Ordinal);
    }

    [Fact]
    public void What_does_not_fit_is_named_and_nothing_is_loaded()
    {
        using var tiny = Tiny.Create(_device, seed: 1);
        using var wider = Wider.Create(_device, seed: 1);
        WeightsFile.Save(wider, _folder["w"]);
        var before = Texts.Weights(tiny);
        var config = Refused(tiny, "w");
        Assert.Contains("hidden_size is 12, expected 8", config, StringComparison.Ordinal);
        Assert.Contains("head_dim is 12, expected 8", config, StringComparison.Ordinal);
        Assert.DoesNotContain("vocab_size", config, StringComparison.Ordinal);
        File.Delete(_folder["w/config.json"]);
        var shapes = Refused(tiny, "w");
        Assert.Contains("model.norm.weight is (12), expected (8)", shapes, StringComparison.Ordinal);
        SafetensorsWriter.Write(_folder["extra.safetensors"], [Tensor("model.embed_tokens.weight", 256 * 8, [256, 8]), Tensor("lm_head.bias", 256, [256]), Tensor("model.rotary_emb.inv_freq", 4, [4])], new Dictionary<string, string>());
        var names = Refused(tiny, "extra.safetensors");
        Assert.Contains("missing: model.norm.weight, lm_head.weight", names, StringComparison.Ordinal);
        Assert.Contains("unknown: lm_head.bias.", names, StringComparison.Ordinal);
        Assert.Equal(before, Texts.Weights(tiny));
        Assert.Contains("no such", Refused(tiny, "nowhere"), StringComparison.Ordinal);
        Assert.Contains("holds neither", Refused(tiny, "."), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("vocab_size", "300", "vocab_size is 300, expected 256")]
    [InlineData("num_hidden_layers", "3", "num_hidden_layers is 3, expected 2")]
    [InlineData("num_key_value_heads", "4", "num_key_value_heads is 4, expected 1")]
    [InlineData("intermediate_size", "9", "intermediate_size is 9, expected 8")]
    [InlineData("rms_norm_eps", "0.001", "rms_norm_eps is 0.001, expected 1E-05")]
    [InlineData("rope_theta", "500000", "rope_theta is 500000, expected 10000")]
    [InlineData("rope_scaling", """{"rope_type":"llama3"}""", "rope_scaling asks for llama3, expected none")]
    [InlineData("rope_scaling", """{"rope_type":"default"}""", null)]
    [InlineData("tie_word_embeddings", "true", "tie_word_embeddings is true, expected false")]
    [InlineData("hidden_act", "\"gelu\"", "hidden_act is gelu, expected silu")]
    [InlineData("attention_bias", "true", "attention_bias is true, expected false")]
    [InlineData("max_position_embeddings", "8", "max_position_embeddings is 8, expected at least Context 16")]
    [InlineData("max_position_embeddings", "131072", null)]
    [InlineData("model_type", "\"gpt2\"", "model_type is gpt2")]
    [InlineData("modgen", """{"routed_layers":[]}""", "layer 1 is dense, expected learned of 4 tokens, gate identity, predictor 0")]
    [InlineData("modgen", "null", null)]
    public void The_configuration_is_compared_field_by_field(string field, string value, string? complaint)
    {
        using var model = Tiny.Create(_device, seed: 1);
        WeightsFile.Save(model, _folder["w"]);
        var json = JsonNode.Parse(File.ReadAllText(_folder["w/config.json"]))!.AsObject();
        json[field] = JsonNode.Parse(value);
        if (field == "modgen" && value == "null")
            json.Remove("modgen");
        _folder.Write("w/config.json", json.ToJsonString());
        if (complaint is null)
            WeightsFile.Load(model, _folder["w"]);
        else
            Assert.EndsWith(complaint + (field == "model_type" ? ", expected llama or modgen." : "."), Refused(model, "w"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_routed_model_does_not_pass_for_a_Llama()
    {
        using var model = Tiny.Create(_device, seed: 1);
        WeightsFile.Save(model, _folder["w"]);
        Assert.DoesNotContain("LlamaForCausalLM", File.ReadAllText(_folder["w/config.json"]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_configuration_is_an_error_of_one_line()
    {
        using var model = Tiny.Create(_device, seed: 1);
        WeightsFile.Save(model, _folder["w"]);
        var good = File.ReadAllBytes(_folder["w/config.json"]);
        var random = new Random(2);
        for (var round = 0; round < 1000; round++)
        {
            _folder.Write("w/config.json", Damage.Apply(good, random, good.Length));
            try
            {
                WeightsFile.Load(model, _folder["w"]);
            }
            catch (WeightsException e)
            {
                Assert.DoesNotContain('\n', e.Message);
            }
        }
    }

    [Fact]
    public void What_cannot_be_written_is_said()
    {
        using var model = Tiny.Create(_device, seed: 1);
        var file = _folder.Write("file", "x");
        Assert.Throws<WeightsException>(() => WeightsFile.Save(model, Path.Combine(file, "inner")));
    }

    private static TensorToWrite Tensor(string name, int length, int[] shape) => new(name, shape, length, (_, values) => values.Clear());

    private void WriteShards(Tiny model)
    {
        Directory.CreateDirectory(_folder["s"]);
        var map = new JsonObject();
        for (var i = 0; i < 3; i++)
        {
            var parameter = model.Parameters.Parameters[i];
            var name = $"model-{i}.safetensors";
            SafetensorsWriter.Write(_folder[$"s/{name}"], [new TensorToWrite(parameter.Name, parameter.Shape, parameter.Length, (start, values) =>
                model.Weights.Read(parameter.Offset + start, values))], new Dictionary<string, string>());
            map[parameter.Name] = name;
        }

        _folder.Write("s/model.safetensors.index.json", new JsonObject { ["weight_map"] = map }.ToJsonString());
    }

    private string Refused(Tiny model, string path) => Assert.Throws<WeightsException>(() => WeightsFile.Load(model, _folder[path])).Message;
}
