using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.Linq;

namespace ModGen.Hosting.Tests;

public sealed class MeasureTests
{
    [Fact]
    public async Task Eval_compares_both_routings_in_all_and_a_layer()
    {
        using var harness = new Harness();
        await harness.Train(5);
        var outcome = await harness.Run("eval", "--checkpoint", harness.Checkpoints, "--sequences", "6", "--batch", "4", "--json");
        Assert.True(outcome.Code == 0, outcome.Error);
        var evaluation = Assert.Single(outcome.Json);
        Assert.Equal(6, evaluation.GetProperty("sequences").GetInt32());
        Assert.Equal(6 * Tiny.Context, evaluation.GetProperty("tokens").GetInt32());
        foreach (var routing in new[] { "top_k", "causal" })
        {
            var nats = evaluation.GetProperty(routing).GetProperty("nats_per_byte").GetDouble();
            Assert.InRange(nats, 0.1, 8);
            Assert.Equal(nats / Math.Log(2), evaluation.GetProperty(routing).GetProperty("bits_per_byte").GetDouble(), tolerance: 1e-9);
            Assert.Equal(Math.Exp(nats), evaluation.GetProperty(routing).GetProperty("perplexity").GetDouble(), tolerance: 1e-9);
        }

        var layers = evaluation.GetProperty("layers").EnumerateArray().ToArray();
        Assert.Equal([1, 3], layers.Select(layer => layer.GetProperty("layer").GetInt32()));
        Assert.All(layers, layer =>
        {
            Assert.Equal(0.25, layer.GetProperty("capacity").GetDouble(), tolerance: 1e-9);
            foreach (var share in new[] { "causal_capacity", "agreement", "precision", "recall" })
                Assert.InRange(layer.GetProperty(share).GetDouble(), 0, 1);
        });
    }

    [Fact]
    public async Task Eval_reads_the_text_that_the_run_was_trained_on()
    {
        using var harness = new Harness();
        await harness.Train(2);
        foreach (var folder in new[] { harness.Checkpoints, harness.NewestCheckpoint, harness.NewestCheckpoint + Path.DirectorySeparatorChar })
        {
            var outcome = await harness.Run("eval", "--checkpoint", folder, "--sequences", "2");
            Assert.Equal(0, outcome.Code);
            Assert.Contains($"Text: {harness.Data}", outcome.Out, StringComparison.Ordinal);
            Assert.Contains("causal, as sampled", outcome.Out, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_report_is_one_well_formed_page_that_needs_nothing_else()
    {
        using var harness = new Harness();
        var report = Path.Combine(harness.Folder, "reports", "train.html");
        await harness.Train(6, "--report", report, "--eval-every", "2");
        var page = Parse(report);
        var elements = page.Descendants().Select(element => element.Name.LocalName).ToHashSet();
        Assert.DoesNotContain("script", elements);
        Assert.DoesNotContain("link", elements);
        Assert.DoesNotContain("://", page.ToString(), StringComparison.Ordinal);
        Assert.Equal(3, page.Descendants("circle").Count(circle => (string?)circle.Attribute("class") == "dot"));
        // One map by position, one a routing; the text under both.
        Assert.Equal(4, page.Descendants("svg").Count());
        Assert.Equal(2, page.Descendants("pre").Count());
        Assert.All(page.Descendants("pre"), text => Assert.Equal(Tiny.Context, text.Value.EnumerateRunes().Count()));
        Assert.Contains("prefers-color-scheme: dark", page.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_report_of_an_evaluation_shows_the_history_of_the_run()
    {
        using var harness = new Harness();
        await harness.Train(4);
        var report = Path.Combine(harness.Folder, "eval.html");
        Assert.Equal(0, (await harness.Run("eval", "--checkpoint", harness.Checkpoints, "--sequences", "2", "--report", report)).Code);
        var curve = Parse(report).Descendants("polyline").First(line => (string?)line.Attribute("class") == "train");
        Assert.Equal(4, ((string)curve.Attribute("points")!).Split(' ').Length);
    }

    [Fact]
    public async Task A_dense_model_has_a_report_without_routing()
    {
        using var harness = new Harness();
        var report = Path.Combine(harness.Folder, "dense.html");
        var outcome = await harness.Run<TinyDense>(harness.TrainArguments(3, "--report", report));
        Assert.True(outcome.Code == 0, outcome.Error);
        Assert.Single(Parse(report).Descendants("svg"));
    }

    [Fact]
    public void Control_characters_of_a_text_do_not_break_the_page()
    {
        var escaped = Reports.Html.Escape("a\0b\u0001\r<&>\uFFFF\t\n");
        Assert.Equal("a␀b␁␍<&>\uFFFD\t\n", XElement.Parse($"<p>{escaped}</p>", LoadOptions.PreserveWhitespace).Value);
    }

    [Fact]
    public async Task Inspect_gives_the_description_and_the_source_that_was_compiled()
    {
        using var harness = new Harness();
        var folder = Path.Combine(harness.Folder, "source");
        var outcome = await harness.Run("inspect", "--json", "--source", folder);
        Assert.True(outcome.Code == 0, outcome.Error);
        var model = Assert.Single(outcome.Events("model"));
        Assert.Equal(Tiny.Info.Parameters, model.GetProperty("parameters").GetInt64());
        Assert.Equal([32, 8, 32, 8], model.GetProperty("layers").EnumerateArray().Select(layer => layer.GetProperty("tokens").GetInt32()));
        var files = Directory.GetFiles(folder, "*.g.cs");
        Assert.Equal(6, files.Length);
        Assert.All(files, file => Assert.Contains("partial class Tiny", File.ReadAllText(file), StringComparison.Ordinal));
        Assert.DoesNotContain(files, file => File.ReadAllText(file).Contains("TinyDense", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("app/generated", true)]
    [InlineData("app", true)]
    [InlineData("app/obj/source", false)]
    [InlineData("elsewhere", false)]
    public async Task Inspect_warns_of_source_that_a_project_would_compile_again(string folder, bool warns)
    {
        using var harness = new Harness();
        Directory.CreateDirectory(Path.Combine(harness.Folder, "app"));
        File.WriteAllText(Path.Combine(harness.Folder, "app", "App.csproj"), "<Project/>");
        var outcome = await harness.Run("inspect", "--source", Path.Combine(harness.Folder, folder));
        Assert.Equal(0, outcome.Code);
        if (warns)
            Assert.Contains("lies within App.csproj, whose next build would compile these files once more", Assert.Single(outcome.ErrorLines), StringComparison.Ordinal);
        else
            Assert.Empty(outcome.Error);
    }

    [Theory]
    [InlineData("bfloat16", "#define MODGEN_FLOAT32 0")]
    [InlineData("float32", "#define MODGEN_FLOAT32 1")]
    public async Task Inspect_writes_the_complete_text_of_every_kernel(string precision, string define)
    {
        using var harness = new Harness();
        var folder = Path.Combine(harness.Folder, "kernels");
        var outcome = await harness.Run("inspect", "--json", "--kernels", folder, "--precision", precision);
        Assert.True(outcome.Code == 0, outcome.Error);
        var files = Directory.GetFiles(folder);
        Assert.Equal(files.Order(), outcome.Events("kernel").Select(line => line.GetProperty("file").GetString()).Order());
        Assert.All(files, file =>
        {
            var (text, name) = (File.ReadAllText(file), Path.GetFileName(file).Split('.')[0]);
            Assert.Contains(define, text, StringComparison.Ordinal);
            Assert.Contains("struct Rows", text, StringComparison.Ordinal);
            Assert.Single(Regex.Matches(text, @"extern ""C"" __global__"));
            Assert.Matches($@"{name}\(", text);
        });
        Assert.Contains(files, file => file.EndsWith("adamw_step.cu", StringComparison.Ordinal));
        Assert.Contains(files, file => file.EndsWith($"top_{Tiny.Info.TokensOf(1)}_of_{Tiny.Context}.cu", StringComparison.Ordinal));
        Assert.Contains(files, file => file.EndsWith(".linear_any.cu", StringComparison.Ordinal));
    }

    [Fact]
    public void The_constants_know_no_layer_but_the_models()
    {
        Assert.Equal([32, 8, 32, 8], Enumerable.Range(0, Tiny.Layers).Select(Tiny.Info.TokensOf));
        foreach (var layer in new[] { -1, Tiny.Layers })
        {
            Assert.Contains("The layers are 0 … 3.", Assert.Throws<ArgumentOutOfRangeException>(() => Tiny.Info.TokensOf(layer)).Message, StringComparison.Ordinal);
            Assert.Throws<ArgumentOutOfRangeException>(() => TinyDense.Info.TokensOf(layer));
        }
    }

    [Fact]
    public async Task Inspect_prints_a_row_a_layer()
    {
        using var harness = new Harness();
        var outcome = await harness.Run("inspect");
        Assert.Equal(2, outcome.Out.Split('\n').Count(line => line.Contains("learned", StringComparison.Ordinal)));
        Assert.Contains("of the dense model's", outcome.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bench_times_a_step_at_a_position_and_says_where_there_are_no_launches()
    {
        using var harness = new Harness();
        string[] arguments = ["bench", "--device", "cpu", "--checkpoint", harness.Checkpoints, "--seconds", "0.02", "--batch", "2", "--texts", "3"];
        var outcome = await harness.Run([.. arguments, "--position", "30", "--launches", "--json"]);
        Assert.True(outcome.Code == 0, outcome.Error);
        var step = Assert.Single(outcome.Json).GetProperty("decoding_step");
        Assert.Equal((3, 30), (step.GetProperty("texts").GetInt32(), step.GetProperty("position").GetInt32()));
        Assert.True(step.GetProperty("seconds").GetDouble() > 0);
        Assert.Contains("has no launches to time", outcome.Error, StringComparison.Ordinal);
        foreach (var share in new[] { 0, 0.5, 1 })
        {
            outcome = await harness.Run([.. arguments, "--enter", share.ToString(CultureInfo.InvariantCulture), "--json"]);
            Assert.Equal(share, Assert.Single(outcome.Json).GetProperty("decoding_step").GetProperty("entered_share").GetDouble(), 0.17);
            Assert.Contains("whole texts are decoded with untrained routers", outcome.Error, StringComparison.Ordinal);
        }

        var beyond = await harness.Run([.. arguments, "--position", "32"]);
        Assert.Equal(2, beyond.Code);
        Assert.Contains("--position is 32; the context holds 32 tokens", beyond.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bench_measures_training_and_decoding()
    {
        using var harness = new Harness();
        var outcome = await harness.Run("bench", "--checkpoint", harness.Checkpoints, "--seconds", "0.05", "--batch", "2", "--texts", "2", "--json");
        Assert.True(outcome.Code == 0, outcome.Error);
        var bench = Assert.Single(outcome.Json);
        Assert.True(bench.GetProperty("training").GetProperty("tokens_per_second").GetDouble() > 0);
        Assert.True(bench.GetProperty("decoding").GetProperty("tokens_per_second").GetDouble() > 0);
        Assert.Equal(JsonValueKind.String, bench.GetProperty("machine").GetProperty("processor").ValueKind);
    }

    [Fact]
    public async Task Bench_takes_a_runs_folder_or_one_checkpoint_and_names_a_damaged_one()
    {
        using var harness = new Harness();
        await harness.Train(2);
        string[] arguments = ["bench", "--device", "cpu", "--seconds", "0.02", "--batch", "2", "--json", "--checkpoint"];
        foreach (var folder in new[] { harness.Checkpoints, harness.NewestCheckpoint })
            Assert.Empty((await harness.Run([.. arguments, folder])).Error);
        File.WriteAllText(Path.Combine(harness.NewestCheckpoint, "model.safetensors"), "");
        var damaged = await harness.Run([.. arguments, harness.Checkpoints]);
        Assert.Equal(0, damaged.Code);
        Assert.Contains("warning: passed over a damaged checkpoint", damaged.ErrorLines[0], StringComparison.Ordinal);
        Assert.Contains("There is no checkpoint", damaged.ErrorLines[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bench_of_a_dense_model_speaks_of_no_routers()
    {
        using var harness = new Harness();
        var outcome = await harness.Run<TinyDense>("bench", "--device", "cpu", "--checkpoint", harness.Checkpoints, "--seconds", "0.02", "--batch", "2");
        Assert.True(outcome.Code == 0, outcome.Error);
        Assert.DoesNotContain("rout", outcome.Out + outcome.Error, StringComparison.Ordinal);
    }

    private static XDocument Parse(string path)
    {
        using var reader = XmlReader.Create(path, new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore });
        return XDocument.Load(reader, LoadOptions.PreserveWhitespace);
    }
}
