namespace ModGen.Cuda.Tests;

/// <summary>Attention in all its forms, as generated code writes it.</summary>
internal static class AttentionKernels
{
    private const string Hopper = "prelude sm90 wgmma attention attention_sm90 ", Portable = "prelude attention sm80 attention_tiles ", Plain = "prelude attention_any";
    private const string Forward = "const element* qkv, element* o, float* lse, int batch";
    private const string Backward = "const element* qkv, const element* d_o, const float* lse, const float* dots, element* d_qkv, int batch";
    private const string Maps = "const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap d_o, const __grid_constant__ TensorMap d_qkv, ";
    private const string Cached = "const element* qkv, const int* sequences, const int* visible, const element* cache, ";

    public static AttentionKernel Of(int heads, int groups, int width, int length)
    {
        var sizes = $"{heads}, {groups}, {width}, {length}";
        var tile = $"For<AttentionHeads<{width}, {heads}, {groups}>, {length}>::Threads";
        var plain = new AttentionKernel("attention", heads, groups, width, length)
        {
            Forward = Entry(Plain, "256", Forward, $"attention_any_fwd<{sizes}>(qkv, o, lse, batch);"),
            Rows = Entry(Plain, "256", "const element* o, const element* d_o, float* dots, int batch", $"attention_any_rows<{sizes}>(o, d_o, dots, batch);"),
            Queries = Entry(Plain, "256", Backward, $"attention_any_bwd_queries<{sizes}>(qkv, d_o, lse, dots, d_qkv, batch);"),
            Keys = Entry(Plain, "256", Backward, $"attention_any_bwd_keys<{sizes}>(qkv, d_o, lse, dots, d_qkv, batch);"),
        };
        var portable = width % 16 != 0 ? plain : plain with
        {
            PortableForward = Entry(Portable + "attention_fwd", "128", Forward, $"attention_fwd<{sizes}>(qkv, o, lse, batch);"),
            PortableQueries = Entry(Portable + "attention_bwd", "128", Backward, $"attention_bwd_queries<{sizes}>(qkv, d_o, lse, dots, d_qkv, batch);"),
            PortableKeys = Entry(Portable + "attention_bwd", "128", Backward, $"attention_bwd_keys<{sizes}>(qkv, d_o, lse, dots, d_qkv, batch);"),
        };
        return width % 64 != 0 ? portable : portable with
        {
            HopperForward = Entry(Hopper + "attention_fwd_sm90", "AttentionForward" + tile,
                "const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap o, float* lse, int batch", $"attention_fwd_sm90<{sizes}>(qkv, o, lse, batch);"),
            HopperQueries = Entry(Hopper + "attention_rows attention_bwd_sm90 attention_bwd_queries_sm90", "AttentionQueries" + tile,
                Maps + "const element* o, const element* d_output, const float* lse, float* rows, const int* positions, const float2* rotary, int batch",
                $"attention_bwd_queries_sm90<{sizes}>(qkv, d_o, d_qkv, o, d_output, lse, rows, positions, rotary, batch);"),
            HopperKeys = Entry("prelude sm90 wgmma attention attention_copy_sm90 attention_sm90 attention_rows attention_bwd_sm90 attention_bwd_keys_sm90", "AttentionKeys" + tile,
                Maps + "float* rows, const int* positions, const float2* rotary, int batch", $"attention_bwd_keys_sm90<{sizes}>(qkv, d_o, d_qkv, rows, positions, rotary, batch);"),
            HopperGradient = width != 64 ? null : Entry("prelude sm80 sm90 wgmma attention attention_sm90 attention_rows attention_bwd_sm90 "
                + "attention_bwd_joint_sm90 attention_bwd_joint_keys_sm90 attention_bwd_joint_rows_sm90 attention_bwd_joint_queries_sm90", $"AttentionJointTile<AttentionHeads<{width}, {heads}, {groups}>>::Threads",
                Maps + "const element* o, const float* lse, float* rows, float4* sums, const int* positions, const float2* rotary, int batch",
                $"attention_bwd_joint_sm90<{sizes}>(qkv, d_o, d_qkv, o, lse, rows, sums, positions, rotary, batch);"),
        };
    }

    public static CachedAttentionKernel OverCaches(int heads, int groups, int width, int context)
    {
        var sizes = $"{heads}, {groups}, {width}, {context}";
        return new CachedAttentionKernel("cached", heads, groups, width)
        {
            Rows = Entry("prelude cached_attention", "256", Cached + "element* o, Rows rows", $"cached_attention<{sizes}>(qkv, sequences, visible, cache, o, rows);"),
            Split = Entry("prelude cached_attention cached_attention_split", "256", Cached + "float* partials, Rows rows",
                $"cached_attention_split<{sizes}, {CachedAttentionKernel.Splits}>(qkv, sequences, visible, cache, partials, rows);"),
            Combine = Entry("prelude cached_attention cached_attention_split", "256", "const float* partials, element* o, Rows rows",
                $"cached_attention_combine<{heads}, {width}, {CachedAttentionKernel.Splits}>(partials, o, rows);"),
            Tiles = width % 16 != 0 ? null : Entry("prelude attention sm80 attention_tiles cached_attention_tiles", "128", Cached + "element* o, Rows rows",
                $"cached_attention_tiles<{sizes}>(qkv, sequences, visible, cache, o, rows);"),
        };
    }

    private static Kernel Entry(string families, string bound, string parameters, string body) =>
        new("attention", families, int.TryParse(bound, out var threads) ? threads : 128, $"extern \"C\" __global__ void __launch_bounds__({bound}, 1) attention({parameters}) {{ {body} }}");
}
