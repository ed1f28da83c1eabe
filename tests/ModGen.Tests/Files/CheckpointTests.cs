using System.Diagnostics;
using ModGen.Programs;
using ModGen.Tests.Fakes;

namespace ModGen.Tests.Files;

public sealed class CheckpointTests : IDisposable
{
    private readonly CpuDevice _device = Device.Cpu(threads: 2);
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _device.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_resumed_run_is_the_same_run_bit_for_bit()
    {
        var corpus = Corpus<Tiny>.OpenText(Texts.Sentences(60));
        var options = new TrainingOptions { Seed = 7, Schedule = new LearningRateSchedule(5, 40) };
        using var through = Tiny.Create(_device, seed: 1);
        using var one = through.CreateTrainer(4, new AdamW(0.01f), options);
        foreach (var batch in corpus.Batches(4, one.Seed).Take(20))
            one.Step(batch);

        using var before = Tiny.Create(_device, seed: 1);
        using var first = before.CreateTrainer(4, new AdamW(0.01f), options);
        foreach (var batch in corpus.Batches(4, first.Seed).Take(9))
            first.Step(batch);
        var saved = first.Save(_folder.Path);

        using var after = Tiny.Create(_device, seed: 99);
        using var second = after.CreateTrainer(4, new AdamW(0.01f), options with { Seed = 8 });
        second.Step(Texts.Random<Tiny>(4, 1));
        var info = second.Load(saved);
        Assert.Equal((9, 7UL, 36, "tiny"), (info.Step, info.Seed, info.DataPosition, info.Fingerprint));
        Assert.Equal((9, 7UL, 36), (second.Steps, second.Seed, second.DataPosition));
        foreach (var batch in corpus.Batches(4, second.Seed, second.DataPosition).Take(11))
            second.Step(batch);
        Assert.Equal(Texts.Weights(through), Texts.Weights(after));
        Assert.Equal(Moments(one, through), Moments(second, after));
    }

    [Fact]
    public void Matrices_larger_than_a_piece_come_back_whole()
    {
        using var source = Broad.Create(_device, seed: 1);
        using var target = Broad.Create(_device, seed: 2);
        using var first = source.CreateTrainer(2, new AdamW());
        using var second = target.CreateTrainer(2, new AdamW());
        Assert.Contains(source.Parameters.Parameters, parameter => parameter.Length > 1 << 18);
        first.Step(Texts.Random<Broad>(2, 1));
        second.Load(first.Save(_folder.Path));
        Assert.True(Texts.Weights(source).AsSpan().SequenceEqual(Texts.Weights(target)));
        Assert.True(Moments(first, source).AsSpan().SequenceEqual(Moments(second, target)));
    }

    [Fact]
    public void The_newest_are_kept_and_found()
    {
        using var model = Tiny.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW());
        Assert.Null(Checkpoint.FindLatest(_folder["run"]).Latest);
        for (var step = 0; step < 5; step++)
        {
            trainer.Step(Texts.Random<Tiny>(4, step));
            trainer.Save(_folder["run"], keep: 2);
        }

        Assert.Equal(["step-0000000004", "step-0000000005"], Names());
        var again = trainer.Save(_folder["run"], keep: 2);
        Assert.Equal(["step-0000000005", "step-0000000005.1"], Names());
        var found = Checkpoint.FindLatest(_folder["run"]);
        Assert.Equal(again, found.Latest?.Folder);
        Assert.Empty(found.Skipped);
        Directory.CreateDirectory(_folder["run/step-notanumber"]);
        Directory.CreateDirectory(_folder["run/other"]);
        Assert.Equal(again, Checkpoint.FindLatest(_folder["run"]).Latest?.Folder);
    }

    [Fact]
    public void Damaged_ones_are_passed_over_with_a_reason()
    {
        using var model = Tiny.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW());
        var saved = new List<string>();
        for (var step = 0; step < 4; step++)
        {
            trainer.Step(Texts.Random<Tiny>(4, step));
            saved.Add(trainer.Save(_folder["run"], keep: 9));
        }

        Flip(Path.Combine(saved[3], "model.safetensors"), 5000);
        using (var cut = File.OpenWrite(Path.Combine(saved[2], "optimizer.safetensors")))
            cut.SetLength(cut.Length - 1);
        File.Delete(Path.Combine(saved[1], "state.json"));
        var found = Checkpoint.FindLatest(_folder["run"]);
        Assert.Equal(saved[0], found.Latest?.Folder);
        Assert.Equal([saved[3], saved[2], saved[1]], found.Skipped.Select(skipped => skipped.Folder));
        Assert.Contains("model.safetensors: its bytes do not have the SHA-256", found.Skipped[0].Reason, StringComparison.Ordinal);
        Assert.Contains("optimizer.safetensors: has", found.Skipped[1].Reason, StringComparison.Ordinal);
        Assert.Contains("cut off", found.Skipped[1].Reason, StringComparison.Ordinal);
        Assert.Contains("state.json", found.Skipped[2].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void No_damage_is_ever_loaded()
    {
        using var model = Tiny.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW());
        trainer.Step(Texts.Random<Tiny>(4, 1));
        var saved = trainer.Save(_folder["run"]);
        using var target = Tiny.Create(_device, seed: 2);
        using var victim = target.CreateTrainer(4, new AdamW());
        victim.Step(Texts.Random<Tiny>(4, 9));
        var (weights, moments) = (Texts.Weights(target), Moments(victim, target));
        var random = new Random(3);
        foreach (var path in Directory.GetFiles(saved))
        {
            var good = File.ReadAllBytes(path);
            for (var round = 0; round < 150; round++)
            {
                var bad = Damage.Apply(good, random, Math.Min(good.Length, 600));
                if (bad.AsSpan().SequenceEqual(good))
                    continue;
                File.WriteAllBytes(path, bad);
                try
                {
                    // White space outside the hashed state may change without harm: then the state is the one saved.
                    Assert.Equal((1, 4), (victim.Load(saved).Step, victim.DataPosition));
                    Assert.EndsWith("state.json", path, StringComparison.Ordinal);
                    weights = Texts.Weights(target);
                    moments = Moments(victim, target);
                }
                catch (CheckpointException e)
                {
                    Assert.Contains(saved, e.Message, StringComparison.Ordinal);
                    Assert.Equal(weights, Texts.Weights(target));
                    Assert.Equal(moments, Moments(victim, target));
                }
            }

            File.WriteAllBytes(path, good);
        }

        victim.Load(saved);
        Assert.Equal(Texts.Weights(model), Texts.Weights(target));
    }

    [Fact]
    public void No_digit_of_the_state_can_change()
    {
        using var model = Tiny.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW());
        trainer.Step(Texts.Random<Tiny>(4, 1));
        var path = Path.Combine(trainer.Save(_folder.Path), "state.json");
        var good = File.ReadAllBytes(path);
        var digits = Enumerable.Range(0, good.Length).Where(i => char.IsAsciiDigit((char)good[i])).ToList();
        Assert.True(digits.Count > 50);
        foreach (var i in digits)
        {
            var bad = good.ToArray();
            bad[i] = (byte)('0' + (bad[i] - '0' + 1) % 10);
            File.WriteAllBytes(path, bad);
            Assert.Throws<CheckpointException>(() => trainer.Load(Path.GetDirectoryName(path)!));
        }

        File.WriteAllBytes(path, good);
        Assert.Equal(1, trainer.Load(Path.GetDirectoryName(path)!).Step);
    }

    [Fact]
    public void Another_declaration_is_refused_in_words()
    {
        using var tiny = Tiny.Create(_device, seed: 1);
        using var wider = Wider.Create(_device, seed: 1);
        using var source = wider.CreateTrainer(4, new AdamW());
        using var target = tiny.CreateTrainer(4, new AdamW());
        var saved = source.Save(_folder.Path);
        var before = Texts.Weights(tiny);
        var error = Assert.Throws<CheckpointException>(() => target.Load(saved));
        Assert.Contains("hidden_size is 12, expected 8", error.Message, StringComparison.Ordinal);
        Assert.Throws<CheckpointException>(() => Checkpoint.LoadWeights(tiny, saved));
        Assert.Throws<CheckpointException>(() => target.Load(_folder["missing"]));
        Assert.Equal(before, Texts.Weights(tiny));
    }

    [Fact]
    public void A_save_cut_short_anywhere_leaves_the_one_before()
    {
        using var model = Tiny.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW());
        trainer.Step(Texts.Random<Tiny>(4, 1));
        var good = trainer.Save(_folder["run"]);
        trainer.Step(Texts.Random<Tiny>(4, 2));
        var whole = trainer.Save(_folder["other"]);
        // What the disk may hold when the process dies: any number of files, the last of them cut anywhere, under the temporary name.
        string[] order = ["model.safetensors", "config.json", "optimizer.safetensors", "state.json"];
        for (var stage = 0; stage <= order.Length; stage++)
        {
            foreach (var share in (double[])[0, 0.5, 1])
            {
                var dead = _folder["run/.saving-2-999999999"];
                Directory.CreateDirectory(dead);
                foreach (var file in order.Take(stage))
                    File.Copy(Path.Combine(whole, file), Path.Combine(dead, file));
                if (stage < order.Length)
                    File.WriteAllBytes(Path.Combine(dead, order[stage]), File.ReadAllBytes(Path.Combine(whole, order[stage]))[..(int)(share * new FileInfo(Path.Combine(whole, order[stage])).Length)]);
                Assert.Equal(good, Checkpoint.FindLatest(_folder["run"]).Latest?.Folder);
                Directory.Delete(dead, recursive: true);
            }
        }

        // The same cut under the final name, as on a disk that lost writes: damaged ones are passed over.
        for (var stage = 0; stage < order.Length; stage++)
        {
            var torn = _folder["run/step-0000000002"];
            Directory.CreateDirectory(torn);
            foreach (var file in order.Take(stage))
                File.Copy(Path.Combine(whole, file), Path.Combine(torn, file));
            var found = Checkpoint.FindLatest(_folder["run"]);
            Assert.Equal(good, found.Latest?.Folder);
            Assert.Single(found.Skipped);
            Directory.Delete(torn, recursive: true);
        }

        Directory.CreateDirectory(_folder["run/.saving-2-999999999"]);
        trainer.Save(_folder["run"]);
        Assert.DoesNotContain(Directory.GetDirectories(_folder["run"]), folder => Path.GetFileName(folder).StartsWith('.'));
    }

    [Fact]
    public void A_full_disk_leaves_the_one_before()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "mounts a small file system");
        var disk = Directory.CreateDirectory(_folder["disk"]).FullName;
        Assert.SkipUnless(Run("mount", "-t", "tmpfs", "-o", "size=96k", "modgen-test", disk), "may not mount a small file system here");
        try
        {
            using var model = Tiny.Create(_device, seed: 1);
            using var trainer = model.CreateTrainer(4, new AdamW());
            trainer.Step(Texts.Random<Tiny>(4, 1));
            var good = trainer.Save(disk);
            trainer.Step(Texts.Random<Tiny>(4, 2));
            var error = Assert.Throws<CheckpointException>(() => trainer.Save(disk));
            Assert.Contains("step 2 cannot be written", error.Message, StringComparison.Ordinal);
            Assert.Contains("No space left", error.Message, StringComparison.Ordinal);
            Assert.Equal([good], Directory.GetFileSystemEntries(disk));
            Assert.Equal(good, Checkpoint.FindLatest(disk).Latest?.Folder);
            File.WriteAllBytes(Path.Combine(disk, "filler"), new byte[16384]);
            Assert.Throws<WeightsException>(() => WeightsFile.Save(model, Path.Combine(disk, "export")));
            Assert.Empty(Directory.GetFiles(Path.Combine(disk, "export")));
        }
        finally
        {
            Run("umount", disk);
        }
    }

    private static bool Run(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    private static void Flip(string path, long offset)
    {
        using var file = File.Open(path, FileMode.Open);
        file.Position = offset;
        var value = file.ReadByte();
        file.Position = offset;
        file.WriteByte((byte)(value ^ 1));
    }

    private static float[] Moments<TModel>(Trainer<TModel> trainer, TModel model)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        var values = new float[2 * model.Parameters.Length];
        trainer.Program.Read(TrainingState.FirstMoment, 0, values.AsSpan(0, values.Length / 2));
        trainer.Program.Read(TrainingState.SecondMoment, 0, values.AsSpan(values.Length / 2));
        return values;
    }

    private IEnumerable<string?> Names() => Directory.GetDirectories(_folder["run"]).Select(Path.GetFileName).Order(StringComparer.Ordinal);
}
