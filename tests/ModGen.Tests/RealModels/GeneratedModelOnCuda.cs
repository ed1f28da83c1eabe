using ModGen.Cuda;

namespace ModGen.Tests.RealModels;

/// <summary>The same on a GPU that computes in float32: the tolerances are the CPU's.</summary>
public abstract class GeneratedModelOnCuda<TModel> : GeneratedModelTests<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    /// <summary>What operands are held in.</summary>
    protected virtual CudaPrecision Precision => CudaPrecision.Float32;

    /// <inheritdoc/>
    protected override Device Open(bool again)
    {
        if (CudaContext.WhyUnavailable(0) is { } why)
            Assert.Skip(why);
        return Device.Cuda(0, Precision);
    }
}

/// <summary>The same on a GPU as it mostly computes.</summary>
public abstract class GeneratedModelInBFloat16<TModel> : GeneratedModelOnCuda<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    /// <inheritdoc/>
    protected sealed override CudaPrecision Precision => CudaPrecision.BFloat16;
}

public sealed class DenseOnCuda : GeneratedModelOnCuda<Dense>;

public sealed class DenseInBFloat16 : GeneratedModelInBFloat16<Dense>;

public sealed class RoutedByPredictorOnCuda : GeneratedModelOnCuda<RoutedByPredictor>;

public sealed class RoutedByPredictorInBFloat16 : GeneratedModelInBFloat16<RoutedByPredictor>;

public sealed class RoutedByRouterOnCuda : GeneratedModelOnCuda<RoutedByRouter>;

public sealed class RoutedByRouterInBFloat16 : GeneratedModelInBFloat16<RoutedByRouter>;

public sealed class RoutedAtRandomOnCuda : GeneratedModelOnCuda<RoutedAtRandom>;
