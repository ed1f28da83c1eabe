using ModGen.Hosting;
using ModGen.Hosting.Output;

namespace ModGen;

/// <summary>
/// A console program around one model: the verbs <c>train</c>, <c>sample</c>, <c>eval</c>, <c>inspect</c> and
/// <c>bench</c>, each with <c>--help</c>.
/// </summary>
public static class ModGenApp
{
    /// <summary>Runs the program: <c>return ModGenApp.Run&lt;ApiDocs&gt;(args);</c> is all of one.</summary>
    /// <typeparam name="TModel">The model.</typeparam>
    /// <param name="args">The arguments of the process.</param>
    /// <param name="byDefault">
    /// Command lines to run one after another when there are no arguments, such as <c>"train --minutes 1"</c>; without
    /// any, the help is shown.
    /// </param>
    /// <returns>
    /// 0; 1 for an error outside the program, 2 for wrong arguments, 3 when training diverged, 130 after Ctrl-C. Every
    /// error is one line on standard error.
    /// </returns>
    public static int Run<TModel>(string[] args, params string[] byDefault)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel> =>
        RunAsync<TModel>(args, byDefault).GetAwaiter().GetResult();

    /// <summary>As <see cref="Run"/>, without blocking the caller while text is sampled.</summary>
    /// <typeparam name="TModel">The model.</typeparam>
    /// <param name="args">The arguments of the process.</param>
    /// <param name="byDefault">Command lines to run when there are no arguments.</param>
    /// <param name="cancellation">Ends the verb as Ctrl-C does: training finishes its step and saves.</param>
    public static async Task<int> RunAsync<TModel>(
        IReadOnlyList<string> args, IReadOnlyList<string>? byDefault = null, CancellationToken cancellation = default)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        ArgumentNullException.ThrowIfNull(args);
        using var interruption = new Interruption(cancellation);
        return await new App<TModel>(AppConsole.OfProcess(), interruption.Token).RunAsync(args, byDefault ?? []).ConfigureAwait(false);
    }
}
