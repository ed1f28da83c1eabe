using ModGen.Cuda;

namespace ModGen.Programs;

/// <content>How the generated passes become graphs.</content>
public abstract partial class CudaTrainingProgram
{
    private const int CacheLine = 64;

    private CapturedPass Capture(Action pass)
    {
        Measure();
        return new CapturedPass(_device, _stream, _writer.Write(pass));
    }

    // The first micro-batch of a step: products and sums of columns store their gradients, and what they do not store is cleared
    // in front. Written once to know what that is.
    private CapturedPass CaptureFirst()
    {
        Measure();
        _writer.Write(AppendFirst);
        var stored = _writer.Stored;
        return new CapturedPass(_device, _stream, _writer.Write(() =>
        {
            ClearBut(stored);
            AppendFirst();
        }));
    }

    private void ClearBut(IEnumerable<KeyValuePair<ulong, long>> stored)
    {
        var gradients = _memory.Optimizer.State(TrainingState.Gradients);
        var done = 0L;
        foreach (var (address, bytes) in stored)
        {
            // Between parameters is less than a cache line, and zero for ever.
            var start = (long)(address - gradients.Address);
            if (start - done >= CacheLine)
                Clear(gradients + done, start - done);
            done = start + bytes;
        }

        Clear(gradients + done, _memory.Optimizer.Bytes - done);
    }

    private void ZeroGradients()
    {
        var list = new LaunchList();
        list.Clear(_memory.Optimizer.State(TrainingState.Gradients), _memory.Optimizer.Bytes);
        _stream.Run(list);
    }

    private void Measure()
    {
        if (_writer.IsMeasuring)
        {
            _writer.Measure(AppendEvaluate, AppendAccumulate, AppendLogits);
            if (Poison.IsWanted)
                _memory.Poison(_stream, _writer.Memory!);
        }
    }

    private void AppendEvaluate()
    {
        Forward();
        Loss();
    }

    private void AppendAccumulate()
    {
        Forward();
        LossAndBackward();
        Launch(OptimizerKernels.NoteLoss, 1, [CrossEntropySlot, _memory.Losses.Sum]);
    }

    private void AppendFirst()
    {
        _writer.StoreGradients();
        AppendAccumulate();
    }

    private void AppendLogits()
    {
        Forward();
        Head();
    }

    private void AppendUpdate() => _memory.Optimizer.Append(_writer, _memory.Losses.Sum);
}
