using ModGen.Cuda;
using ModGen.Cuda.Tests.Fakes;
using ModGen.Programs;
using ModGen.Tests.Fakes;

namespace ModGen.Tests.Programs;

/// <summary>What sampling does with a GPU, on a device that does the kernels' work in host memory.</summary>
public sealed class CudaInferenceTests : IDisposable
{
    private const int Vocabulary = CudaTable.Vocabulary;
    private readonly FakeMachine _machine = new();
    private readonly CudaDevice _device;
    private readonly CudaTable _model;

    public CudaInferenceTests()
    {
        CudaTableKernels.Install(_machine.Driver);
        _device = new CudaDevice(_machine.Open());
        _model = CudaTable.Create(_device, seed: 1);
    }

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
        _machine.Dispose();
    }

    [Fact]
    public void Rows_arrive_with_their_positions_and_wanted_logits_come_back()
    {
        using var program = _model.CreateInferenceProgram(3, 8);
        var logits = new float[2 * Vocabulary];
        program.Extend([5, 6, 9], [1, 1, 2], [1, 2], logits, draw: 77);
        Assert.Equal([6, 1, 1, 2, 77, -1], logits[..6]);
        Assert.Equal([9, 2, 0, 1, 77, -1], logits[Vocabulary..(Vocabulary + 6)]);
        Assert.Equal((0, 2, 1), (program.Length(0), program.Length(1), program.Length(2)));
        program.Extend([3], [1], [0], logits.AsSpan(0, Vocabulary), draw: 78);
        Assert.Equal([3, 1, 2, 3, 78], logits[..5]);
        program.Extend([4], [1], [], [], draw: 0);
        Assert.Equal(4, program.Length(1));
    }

    [Fact]
    public void Caches_of_routed_layers_are_short_and_decisions_can_be_forced()
    {
        using var program = (CudaInferenceProgram)_model.CreateInferenceProgram(2, 8);
        program.Extend([5, 6, 7, 8], [0, 0, 0, 1], [], [], 0);
        Assert.Equal([1, 0, 1, 0], program.Entered(1).ToArray());
        Assert.Equal((3, 2, 1, 0), (program.CacheLength(0, 0), program.CacheLength(1, 0), program.CacheLength(0, 1), program.CacheLength(1, 1)));
        program.Extend([5, 8], [0, 1], [], [], 0, forced: [0, 1]);
        Assert.Equal([0, 1], program.Entered(1).ToArray());
        Assert.Equal((2, 1), (program.CacheLength(1, 0), program.CacheLength(1, 1)));
        program.Clear(0);
        Assert.Equal((0, 0, 1), (program.CacheLength(0, 0), program.CacheLength(1, 0), program.CacheLength(1, 1)));
        program.Extend([8, 5], [0, 1], [], [], 0);
        Assert.Equal([0, 1], program.Entered(1).ToArray());
        Assert.Equal((1, 0, 2), (program.CacheLength(0, 0), program.CacheLength(1, 0), program.CacheLength(1, 1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => program.Entered(0).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => program.CacheLength(2, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => program.CacheLength(0, 2));
    }

    [Fact]
    public void A_decoding_step_is_one_graph_and_one_wait()
    {
        using var program = _model.CreateInferenceProgram(2, 8);
        var logits = new float[2 * Vocabulary];
        program.Extend([1, 2, 3], [0, 0, 1], [], [], 0);
        program.Extend([4, 5], [0, 1], [0, 1], logits, 0);
        _machine.Driver.Calls.Clear();
        program.Extend([4, 5], [0, 1], [0, 1], logits, 0);
        var calls = _machine.Driver.Calls.Where(call => call is not "cuCtxSetCurrent").ToList();
        Assert.Equal(["cuGraphLaunch", "cuMemcpyDtoHAsync", "cuStreamSynchronize"], calls);
    }

    [Fact]
    public void Calls_of_one_row_take_turns()
    {
        using var single = _model.CreateInferenceProgram(1, 8);
        using var several = _model.CreateInferenceProgram(2, 8);
        // Neither a prompt nor a program of several texts has kernels whose blocks wait for one another.
        var free = new Thread(() => { single.Extend([1, 2], [0, 0], [], [], 0); several.Extend([1], [0], [], [], 0); });
        var waiting = new Thread(() => single.Extend([3], [0], [], [], 0));
        lock (_device.Context.Turn)
        {
            free.Start();
            free.Join();
            waiting.Start();
            Assert.False(waiting.Join(100));
        }

        waiting.Join();
        Assert.Equal(3, single.Length(0));
    }

    [Fact]
    public void Refused_calls_change_nothing()
    {
        using var program = _model.CreateInferenceProgram(2, 4);
        program.Extend([1, 2, 3], [0, 0, 0], [], [], 0);
        Assert.Throws<ArgumentException>(() => program.Extend([1, 2], [0, 0], [], [], 0));
        Assert.Throws<ArgumentException>(() => program.Extend([1, 2, 3], [0, 1, 0], [], [], 0));
        Assert.Throws<ArgumentException>(() => program.Extend([Vocabulary], [0], [], [], 0));
        Assert.Throws<ArgumentException>(() => program.Extend(new int[5], new int[5], [], [], 0));
        Assert.Throws<ArgumentException>(() => program.Extend([1], [0], [0], new float[3], 0));
        Assert.Equal((3, 0), (program.Length(0), program.Length(1)));
        program.Dispose();
        Assert.Throws<ObjectDisposedException>(() => program.Extend([1], [1], [], [], 0));
    }

    [Fact]
    public void A_call_that_fails_forgets_its_sequences_and_the_error_names_the_call()
    {
        using var program = _model.CreateInferenceProgram(2, 4);
        program.Extend([1, 2], [0, 1], [], [], 0);
        _machine.Driver.Fail = call => call == "cuGraphLaunch" ? CudaResult.IllegalAddress : CudaResult.Success;
        var error = Assert.Throws<CudaException>(() => program.Extend([1], [0], [], [], 0));
        Assert.Contains("cuGraphLaunch", error.Message, StringComparison.Ordinal);
        Assert.Contains("CUDA_ERROR_ILLEGAL_ADDRESS", error.Message, StringComparison.Ordinal);
        _machine.Driver.Fail = _ => CudaResult.Success;
        Assert.Equal((0, 1), (program.Length(0), program.Length(1)));
        program.Extend([3], [0], [], [], 0);
        Assert.Equal(1, program.CacheLength(0, 0));
    }

    [Theory]
    [InlineData(0f, 0, 1f, 1f)]
    [InlineData(5f, 0, 1f, 1f)]
    [InlineData(5f, 3, 1f, 4f)]
    [InlineData(5f, 0, 0.7f, 2f)]
    public void Tokens_chosen_on_the_device_are_those_chosen_on_the_host(float temperature, int topK, float topP, float penalty)
    {
        // As many tokens as fit, by hand: the picker over the logits that the program gives.
        var options = new SamplingOptions(temperature, topK, topP, penalty, Seed: 11);
        int[][] prompts = [[1], [3, 4], [9, 8, 7], [30]];
        using var program = _model.CreateInferenceProgram(1, 4);
        using var sampler = _model.CreateSampler(2);
        var texts = sampler.GenerateBatch(prompts, options);
        for (var row = 0; row < prompts.Length; row++)
        {
            var picker = new ModGen.Sampling.TokenPicker(Vocabulary);
            var (logits, expected) = (new float[Vocabulary], new List<int>());
            program.Clear(0);
            program.Extend(prompts[row], new int[prompts[row].Length], [prompts[row].Length - 1], logits, options.Seed);
            foreach (var token in prompts[row])
                picker.See(token);
            for (var count = prompts[row].Length; count < CudaTable.Context; count++)
            {
                // The fake's logits name the sequence, which a batch puts into another slot.
                logits[1] = Slot(row);
                expected.Add(picker.Pick(logits, options, row, count));
                picker.See(expected[^1]);
                program.Extend([expected[^1]], [0], [0], logits, options.Seed);
            }

            Assert.Equal(expected, texts[row].Tokens);
            Assert.Equal(FinishReason.ContextFull, texts[row].Finish);
            Assert.Equal(CudaTable.Context, texts[row].Routing.Length);
            Assert.Equal(texts[row].Tokens[0] % 2 == 1, texts[row].Routing.Entered(1, prompts[row].Length));
        }

        // Two slots; texts of one, two, three and one tokens: the first to end gives way to the third, the other to the fourth.
        static int Slot(int row) => row switch { 0 => 0, 1 => 1, 2 => 1, _ => 0 };
    }

    [Fact]
    public void A_step_of_a_text_brings_back_tokens_and_no_logits()
    {
        using var sampler = _model.CreateSampler(1);
        sampler.Generate([1], new SamplingOptions(Temperature: 0, MaximumTokens: 1));
        _machine.Driver.Calls.Clear();
        sampler.Generate([1], new SamplingOptions(Temperature: 0));
        var calls = _machine.Driver.Calls;
        // A prompt and three tokens; settings and marks of the text are two waits more.
        Assert.Equal(4, calls.Count(call => call == "cuGraphLaunch"));
        Assert.Equal(0, calls.Count(call => call == "cuMemcpyDtoHAsync"));
        Assert.Equal(6, calls.Count(call => call == "cuStreamSynchronize"));
    }

    [Fact]
    public unsafe void Logits_without_a_number_are_said()
    {
        _machine.Driver.Kernels["wanted"] = static p => new Span<float>(*(float**)p[5], Vocabulary).Fill(float.NaN);
        using var sampler = _model.CreateSampler(1);
        Assert.Contains("No logit is a finite number", Assert.Throws<InvalidOperationException>(() => sampler.Generate([1])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Next_logits_come_back_to_the_host()
    {
        using var sampler = _model.CreateSampler(1);
        Assert.Equal([7, 0, 2, 3, 0, -1], sampler.NextLogits([5, 6, 7])[0][..6].ToArray());
        Assert.Equal(3, sampler.Generate([1], new SamplingOptions(Temperature: 0)).Tokens.Count);
    }

    [Fact]
    public void What_does_not_fit_is_said_and_freed()
    {
        var blocks = _machine.Driver.LiveBlocks;
        _model.CreateSampler(2).Dispose();
        using (var sampler = _model.CreateSampler(2))
            sampler.Generate([1], new SamplingOptions(MaximumTokens: 2));
        Assert.Equal((blocks, 0), (_machine.Driver.LiveBlocks, _machine.Driver.LiveGraphs));
        _machine.Driver.HeldElsewhere = _machine.Driver.TotalBytes - _machine.Driver.LiveBytes - 2000;
        Assert.Contains("keys and values", Assert.Throws<CudaOutOfMemoryException>(() => _model.CreateInferenceProgram(64, 1)).Message, StringComparison.Ordinal);
        Assert.Equal((blocks, 0), (_machine.Driver.LiveBlocks, _machine.Driver.LiveGraphs));
    }

    [Fact]
    public void Launches_are_timed_within_the_context()
    {
        using var program = _model.CreateInferenceProgram(1, 4);
        Assert.Empty(program.TimeLaunches(3));
        program.Extend([1], [0], [], [], 0);
        var times = program.TimeLaunches(9);
        Assert.Equal(["carry_call", "enter", "wanted", "carry_call"], times.Select(time => time.Name));
        Assert.All(times, time => Assert.True(time is { Pass: "decode", Blocks: 1, Registers: 40 } && time.Microseconds > 0));
        Assert.Equal(0, program.Length(0));
        program.Begin(0, [1], new SamplingOptions(Temperature: 0), row: 0);
        program.ExtendAndChoose([1], [0], [0], new int[1], 0);
        Assert.Equal(["carry_call", "enter", "wanted", $"choose_of_{Vocabulary}", "carry_call"], program.TimeLaunches(9).Select(time => time.Name));
        program.Extend([1, 2, 3], [0, 0, 0], [], [], 0);
        Assert.Empty(program.TimeLaunches(9));
    }
}
