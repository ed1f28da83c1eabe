namespace ModGen.Cpu;

/// <summary>
/// A kernel cut into pieces. A job is a struct of raw pointers and sizes; its pieces depend on sizes only, write apart
/// from each other, and may run in any order on any thread.
/// </summary>
internal interface IJob
{
    /// <summary>Does one piece with vectors of type <typeparamref name="V"/>.</summary>
    /// <param name="piece">Which, from 0.</param>
    /// <param name="scratch">Memory of the thread that runs the piece; its content is undefined.</param>
    void Run<V>(int piece, Scratch scratch)
        where V : struct, ILanes<V>;
}
