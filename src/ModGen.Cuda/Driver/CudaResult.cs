namespace ModGen.Cuda;

/// <summary>The driver's status codes that ModGen tells apart; any other value is kept and named by the driver.</summary>
internal enum CudaResult
{
    Success = 0,
    InvalidValue = 1,
    OutOfMemory = 2,
    NotInitialized = 3,
    Deinitialized = 4,
    NoDevice = 100,
    InvalidImage = 200,
    NoBinaryForGpu = 209,
    UnsupportedPtxVersion = 222,
    InvalidSource = 300,
    NotFound = 500,
    NotReady = 600,
    IllegalAddress = 700,
    NotSupported = 801,
    StreamCaptureUnsupported = 900,
}

/// <summary>What a device says about itself: the driver's numbers of the attributes.</summary>
internal enum DeviceAttribute
{
    Processors = 16,
    ComputeMode = 20,
    CapabilityMajor = 75,
    CapabilityMinor = 76,
    SharedBytesPerBlock = 97,
}

/// <summary>What the driver says about a loaded kernel, and the two things it can be told.</summary>
internal enum FunctionAttribute
{
    MaximumThreads = 0,
    StaticSharedBytes = 1,
    LocalBytes = 3,
    Registers = 4,
    DynamicSharedBytes = 8,
}
