using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace ModGen.Hosting.Tests;

/// <summary>The quickstart as a process: signals, exit codes, streams.</summary>
public sealed partial class ProcessTests
{
    private const int Interrupt = 2;
    private const int Terminate = 15;

    [Theory]
    [InlineData(Interrupt)]
    [InlineData(Terminate)]
    public async Task A_signal_finishes_the_step_and_saves(int signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals are sent with kill.");
        Assert.SkipWhen(IsIgnored(signal), $"Signal {signal} is ignored here, as behind nohup or in the background of a script, and a child inherits that.");
        using var harness = new Harness();
        using var process = Start("train", "--data", harness.Data, "--checkpoint", harness.Checkpoints, "--steps", "100000", "--batch", "1", "--log-every", "1", "--json");
        for (var line = 0; line < 4; line++)
            Assert.NotNull(await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));
        Assert.Equal(0, Kill(process.Id, signal));
        var rest = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(130, process.ExitCode);
        Assert.Contains("Interrupted after step", error, StringComparison.Ordinal);
        var saved = rest.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement).Single(l => l.GetProperty("event").GetString() == "saved");
        Assert.Equal(saved.GetProperty("step").GetInt64(), Checkpoint.FindLatest(harness.Checkpoints).Latest!.Step);
    }

    [Fact]
    public async Task Killed_in_the_middle_the_newest_checkpoint_is_whole()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals are sent with kill.");
        using var harness = new Harness();
        string[] args = ["train", "--data", harness.Data, "--checkpoint", harness.Checkpoints, "--batch", "1", "--save-every", "1", "--json", "--log-every", "1"];
        using (var process = Start([.. args, "--steps", "100000"]))
        {
            for (var saves = 0; saves < 3;)
                saves += (await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken))!.Contains("\"saved\"", StringComparison.Ordinal) ? 1 : 0;
            process.Kill();
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        var newest = Checkpoint.FindLatest(harness.Checkpoints);
        Assert.Empty(newest.Skipped);
        Assert.True(newest.Latest!.Step >= 2, $"step {newest.Latest.Step}");
        using var resumed = Start([.. args, "--resume", "--steps", $"{newest.Latest.Step + 1}"]);
        await resumed.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, resumed.ExitCode);
    }

    [Fact]
    public async Task A_full_disk_is_one_line_and_keeps_what_was_saved()
    {
        using var harness = new Harness();
        Directory.CreateDirectory(harness.Checkpoints);
        // One checkpoint of the quickstart's model fits, weights and two moments, and no second one beside it.
        var size = 3 * sizeof(float) * Quickstart.ApiDocs.Info.Parameters * 3 / 2;
        Assert.SkipUnless(OperatingSystem.IsLinux() && Run("mount", "-t", "tmpfs", "-o", $"size={size}", "none", harness.Checkpoints) == 0, "Mounting a small tmpfs needs root.");
        try
        {
            using var process = Start("train", "--data", harness.Data, "--checkpoint", harness.Checkpoints, "--steps", "3", "--batch", "1", "--save-every", "1", "--json");
            var error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal(1, process.ExitCode);
            Assert.Contains("cannot be written", Assert.Single(error.Split('\n'), line => line.StartsWith("error: ", StringComparison.Ordinal)), StringComparison.Ordinal);
            Assert.Equal(1, Checkpoint.FindLatest(harness.Checkpoints).Latest!.Step);
        }
        finally
        {
            Run("umount", harness.Checkpoints);
        }
    }

    [Fact]
    public async Task Help_and_errors_have_their_exit_codes()
    {
        foreach (var (args, code) in new (string[], int)[] { (["--help"], 0), (["--version"], 0), (["inspect", "--json"], 0), (["fly"], 2), (["sample", "--prompt", "a", "--checkpoint", "/nowhere"], 1) })
        {
            using var process = Start(args);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal(code, process.ExitCode);
        }
    }

    /// <summary>No driver, or a driver without the compiler that was named: the one line says which, and the default is the CPU.</summary>
    [Fact]
    public async Task A_GPU_that_cannot_be_used_is_one_line_or_the_CPU()
    {
        using var harness = new Harness();
        var missing = Path.Combine(harness.Folder, "libnvrtc.so");
        using (var asked = StartWith(("MODGEN_NVRTC", missing), "bench", "--device", "cuda"))
        {
            var error = await asked.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            await asked.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal(1, asked.ExitCode);
            Assert.Matches(@"^error: --device cuda cannot be used: .*(no NVIDIA driver|the NVIDIA driver|MODGEN_NVRTC)[^\n]*\n$", error);
        }

        using var left = StartWith(("MODGEN_NVRTC", missing), "train", "--data", harness.Data, "--checkpoint", harness.Checkpoints, "--steps", "1", "--batch", "1");
        var output = await left.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken) + await left.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await left.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, left.ExitCode);
        Assert.Matches("CPU, .*CUDA cannot be used: ", output);
    }

    /// <summary>Whether this process was started with the signal ignored.</summary>
    private static bool IsIgnored(int signal)
    {
        if (!OperatingSystem.IsLinux())
            return false;
        var mask = File.ReadLines("/proc/self/status").First(line => line.StartsWith("SigIgn:", StringComparison.Ordinal))["SigIgn:".Length..].Trim();
        return (Convert.ToUInt64(mask, 16) >> (signal - 1) & 1) != 0;
    }

    private static Process Start(params string[] args) => StartWith(null, args);

    private static Process StartWith((string Name, string Value)? variable, params string[] args)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Quickstart.dll"), .. args])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (variable is var (name, value))
            start.Environment[name] = value;
        var process = Process.Start(start)!;
        process.StandardInput.Close();
        return process;
    }

    private static int Run(string program, params string[] args)
    {
        using var process = Process.Start(new ProcessStartInfo(program, args) { RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode;
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
