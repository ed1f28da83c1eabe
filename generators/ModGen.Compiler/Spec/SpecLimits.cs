namespace ModGen.Compiler.Spec;

/// <summary>The ranges of the arguments. Products of sizes are bounded on their own: see <see cref="TensorElements"/>.</summary>
public static class SpecLimits
{
    public const int Vocabulary = 1 << 24;
    public const int Width = 1 << 16;
    public const int Layers = 1024;
    public const int Heads = 1024;
    public const int HeadWidth = Width;
    public const int FeedForward = 1 << 20;
    public const int Context = 1 << 20;
    public const int Predictor = 1 << 16;
    public const double RotaryBase = 1e12;
    public const double NormEpsilon = 0.1;
    public const double LeastNormEpsilon = 1e-12;
    public const double AuxiliaryWeight = 1000;

    /// <summary>Elements of one tensor: what an int can count.</summary>
    public const long TensorElements = int.MaxValue;
}
