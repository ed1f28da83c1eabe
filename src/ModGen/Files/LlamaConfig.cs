using System.Buffers;
using System.Globalization;
using System.Text.Json;

namespace ModGen.Files;

/// <summary>The <c>config.json</c> of Hugging Face's Llama, for a declaration: written, and compared field by field.</summary>
internal static class LlamaConfig
{
    public static byte[] Write(ModelDescription model)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartObject();
            WriteLlama(json, model);
            WriteModGen(json, model);
            json.WriteEndObject();
        }

        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Throws with every field that does not fit the declaration.</summary>
    public static void Check(string path, ModelDescription model)
    {
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            var differences = new List<string>();
            Compare(json.RootElement, model, differences);
            if (differences.Count > 0)
                throw new WeightsException($"{path}: the configuration is not that of {model.Name}: {string.Join("; ", differences)}.");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or KeyNotFoundException)
        {
            throw new WeightsException($"{path}: is not a model configuration: {Errors.OneLine(e)}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new WeightsException($"{path}: cannot be read: {Errors.OneLine(e)}", e);
        }
    }

    private static void WriteLlama(Utf8JsonWriter json, ModelDescription model)
    {
        // A routed model computes something else than a Llama of its sizes: it must not open as one.
        var dense = !model.IsRouted;
        json.WriteStartArray("architectures");
        json.WriteStringValue(dense ? "LlamaForCausalLM" : "MixtureOfDepthsForCausalLM");
        json.WriteEndArray();
        json.WriteString("model_type", dense ? "llama" : "modgen");
        json.WriteNumber("vocab_size", model.Vocabulary);
        json.WriteNumber("hidden_size", model.Width);
        json.WriteNumber("intermediate_size", model.FeedForward);
        json.WriteNumber("num_hidden_layers", model.Layers.Count);
        json.WriteNumber("num_attention_heads", model.Heads);
        json.WriteNumber("num_key_value_heads", model.KeyValueHeads);
        json.WriteNumber("head_dim", model.HeadWidth);
        json.WriteNumber("max_position_embeddings", model.Context);
        json.WriteNumber("rms_norm_eps", model.NormEpsilon);
        json.WriteNumber("rope_theta", model.RotaryBase);
        json.WriteNull("rope_scaling");
        json.WriteBoolean("tie_word_embeddings", model.TiedHead);
        json.WriteString("hidden_act", "silu");
        json.WriteBoolean("attention_bias", false);
        json.WriteBoolean("mlp_bias", false);
        json.WriteNumber("attention_dropout", 0);
        json.WriteNull("bos_token_id");
        json.WriteNull("eos_token_id");
        json.WriteNull("pad_token_id");
        json.WriteString("torch_dtype", "float32");
    }

    private static void WriteModGen(Utf8JsonWriter json, ModelDescription model)
    {
        json.WriteStartObject("modgen");
        json.WriteString("name", model.Name);
        json.WriteString("fingerprint", model.Fingerprint);
        json.WriteString("version", Library.Version);
        json.WriteStartArray("routed_layers");
        foreach (var layer in model.Layers.Where(layer => layer.IsRouted))
        {
            json.WriteStartObject();
            json.WriteNumber("layer", layer.Index);
            json.WriteString("routing", layer.Routing);
            json.WriteNumber("tokens", layer.Tokens);
            json.WriteString("gate", layer.Gate);
            json.WriteNumber("predictor", layer.PredictorWidth);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Compare(JsonElement config, ModelDescription model, List<string> differences)
    {
        var type = Text(config, "model_type") ?? "llama";
        if (type is not ("llama" or "modgen"))
            differences.Add($"model_type is {type}, expected llama or modgen");
        Number("vocab_size", model.Vocabulary, 32000);
        Number("hidden_size", model.Width, 4096);
        Number("intermediate_size", model.FeedForward, 11008);
        Number("num_hidden_layers", model.Layers.Count, 32);
        Number("num_attention_heads", model.Heads, 32);
        Number("num_key_value_heads", model.KeyValueHeads, Value(config, "num_attention_heads") ?? 32);
        Number("head_dim", model.HeadWidth, (double)model.Width / model.Heads);
        Number("rms_norm_eps", model.NormEpsilon, 1e-6);
        if ((Value(config, "max_position_embeddings") ?? 2048) is var positions && positions < model.Context)
            differences.Add(string.Create(CultureInfo.InvariantCulture, $"max_position_embeddings is {positions}, expected at least Context {model.Context}"));
        CompareRotary(config, model, differences);
        Flag("tie_word_embeddings", model.TiedHead);
        Flag("attention_bias", false);
        Flag("mlp_bias", false);
        if (Text(config, "hidden_act") is { } activation && activation is not ("silu" or "swish"))
            differences.Add($"hidden_act is {activation}, expected silu");
        CompareRouting(config, model, differences);

        void Number(string name, double expected, double byDefault)
        {
            var value = Value(config, name) ?? byDefault;
            if (!(Math.Abs(value - expected) <= 1e-6 * Math.Abs(expected)))
                differences.Add(string.Create(CultureInfo.InvariantCulture, $"{name} is {value}, expected {expected}"));
        }

        void Flag(string name, bool expected)
        {
            var value = config.TryGetProperty(name, out var element) && element.ValueKind == JsonValueKind.True;
            if (value != expected)
                differences.Add($"{name} is {(value ? "true" : "false")}, expected {(expected ? "true" : "false")}");
        }
    }

    /// <summary>The base stands at the top, or in rope_parameters in newer files; any scaling of it is something we do not compute.</summary>
    private static void CompareRotary(JsonElement config, ModelDescription model, List<string> differences)
    {
        var theta = Value(config, "rope_theta");
        foreach (var name in (ReadOnlySpan<string>)["rope_parameters", "rope_scaling"])
        {
            if (!config.TryGetProperty(name, out var rotary) || rotary.ValueKind != JsonValueKind.Object)
                continue;
            theta ??= Value(rotary, "rope_theta");
            if ((Text(rotary, "rope_type") ?? Text(rotary, "type") ?? "default") is var type and not "default")
                differences.Add($"{name} asks for {type}, expected none");
        }

        if (!(Math.Abs((theta ?? 10000) - model.RotaryBase) <= 1e-6 * model.RotaryBase))
            differences.Add(string.Create(CultureInfo.InvariantCulture, $"rope_theta is {theta ?? 10000}, expected {model.RotaryBase}"));
    }

    /// <summary>A Llama's file says nothing of routing: then the missing tensors do. Ours says which layers are routed, and how.</summary>
    private static void CompareRouting(JsonElement config, ModelDescription model, List<string> differences)
    {
        if (!config.TryGetProperty("modgen", out var own) || !own.TryGetProperty("routed_layers", out var layers))
            return;
        var theirs = new Dictionary<int, string>();
        foreach (var layer in layers.EnumerateArray())
        {
            theirs[layer.GetProperty("layer").GetInt32()] = string.Create(
                CultureInfo.InvariantCulture, $"{Text(layer, "routing")} of {Value(layer, "tokens")} tokens, gate {Text(layer, "gate")}, predictor {Value(layer, "predictor")}");
        }

        for (var i = 0; i < model.Layers.Count; i++)
        {
            var layer = model.Layers[i];
            var expected = layer.IsRouted ? $"{layer.Routing} of {layer.Tokens} tokens, gate {layer.Gate}, predictor {layer.PredictorWidth}" : "dense";
            var value = theirs.GetValueOrDefault(i, "dense");
            if (value != expected)
                differences.Add($"layer {i} is {value}, expected {expected}");
        }
    }

    private static double? Value(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
