namespace ModGen.Hosting;

/// <summary>What a verb returns to the shell.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>Something outside the program is not as it must be: data, files, memory.</summary>
    public const int Failure = 1;

    /// <summary>Wrong arguments.</summary>
    public const int Usage = 2;

    /// <summary>Training left the finite numbers.</summary>
    public const int Diverged = 3;

    /// <summary>Ctrl-C, as shells count it: 128 + SIGINT.</summary>
    public const int Interrupted = 130;
}

/// <summary>An error of the user's surroundings; the message is the one line that is shown.</summary>
internal sealed class AppException(string message, int exitCode = ExitCode.Failure) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}
