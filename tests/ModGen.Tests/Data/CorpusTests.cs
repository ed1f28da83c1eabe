using System.Text;
using ModGen.Data;
using ModGen.Tests.Fakes;

namespace ModGen.Tests.Data;

public sealed class CorpusTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_and_its_text_are_the_same_corpus()
    {
        var text = Texts.Sentences(50);
        var (file, memory) = (Corpus<Tiny>.Open(_folder.Write("a.txt", text)), Corpus<Tiny>.OpenText(text));
        Assert.Equal(memory.Length, file.Length);
        Assert.Equal(Encoding.UTF8.GetByteCount(text), file.Length);
        Assert.Equal(file.Length, file.TrainingLength + file.ValidationLength);
        AssertSame(memory.Batches(3, seed: 5).Take(20), file.Batches(3, seed: 5).Take(20));
        AssertSame(memory.ValidationBatches(3), file.ValidationBatches(3));
    }

    [Fact]
    public void A_folder_is_read_in_ordinal_order()
    {
        _folder.Write("in/b/2.txt", "two " + Texts.Sentences(3));
        _folder.Write("in/B.txt", "one " + Texts.Sentences(3));
        _folder.Write("in/a.md", "no");
        _folder.Write("in/.hidden/x.txt", "no");
        _folder.Write("in/.x.txt", "no");
        _folder.Write("in/b/a.TXT", "three " + Texts.Sentences(3));
        var corpus = Corpus<Tiny>.Open(_folder["in"], 0, new CorpusOptions { Extensions = [".txt"] });
        Assert.Equal(3, corpus.Files);
        var expected = "one " + Texts.Sentences(3) + "\ntwo " + Texts.Sentences(3) + "\nthree " + Texts.Sentences(3);
        AssertSame(Corpus<Tiny>.OpenText(expected, 0).Batches(2, 1).Take(30), corpus.Batches(2, 1).Take(30));
    }

    [Fact]
    public void A_byte_order_mark_is_no_text()
    {
        var text = Texts.Sentences(5);
        var marked = Corpus<Tiny>.Open(_folder.Write("m.txt", [.. Encoding.UTF8.Preamble, .. Encoding.UTF8.GetBytes(text)]));
        Assert.Equal(Encoding.UTF8.GetByteCount(text), marked.Length);
    }

    [Fact]
    public void Targets_follow_tokens()
    {
        var corpus = Corpus<Tiny>.OpenText(Texts.Sentences(100));
        foreach (var batch in corpus.Batches(4, seed: 1).Take(50).Concat(corpus.ValidationBatches(4)))
            for (var row = 0; row < batch.Sequences; row++)
                for (var i = 0; i < Tiny.Context - 1; i++)
                    Assert.Equal(batch.Tokens[row * Tiny.Context + i + 1], batch.Targets[row * Tiny.Context + i]);
    }

    [Fact]
    public void Resumes_at_any_position()
    {
        var corpus = Corpus<Tiny>.OpenText(Texts.Sentences(40));
        var run = corpus.Batches(4, seed: 9).Take(400).ToList();
        Assert.True(run[^1].NextPosition > 5 * corpus.SequencesPerEpoch);
        foreach (var at in (int[])[0, 1, 17, 255, 398])
            AssertSame(run.Skip(at).Take(2), corpus.Batches(4, seed: 9, start: run[at].Position).Take(2));
        var far = corpus.Batches(4, seed: 9, start: long.MaxValue / 4).First();
        Assert.Equal(long.MaxValue / 4, far.Position);
    }

    [Fact]
    public void An_epoch_visits_every_window_once_and_the_next_one_differently()
    {
        // Ten different bytes a window: what a window begins with tells it, up to the epoch's offset.
        var text = string.Concat(Enumerable.Range(0, 90 * Tiny.Context).Select(i => (char)('0' + i / Tiny.Context % 10)));
        var corpus = Corpus<Tiny>.OpenText(text, validationFraction: 0);
        var split = CorpusSplit.Of(text.Length, Tiny.Context, 0, "");
        var order = new WindowOrder(split.Training, Tiny.Context);
        Assert.Equal(corpus.SequencesPerEpoch, order.Count);
        List<long> Epoch(ulong seed, long epoch) => [.. Enumerable.Range(0, (int)order.Count).Select(i => order.Start(seed, epoch * order.Count + i))];
        for (var epoch = 0; epoch < 4; epoch++)
        {
            var starts = Epoch(3, epoch);
            var sorted = starts.Order().ToList();
            Assert.NotEqual(sorted, starts);
            Assert.True(sorted[0] >= 0 && sorted[^1] + Tiny.Context < text.Length);
            for (var i = 1; i < sorted.Count; i++)
                Assert.Equal(Tiny.Context, sorted[i] - sorted[i - 1]);
        }

        Assert.NotEqual(Epoch(3, 0), Epoch(3, 1));
        Assert.NotEqual(Epoch(3, 0), Epoch(4, 0));
        Assert.True(Enumerable.Range(0, 16).Select(epoch => Epoch(3, epoch).Min()).Distinct().Count() > 5);
    }

    [Theory]
    [InlineData(35, 0.5)]
    [InlineData(100, 0.05)]
    [InlineData(1000, 0.1)]
    [InlineData(123_457, 0.05)]
    [InlineData(1_000_003, 0.9)]
    public void Training_and_validation_share_no_byte_and_lose_none(int length, double fraction)
    {
        var split = CorpusSplit.Of(length, Tiny.Context, fraction, "");
        var seen = new int[length];
        foreach (var range in split.Training.Concat(split.Validation))
        {
            Assert.True(range.Length > Tiny.Context, $"{range}");
            for (var i = range.Start; i < range.End; i++)
                seen[i]++;
        }

        Assert.All(seen, count => Assert.Equal(1, count));
        var share = split.Validation.Sum(range => range.Length) / (double)length;
        Assert.True(length < 500 || Math.Abs(share - fraction) < 0.02, $"{share}");
        var order = new WindowOrder(split.Training, Tiny.Context);
        for (var position = 0L; position < 3 * order.Count; position++)
        {
            var start = order.Start(1, position);
            Assert.Contains(split.Training, range => start >= range.Start && start + Tiny.Context < range.End);
        }
    }

    [Fact]
    public void The_last_validation_batch_is_padded_with_rows_that_do_not_count()
    {
        var corpus = Corpus<Tiny>.OpenText(Texts.Sentences(60), 0.2);
        var batches = corpus.ValidationBatches(7).ToList();
        Assert.Equal(corpus.ValidationSequences, batches.Sum(batch => batch.Sequences));
        Assert.All(batches, batch => Assert.Equal(7, batch.Count));
        Assert.All(batches, batch => Assert.Equal(batch.Sequences * Tiny.Context, batch.Counted));
        Assert.Equal(5, corpus.ValidationBatches(2, sequences: 5).Sum(batch => batch.Sequences));
        Assert.Equal(corpus.ValidationSequences, corpus.ValidationBatches(2, sequences: long.MaxValue).Sum(batch => batch.Sequences));
    }

    [Fact]
    public void Reads_across_pieces_of_a_large_file()
    {
        // 20 MB of three-byte characters: a piece of 2^24 bytes ends inside one.
        var text = new string('€', 7_000_000);
        var corpus = Corpus<Tiny>.Open(_folder.Write("big.txt", "x" + text));
        Assert.Equal(21_000_001, corpus.Length);
    }

    [Fact]
    public void A_limit_cuts_the_text_even_inside_a_character()
    {
        var path = _folder.Write("a.txt", "x" + new string('€', 1000));
        Assert.Equal(501, Corpus<Tiny>.Open(path, 0, new CorpusOptions { MaximumBytes = 501 }).Length);
    }

    [Fact]
    public void The_documentation_of_the_SDK_is_found()
    {
        var corpus = Corpus<Tiny>.SdkDocumentation(options: new CorpusOptions { MaximumBytes = 2_000_000 });
        Assert.Equal(2_000_000, corpus.Length);
        Assert.True(corpus.Files > 1);
    }

    [Fact]
    public void The_newest_version_of_each_pack_is_taken()
    {
        foreach (var version in (string[])["9.0.10", "10.0.0-rc.1", "10.0.0", "10.0.0-preview.7"])
            _folder.Write($"packs/Some.Ref/{version}/ref/net/Some.xml", version);
        _folder.Write("packs/Microsoft.NETCore.App.Ref/8.0.1/ref/net8.0/System.xml", "core");
        _folder.Write("packs/Host/1.0.0/runtimes/a.xml", "no");
        var files = SdkDocumentationFiles.Find([_folder["nothing"], _folder.Path]);
        Assert.Equal(["core", "10.0.0"], files.Select(File.ReadAllText));
    }

    [Fact]
    public void Bad_text_is_refused_in_one_line()
    {
        Refused("there is no such", () => Corpus<Tiny>.Open(_folder["missing"]));
        Refused("no file ending in .txt", () => Corpus<Tiny>.Open(Directory.CreateDirectory(_folder["empty"]).FullName, 0, new CorpusOptions { Extensions = [".txt"] }));
        Refused("empty", () => Corpus<Tiny>.Open(_folder.Write("empty.txt", "")));
        Refused("empty", () => Corpus<Tiny>.OpenText(""));
        Refused("16 bytes are fewer than the 17", () => Corpus<Tiny>.OpenText(new string('a', 16)));
        Refused("validation fraction to 0", () => Corpus<Tiny>.OpenText(new string('a', 33)));
        Refused("byte 5 is 0", () => Corpus<Tiny>.Open(_folder.Write("zero", "abcde\0fgh")));
        Refused("bytes at 3 are not UTF-8", () => Corpus<Tiny>.Open(_folder.Write("latin", [.. "abc"u8, 0xE4, .. Encoding.UTF8.GetBytes(new string('x', 99))])));
        Refused("bytes at 40 are not UTF-8", () => Corpus<Tiny>.Open(_folder.Write("cut", [.. Encoding.UTF8.GetBytes(new string('x', 40)), 0xE2, 0x82])));
        Refused("surrogate", () => Corpus<Tiny>.OpenText(new string('a', 99) + "\ud800"));
        Refused("Vocabulary 27", () => Corpus<Letters>.OpenText(new string('a', 999)));
        Refused("No .NET SDK", () => SdkDocumentationFiles.Find([_folder.Path]));
        Assert.Equal(100, Corpus<Tiny>.Open(_folder.Write("raw", new byte[100]), 0, new CorpusOptions { AllowBytes = true }).Length);
        Assert.Equal(17, Corpus<Tiny>.OpenText(new string('a', 17), 0).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => Corpus<Tiny>.OpenText("abc", 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Corpus<Tiny>.OpenText("abc", double.NaN));
        Assert.Throws<ArgumentException>(() => new CorpusOptions { Extensions = [] });
        Assert.Throws<ArgumentException>(() => new CorpusOptions { Extensions = [".txt", ""] });
    }

    [Fact]
    public void Batches_that_cannot_be_are_refused_before_the_first()
    {
        var corpus = Corpus<Tiny>.OpenText(new string('a', 999));
        foreach (var batch in new[] { 0, int.MaxValue })
        {
            Assert.Contains($"batch is {batch}; it must be 1 to ", Assert.Throws<ArgumentOutOfRangeException>(() => corpus.Batches(batch, seed: 1)).Message, StringComparison.Ordinal);
            Assert.Throws<ArgumentOutOfRangeException>(() => corpus.ValidationBatches(batch));
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => corpus.ValidationBatches(1, sequences: 0));
        Assert.Equal(3, corpus.Batches(2, seed: 1, start: 1L << 62).Take(3).Count());
        foreach (var start in new[] { -1, (1L << 62) + 1, long.MaxValue })
            Assert.Throws<ArgumentOutOfRangeException>(() => corpus.Batches(2, seed: 1, start));
    }

    [Fact]
    public void A_file_that_cannot_be_read_is_named()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads a file of /proc whose read fails whoever asks");
        var error = Assert.Throws<CorpusException>(() => Corpus<Tiny>.Open("/proc/self/mem"));
        Assert.StartsWith("/proc/self/mem: cannot be read", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_cannot_be_read_is_named()
    {
        if (OperatingSystem.IsWindows() || Environment.UserName == "root")
        {
            Assert.Skip("root reads every folder, and Windows has other permissions");
            return;
        }

        var inner = Directory.CreateDirectory(_folder["locked"]).FullName;
        File.SetUnixFileMode(inner, UnixFileMode.None);
        try
        {
            Assert.Contains("locked", Assert.Throws<CorpusException>(() => Corpus<Tiny>.Open(inner)).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.SetUnixFileMode(inner, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    [Fact]
    public void A_batch_of_ones_own_is_checked()
    {
        var ids = new int[Tiny.Context];
        Assert.Equal(1, new TokenBatch<Tiny>(ids, ids).Count);
        Assert.Throws<ArgumentException>(() => new TokenBatch<Tiny>([], []));
        Assert.Throws<ArgumentException>(() => new TokenBatch<Tiny>(new int[5], new int[5]));
        Assert.Throws<ArgumentException>(() => new TokenBatch<Tiny>(ids, new int[2 * Tiny.Context]));
        Assert.Contains("256", Assert.Throws<ArgumentException>(() => new TokenBatch<Tiny>([.. ids.Select(_ => 256)], ids)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new TokenBatch<Tiny>([.. ids.Select(_ => -1)], ids));
        Assert.Throws<ArgumentException>(() => new TokenBatch<Tiny>(ids, [.. ids.Select(_ => 256)]));
        Assert.Equal(0, new TokenBatch<Tiny>(ids, [.. ids.Select(_ => -7)]).Counted);
    }

    private static void Refused(string what, Action open)
    {
        var error = Assert.Throws<CorpusException>(open);
        Assert.Contains(what, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    private static void AssertSame(IEnumerable<TokenBatch<Tiny>> expected, IEnumerable<TokenBatch<Tiny>> actual)
    {
        foreach (var (a, b) in expected.Zip(actual, (a, b) => (a, b)))
        {
            Assert.Equal(a.Tokens.ToArray(), b.Tokens.ToArray());
            Assert.Equal(a.Targets.ToArray(), b.Targets.ToArray());
            Assert.Equal(a.Position, b.Position);
        }

        Assert.Equal(expected.Count(), actual.Count());
    }
}
