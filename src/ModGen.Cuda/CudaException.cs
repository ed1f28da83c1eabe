namespace ModGen.Cuda;

/// <summary>A call of the CUDA driver or its compiler failed, or there is no device to use. The message is for the user.</summary>
public class CudaException : Exception
{
    internal CudaException(string message, string? call = null, string? kernel = null, CudaResult result = CudaResult.Success, string? resultName = null, Exception? inner = null)
        : base(message, inner)
    {
        Call = call;
        Kernel = kernel;
        Result = (int)result;
        ResultName = resultName;
    }

    /// <summary>The entry point that failed, as <c>cuLaunchKernelEx</c>; null when no call was made.</summary>
    public string? Call { get; }

    /// <summary>The kernel or what else the call was about; null when it was about none.</summary>
    public string? Kernel { get; }

    /// <summary>The driver's number of the error; 0 when it was not the driver's.</summary>
    public int Result { get; }

    /// <summary>The driver's name of the error, as <c>CUDA_ERROR_ILLEGAL_ADDRESS</c>; null when it was not the driver's.</summary>
    public string? ResultName { get; }
}

/// <summary>The device has not the memory that was asked for.</summary>
public sealed class CudaOutOfMemoryException : CudaException
{
    internal CudaOutOfMemoryException(string message, string call, string what, long requestedBytes, long freeBytes, string resultName)
        : base(message, call, what, CudaResult.OutOfMemory, resultName)
    {
        What = what;
        RequestedBytes = requestedBytes;
        FreeBytes = freeBytes;
    }

    /// <summary>What the memory was for.</summary>
    public string What { get; }

    /// <summary>Bytes that were asked for; 0 when the driver itself asked.</summary>
    public long RequestedBytes { get; }

    /// <summary>Bytes that were free on the device at that moment.</summary>
    public long FreeBytes { get; }
}
