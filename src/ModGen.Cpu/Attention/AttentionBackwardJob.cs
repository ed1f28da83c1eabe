using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>
/// A piece is one key head of one sequence with all query heads that share it, so that nothing is summed across pieces.
/// Score tiles have keys down and queries across, as in the forward pass: P and dS are at once the left operand of
/// dV += Pᵀ·dO and dK += dSᵀ·Q and the right operand of dQᵀ += Kᵀ·dS.
/// </summary>
internal unsafe struct AttentionBackwardJob : IJob
{
    private const int KeyBlock = 96;

    public float* Qkv, O, Lse, DO, DQkv;
    public AttentionShape Shape;

    // Memory of a piece; see Layout.
    private float* _keys, _keysAcross, _values, _dkeys, _dvalues;
    private float* _query, _queryAcross, _doutput, _doutputAcross, _scores, _dscores, _dquery, _lse, _delta;

    public readonly void Run<V>(int piece, Scratch scratch)
        where V : struct, ILanes<V>
    {
        var job = this;
        if (V.Count == 16)
            job.Head<V, Packed12, Packed8, Written12<V>>(piece, scratch);
        else
            job.Head<V, Packed6, Packed4, Written6<V>>(piece, scratch);
    }

    private void Layout<V, K, D>(Scratch scratch)
        where V : struct, ILanes<V>
        where K : struct, ITileShape
        where D : struct, ITileShape
    {
        nint columns = 2 * V.Count;
        nint width = Shape.HeadWidth;
        nint rowsOfWidth = Gemm.Ceiling(Shape.HeadWidth, D.Rows) * D.Rows;
        nint columnsOfWidth = PaddedColumns<V>();
        nint rowsOfLength = Gemm.Ceiling(Shape.Length, K.Rows) * K.Rows;
        var total = rowsOfLength * 2 * (width + columnsOfWidth) + Shape.Length * rowsOfWidth
            + columns * (2 * width + 2 * columnsOfWidth + 2 * KeyBlock + rowsOfWidth + 2);
        _keys = scratch.Floats(total);
        _values = _keys + rowsOfLength * width;
        _dkeys = _values + rowsOfLength * width;
        _dvalues = _dkeys + rowsOfLength * columnsOfWidth;
        _keysAcross = _dvalues + rowsOfLength * columnsOfWidth;
        _query = _keysAcross + Shape.Length * rowsOfWidth;
        _doutput = _query + columns * width;
        _queryAcross = _doutput + columns * width;
        _doutputAcross = _queryAcross + columns * columnsOfWidth;
        _scores = _doutputAcross + columns * columnsOfWidth;
        _dscores = _scores + columns * KeyBlock;
        _dquery = _dscores + columns * KeyBlock;
        _lse = _dquery + columns * rowsOfWidth;
        _delta = _lse + columns;
        new Span<float>(_dkeys, (int)(2 * rowsOfLength * columnsOfWidth)).Clear();
    }

    private readonly int PaddedColumns<V>()
        where V : struct, ILanes<V> => Gemm.Ceiling(Shape.HeadWidth, 2 * V.Count) * 2 * V.Count;

    private void Head<V, K, D, W>(int piece, Scratch scratch)
        where V : struct, ILanes<V>
        where K : struct, ITileShape
        where D : struct, ITileShape
        where W : struct, ITileShape
    {
        Layout<V, K, D>(scratch);
        var (length, width, stride) = (Shape.Length, Shape.HeadWidth, Shape.Stride);
        var columns = 2 * V.Count;
        var (sequence, keyValueHead) = (piece / Shape.KeyValueHeads, piece % Shape.KeyValueHeads);
        var outputStride = Shape.Heads * width;
        var x = Qkv + (nint)sequence * length * stride;
        var dx = DQkv + (nint)sequence * length * stride;
        var key = x + Shape.KeyOffset(keyValueHead);
        Packing.Pack<V>(new Operand(key, stride, 1), 0, length, 0, width, K.Rows, _keys);
        Packing.Pack<V>(new Operand(key, 1, stride), 0, width, 0, length, D.Rows, _keysAcross);
        Packing.Pack<V>(new Operand(x + Shape.ValueOffset(keyValueHead), stride, 1), 0, length, 0, width, K.Rows, _values);
        for (var head = keyValueHead * Shape.Group; head < (keyValueHead + 1) * Shape.Group; head++)
        {
            var q = x + (nint)head * width;
            var d = DO + (nint)sequence * length * outputStride + (nint)head * width;
            var o = O + (nint)sequence * length * outputStride + (nint)head * width;
            var lse = Lse + ((nint)sequence * Shape.Heads + head) * length;
            for (var first = 0; first < length; first += columns)
            {
                var queries = Math.Min(columns, length - first);
                Packing.Pack<V>(new Operand(q, stride, 1), first, queries, 0, width, columns, _query);
                Packing.Pack<V>(new Operand(q, 1, stride), 0, width, first, queries, columns, _queryAcross);
                Packing.Pack<V>(new Operand(d, outputStride, 1), first, queries, 0, width, columns, _doutput);
                Packing.Pack<V>(new Operand(d, 1, outputStride), 0, width, first, queries, columns, _doutputAcross);
                for (var i = 0; i < columns; i++)
                {
                    var row = (nint)(first + i) * outputStride;
                    _lse[i] = i < queries ? lse[first + i] : 0;
                    _delta[i] = i < queries ? SimdMath.Dot<V>(d + row, o + row, width) : 0;
                }

                QueryBlock<V, K, D, W>(first, queries);
                AttentionOutput.Write<V>(_dquery, _query, dx + (nint)first * stride + (nint)head * width, stride, queries, width);
            }
        }

        WriteRows(_dkeys, dx + Shape.KeyOffset(keyValueHead), PaddedColumns<V>());
        WriteRows(_dvalues, dx + Shape.ValueOffset(keyValueHead), PaddedColumns<V>());
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void QueryBlock<V, K, D, W>(int first, int queries)
        where V : struct, ILanes<V>
        where K : struct, ITileShape
        where D : struct, ITileShape
        where W : struct, ITileShape
    {
        var (length, width, end) = (Shape.Length, Shape.HeadWidth, first + queries);
        nint columns = 2 * V.Count;
        nint padded = PaddedColumns<V>();
        for (var key = 0; key < end; key += KeyBlock)
        {
            var count = Math.Min(KeyBlock, end - key);
            for (var row = 0; row < count; row += K.Rows)
            {
                Tile.Run<V, K>(width, _keys + (nint)(key + row) * width, _query, _scores + row * columns, columns, null, 0);
                Tile.Run<V, K>(width, _values + (nint)(key + row) * width, _doutput, _dscores + row * columns, columns, null, 0);
            }

            // Whole tiles: rows beyond the last key belong to later keys or to none, and the mask empties them.
            var rows = Gemm.Ceiling(count, K.Rows) * K.Rows;
            AttentionScores.Mask<V>(_scores, first, key, rows);
            Gradients<V>(rows);
            for (var row = 0; row < rows; row += W.Rows)
            {
                for (nint column = 0; column < padded; column += columns)
                {
                    var dvalue = _dvalues + (key + row) * padded + column;
                    var dkey = _dkeys + (key + row) * padded + column;
                    Tile.Run<V, W>(queries, _scores + row * columns, _doutputAcross + column * queries, dvalue, padded, dvalue, padded);
                    Tile.Run<V, W>(queries, _dscores + row * columns, _queryAcross + column * queries, dkey, padded, dkey, padded);
                }
            }

            for (var row = 0; row < width; row += D.Rows)
                Tile.Run<V, D>(count, _keysAcross + (nint)row * length + (nint)key * D.Rows, _dscores, _dquery + row * columns, columns, key > 0 ? _dquery + row * columns : null, columns);
        }
    }

    // scores become P = exp(s·scale − lse), dscores become dS = P·(dP − delta)·scale.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Gradients<V>(int rows)
        where V : struct, ILanes<V>
    {
        V scale = V.Splat(Shape.Scale), none = V.Zero;
        for (var half = 0; half < 2 * V.Count; half += V.Count)
        {
            V lse = none - V.Load(_lse + half), delta = V.Load(_delta + half);
            for (var row = 0; row < rows; row++)
            {
                var at = (nint)row * 2 * V.Count + half;
                var p = SimdMath.ExpNegative(V.MultiplyAdd(V.Load(_scores + at), scale, lse));
                V.Store(_scores + at, p);
                V.Store(_dscores + at, p * (V.Load(_dscores + at) - delta) * scale);
            }
        }
    }

    private readonly void WriteRows(float* from, float* to, int padded)
    {
        for (var row = 0; row < Shape.Length; row++)
            new ReadOnlySpan<float>(from + (nint)row * padded, Shape.HeadWidth).CopyTo(new Span<float>(to + (nint)row * Shape.Stride, Shape.HeadWidth));
    }
}
