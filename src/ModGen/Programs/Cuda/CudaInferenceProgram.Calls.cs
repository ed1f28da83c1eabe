using ModGen.Cuda;

namespace ModGen.Programs;

/// <content>How a call goes to the device and comes back, and how the generated pass becomes a graph.</content>
public abstract partial class CudaInferenceProgram
{
    /// <summary>What to hold during a call of so many rows: the pass of one row has kernels whose blocks wait for one another.</summary>
    private Lock TurnOf(int rows) => BucketOf(rows).Call.Most == 1 ? _device.Context.Turn : _alone;

    private CallBucket BucketOf(int rows) => rows <= _buckets[0].Call.Most ? _buckets[0] : _buckets[^1];

    /// <summary>Puts a call into the stream; false when there is nothing to do.</summary>
    private bool Send(ReadOnlySpan<int> tokens, ReadOnlySpan<int> sequences, ReadOnlySpan<int> wanted, ReadOnlySpan<byte> forced, ulong draw, bool choose)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _lengths.CheckRows(tokens, sequences, forced);
        if (tokens.IsEmpty)
            return false;
        var bucket = BucketOf(tokens.Length);
        var positions = bucket.Call.HostPositions[..tokens.Length];
        _lengths.Place(tokens, sequences, positions);
        _rows = tokens.Length;
        try
        {
            var pass = Capture(bucket, choose);
            _bucket = bucket;
            if (choose)
                for (var row = 0; row < tokens.Length; row++)
                    bucket.Call.HostLengths[sequences[row]] = positions[row] + 1;
            bucket.Call.Fill(tokens, sequences, wanted, forced, draw);
            if (positions.Contains(0))
            {
                bucket.Call.Send(_stream);
                _stream.Run(bucket.Restart!);
            }

            pass.Run(_stream);
            _pass = pass;
            return true;
        }
        catch
        {
            Forget(sequences);
            throw;
        }
    }

    /// <summary>Waits for the call that was sent, and takes what it brought back.</summary>
    private void Receive(ReadOnlySpan<int> sequences, Span<float> logits, Span<int> chosen)
    {
        try
        {
            _memory.Receive(_stream, logits);
        }
        catch
        {
            Forget(sequences);
            throw;
        }

        _bucket.Call.ReceivedTokens(chosen.Length).CopyTo(chosen);
        TakeFlags(_bucket);
        _lengths.Advance(sequences);
    }

    /// <summary>Behind a failure some caches may hold the rows and others not: such a sequence is of no use.</summary>
    private void Forget(ReadOnlySpan<int> sequences)
    {
        foreach (var sequence in sequences)
            _lengths.Clear(sequence);
    }

    private CapturedPass Capture(CallBucket bucket, bool choose)
    {
        if ((choose ? bucket.Choosing : bucket.Pass) is { } captured)
            return captured;
        if (_writer.IsMeasuring)
        {
            // Few rows take other forms of some operations than many, and other scratch memory.
            _writer.Measure([.. _buckets.Select<CallBucket, Action>(b => () =>
            {
                _bucket = b;
                Run();
            })]);
            if (Poison.IsWanted)
                _memory.Poison(_stream, _writer.Memory!);
        }

        _bucket = bucket;
        bucket.Restart ??= _memory.Caches.Restart(bucket.Call);
        if (!choose)
            return bucket.Pass = new CapturedPass(_device, _stream, _writer.Write(() => RunCall(choose: false)));
        return bucket.Choosing = new CapturedPass(_device, _stream, _writer.Write(() => RunCall(choose: true)));
    }

    private void RunCall(bool choose)
    {
        _bucket.Call.AppendArrival(_writer);
        Run();
        if (choose)
            _choice!.Append(_writer, _bucket.Call, _memory.Logits);
        _bucket.Call.AppendDeparture(_writer);
    }

    private void TakeFlags(CallBucket bucket)
    {
        for (var ordinal = 0; ordinal < _routedLayers.Count; ordinal++)
        {
            var flags = bucket.Call.ReceivedFlags(ordinal, _rows);
            var entered = _entered.AsSpan(ordinal * MaximumRows, _rows);
            for (var row = 0; row < flags.Length; row++)
                entered[row] = flags[row] != 0 ? (byte)1 : (byte)0;
        }
    }

    /// <summary>Calls of up to so many rows, and the graph that they are.</summary>
    private sealed class CallBucket(CallBuffers call)
    {
        public CallBuffers Call { get; } = call;

        /// <summary>The pass that ends with logits.</summary>
        public CapturedPass? Pass { get; set; }

        /// <summary>The pass that ends with tokens.</summary>
        public CapturedPass? Choosing { get; set; }

        public LaunchList? Restart { get; set; }
    }
}
