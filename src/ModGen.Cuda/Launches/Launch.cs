namespace ModGen.Cuda;

/// <summary>What one entry of a launch list does.</summary>
public enum LaunchKind
{
    /// <summary>Runs a kernel.</summary>
    Kernel,

    /// <summary>Copies memory.</summary>
    Copy,

    /// <summary>Fills memory with zero.</summary>
    Clear,
}

/// <summary>One entry of a launch list: a kernel with its arguments, a copy, or a clearing. Never changes.</summary>
public sealed class Launch
{
    private readonly byte[] _parameters;
    private readonly int[] _offsets;
    private readonly int[] _sizes;

    private Launch(LaunchKind kind, string name, Kernel? kernel = null, string? define = null, int blocks = 0, byte[]? parameters = null, int[]? offsets = null, int[]? sizes = null)
    {
        Kind = kind;
        Name = name;
        Kernel = kernel;
        Define = define;
        Blocks = blocks;
        _parameters = parameters ?? [];
        _offsets = offsets ?? [];
        _sizes = sizes ?? [];
    }

    /// <summary>What it does.</summary>
    public LaunchKind Kind { get; }

    /// <summary>The kernel; null for copies and clearings.</summary>
    public Kernel? Kernel { get; }

    /// <summary>The text in front of the kernel's source; null for none.</summary>
    public string? Define { get; }

    /// <summary>Blocks of the grid; 0 for copies and clearings.</summary>
    public int Blocks { get; }

    /// <summary>Where a copy or a clearing writes.</summary>
    public DevicePointer To { get; private init; }

    /// <summary>What a copy reads.</summary>
    public DevicePointer From { get; private init; }

    /// <summary>Bytes that are copied or cleared; 0 for kernels.</summary>
    public long Bytes { get; private init; }

    /// <summary>The kernel's name, or "copy" or "clear" with the size.</summary>
    public string Name { get; }

    /// <summary>The arguments as they lie in the kernel's parameter space.</summary>
    internal ReadOnlySpan<byte> Parameters => _parameters;

    /// <summary>Where each argument begins in <see cref="Parameters"/>.</summary>
    internal ReadOnlySpan<int> Offsets => _offsets;

    /// <summary>Bytes of each argument.</summary>
    internal ReadOnlySpan<int> Sizes => _sizes;

    /// <summary>The kernel on the device that last loaded this launch.</summary>
    internal LoadedKernel? Loaded { get; set; }

    /// <inheritdoc/>
    public override string ToString() => Name;

    internal static Launch Of(Kernel kernel, int blocks, ReadOnlySpan<Argument> arguments, string? define)
    {
        var offsets = new int[arguments.Length];
        var sizes = new int[arguments.Length];
        var end = 0;
        for (var i = 0; i < arguments.Length; i++)
        {
            if (arguments[i].Bytes == 0)
                throw new ArgumentException($"Argument {i} of {kernel.Name} is an empty Argument; convert a value to it.", nameof(arguments));
            var alignment = arguments[i].Alignment;
            offsets[i] = (end + alignment - 1) / alignment * alignment;
            sizes[i] = arguments[i].Bytes;
            end = offsets[i] + sizes[i];
        }

        var parameters = new byte[end];
        for (var i = 0; i < arguments.Length; i++)
            arguments[i].Write(parameters.AsSpan(offsets[i]));
        return new Launch(LaunchKind.Kernel, kernel.Name, kernel, define, blocks, parameters, offsets, sizes);
    }

    internal static Launch OfCopy(DevicePointer to, DevicePointer from, long bytes) =>
        new(LaunchKind.Copy, $"copy of {bytes} bytes") { To = to, From = from, Bytes = bytes };

    internal static Launch OfClear(DevicePointer at, long bytes) =>
        new(LaunchKind.Clear, $"clear of {bytes} bytes") { To = at, Bytes = bytes };
}
