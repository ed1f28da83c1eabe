// Causal attention forward on Hopper (after FlashAttention-3): O = softmax(Q K^T / sqrt(Head)) V and the row's log-sum-exp,
// the score matrix never in memory. Heads are read where the QKV product left them and written where the output
// product wants them; grouped queries read their shared key head.
//
// A persistent block takes tiles of 64 * Consumers query rows, longest first among the heads whose keys fit the second-level
// cache together. A producer warp keeps Q, K and V coming; a consumer warpgroup owns 64 rows. Key blocks run from the
// diagonal backwards. The product of the next keys is issued before the values of the block before, so that the softmax
// of one overlaps the other, and the consumers take turns, so that one's softmax overlaps the other's products.
//
// Maps over qkv as (B, Length, columns): `queries` box {64, 64 * Consumers, 1}, `keys` box {64, Keys, 1}; over o as
// (B, Length, Heads * Head): box {64, 64, 1}; 128-byte swizzle. Rows past Length read as zero and are not written.

template <int Length_, int Heads_, int KeyValueHeads_, int Head_, int Consumers_, int Keys_ = 128, int Stages_ = 2>
struct AttentionTile {
    static constexpr int Length = Length_, Heads = Heads_, KeyValueHeads = KeyValueHeads_, Head = Head_;
    static constexpr int Consumers = Consumers_, Keys = Keys_, Stages = Stages_;
    static constexpr int Rows = 64 * Consumers, Threads = 128 * (Consumers + 1), Panels = Head / 64;
    static constexpr int RowBlocks = ceil_div(Length, Rows);
    static constexpr int QueryBytes = Rows * Head * 2, KeyBytes = Keys * Head * 2;
    static constexpr int KeyColumn = Heads * Head, ValueColumn = (Heads + KeyValueHeads) * Head;
    // Heads that run together: their keys and values take about 24 MB of the second-level cache.
    static constexpr int Together = 24 * 1024 * 1024 / (Length * Head * 4) < 1 ? 1 : 24 * 1024 * 1024 / (Length * Head * 4);
    static_assert(Head == 64 || Head == 128, "heads of 64 and 128; others run on the portable path");
    static_assert(Heads % KeyValueHeads == 0, "query heads share key heads evenly");
    static_assert(Consumers == 2 || Consumers == 3, "two or three consumer warpgroups");
};

template <class Tile>
struct AttentionShared {
    alignas(1024) unsigned char q[Tile::QueryBytes];
    alignas(1024) unsigned char k[Tile::Stages][Tile::KeyBytes];
    alignas(1024) unsigned char v[Tile::Stages][Tile::KeyBytes];
    alignas(1024) unsigned char o[Tile::QueryBytes];
    u64 q_full, q_empty, k_full[Tile::Stages], k_empty[Tile::Stages], v_full[Tile::Stages], v_empty[Tile::Stages];
};

// A tile of work: its sequence, its head, its row block, and how many key blocks it sees.
struct AttentionUnit { int sequence, head, block, key_blocks; };

template <class Tile>
__device__ __forceinline__ bool attention_unit(int index, int sequences, AttentionUnit& u) {
    int heads = sequences * Tile::Heads, group_size = Tile::Together * Tile::RowBlocks;
    int group = index / group_size, inside = index - group * group_size;
    int first = group * Tile::Together, width = minimum(Tile::Together, heads - first);
    if (width <= 0 || inside >= width * Tile::RowBlocks) return false;
    int row_block = inside / width, head = first + inside - row_block * width;
    u.block = Tile::RowBlocks - 1 - row_block;
    u.sequence = head / Tile::Heads;
    u.head = head - u.sequence * Tile::Heads;
    u.key_blocks = ceil_div(minimum((u.block + 1) * Tile::Rows, Tile::Length), Tile::Keys);
    return true;
}

template <class Tile>
__device__ __forceinline__ void attention_produce(AttentionShared<Tile>& shared, const TensorMap& queries, const TensorMap& keys, int sequences) {
    RingPosition<Tile::Stages> ring;
    u32 q_phase = 1;
    AttentionUnit u;
    for (int index = blockIdx.x; attention_unit<Tile>(index, sequences, u); index += gridDim.x, q_phase ^= 1) {
        int kv = u.head / (Tile::Heads / Tile::KeyValueHeads);
        barrier_wait(&shared.q_empty, q_phase);
        barrier_expect(&shared.q_full, Tile::QueryBytes);
        for (int panel = 0; panel < Tile::Panels; panel++)
            copy_box(shared.q + panel * Tile::Rows * 128, queries, &shared.q_full, u.head * Tile::Head + panel * 64, u.block * Tile::Rows, u.sequence);
        for (int n = u.key_blocks - 1; n >= 0; n--, ring.advance()) {
            int s = ring.stage;
            barrier_wait(&shared.k_empty[s], ring.phase ^ 1);
            barrier_expect(&shared.k_full[s], Tile::KeyBytes);
            for (int panel = 0; panel < Tile::Panels; panel++)
                copy_box(shared.k[s] + panel * Tile::Keys * 128, keys, &shared.k_full[s], Tile::KeyColumn + kv * Tile::Head + panel * 64, n * Tile::Keys, u.sequence);
            barrier_wait(&shared.v_empty[s], ring.phase ^ 1);
            barrier_expect(&shared.v_full[s], Tile::KeyBytes);
            for (int panel = 0; panel < Tile::Panels; panel++)
                copy_box(shared.v[s] + panel * Tile::Keys * 128, keys, &shared.v_full[s], Tile::ValueColumn + kv * Tile::Head + panel * 64, n * Tile::Keys, u.sequence);
        }
    }
}

// S (64 x Keys) = Q K^T of this warpgroup's rows.
template <class Tile>
__device__ __forceinline__ void attention_scores(float (&s)[Tile::Keys / 2], const unsigned char* q, const unsigned char* k, int warpgroup) {
    u64 dq = tile_descriptor(shared_address(q) + warpgroup * 64 * 128, 0), dk = tile_descriptor(shared_address(k), 0);
#pragma unroll
    for (int i = 0; i < Tile::Head / 16; i++) {
        u32 in_panel = (i % 4) * 32, panel = i / 4;
        Wgmma<Tile::Keys, false, false>::ss(s, dq + ((panel * Tile::Rows * 128 + in_panel) >> 4), dk + ((panel * Tile::Keys * 128 + in_panel) >> 4), i > 0);
    }
}

// O (64 x Head) += P V.
template <class Tile>
__device__ __forceinline__ void attention_values(float (&o)[Tile::Head / 2], const u32 (&p)[Tile::Keys / 4], const unsigned char* v, bool accumulate) {
    u64 dv = tile_descriptor(shared_address(v), Tile::Keys * 128);
#pragma unroll
    for (int i = 0; i < Tile::Keys / 16; i++)
        Wgmma<Tile::Head, false, true>::rs(o, p + 4 * i, dv + ((i * 16 * 128) >> 4), i > 0 || accumulate);
}

// The running maximum (scaled to base 2) and sum of a thread's two rows.
struct AttentionRows {
    float highest[2], sum[2];
};

// Turns scores into probabilities in place; factor receives what the output so far must be multiplied by.
template <int Keys>
__device__ __forceinline__ void attention_softmax(float (&s)[Keys / 2], AttentionRows& rows, float (&factor)[2], float scale) {
#pragma unroll
    for (int r = 0; r < 2; r++) {
        float highest = fmaxf(s[2 * r], s[2 * r + 1]);
#pragma unroll
        for (int j = 1; j < Keys / 8; j++) highest = fmaxf(highest, fmaxf(s[4 * j + 2 * r], s[4 * j + 2 * r + 1]));
        highest = fmaxf(highest, __shfl_xor_sync(0xffffffffu, highest, 1));
        highest = fmaxf(highest, __shfl_xor_sync(0xffffffffu, highest, 2));
        highest = fmaxf(rows.highest[r], highest * scale);
        float shift = highest == -MODGEN_INFINITY ? 0.0f : highest;  // a row that sees no key of this block yet
        factor[r] = exp2_fast(rows.highest[r] - shift);
        rows.highest[r] = highest;
        float sum = 0.0f;
#pragma unroll
        for (int j = 0; j < Keys / 8; j++) {
            s[4 * j + 2 * r] = exp2_fast(fmaf(s[4 * j + 2 * r], scale, -shift));
            s[4 * j + 2 * r + 1] = exp2_fast(fmaf(s[4 * j + 2 * r + 1], scale, -shift));
            sum += s[4 * j + 2 * r] + s[4 * j + 2 * r + 1];
        }
        rows.sum[r] = rows.sum[r] * factor[r] + sum;
    }
}

// Hides keys after the query: row and key are those of the warpgroup's first row and the block's first key.
template <int Keys>
__device__ __forceinline__ void attention_mask(float (&s)[Keys / 2], int row, int key, int thread) {
    int mine = row + thread / 32 * 16 + thread % 32 / 4, first = key + thread % 4 * 2;
#pragma unroll
    for (int i = 0; i < Keys / 2; i++)
        if (first + i / 4 * 8 + i % 2 > mine + (i % 4 / 2) * 8) s[i] = -MODGEN_INFINITY;
}

template <int Keys>
__device__ __forceinline__ void attention_pack(u32 (&p)[Keys / 4], const float (&s)[Keys / 2]) {
#pragma unroll
    for (int i = 0; i < Keys / 4; i++) p[i] = pack(s[2 * i], s[2 * i + 1]);
}

// Consumers issue their products in turn: named barrier 4 + w opens for consumer w.
template <class Tile> __device__ __forceinline__ void attention_turn_wait(int warpgroup) { named_barrier(4 + warpgroup, 256); }
template <class Tile> __device__ __forceinline__ void attention_turn_pass(int warpgroup) {
    named_barrier_arrive(4 + (warpgroup + 1 == Tile::Consumers ? 0 : warpgroup + 1), 256);
}

// Normalises and stores this warpgroup's 64 rows and their log-sum-exp (natural).
template <class Tile>
__device__ __forceinline__ void attention_store(float (&o)[Tile::Head / 2], AttentionRows& rows, unsigned char* staging, const TensorMap& out,
                                                float* log_sums, const AttentionUnit& u, int warpgroup, int thread) {
    int first = u.block * Tile::Rows + warpgroup * 64, lane = thread % 32, row = thread / 32 * 16 + lane / 4;
    float inverse[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        float sum = rows.sum[r];
        sum += __shfl_xor_sync(0xffffffffu, sum, 1);
        sum += __shfl_xor_sync(0xffffffffu, sum, 2);
        inverse[r] = 1.0f / sum;
        int token = first + row + r * 8;
        if (lane % 4 == 0 && token < Tile::Length)
            log_sums[(i64(u.sequence) * Tile::Heads + u.head) * Tile::Length + token] = 0.6931471805599453f * (rows.highest[r] + log2_fast(sum));
    }
    if (thread == 0) store_wait_read<0>();
    named_barrier(1 + warpgroup, 128);
    u32 base = shared_address(staging);
#pragma unroll
    for (int pair = 0; pair < Tile::Head / 16; pair++) {
        const float* d = o + 8 * pair;
        store_matrices(base + pair / 4 * 8192 + swizzled(thread / 32 * 16 + (lane & 15), pair % 4 * 2 + (lane >> 4)),
                       pack(d[0] * inverse[0], d[1] * inverse[0]), pack(d[2] * inverse[1], d[3] * inverse[1]),
                       pack(d[4] * inverse[0], d[5] * inverse[0]), pack(d[6] * inverse[1], d[7] * inverse[1]));
    }
    async_proxy_fence();
    named_barrier(1 + warpgroup, 128);
    if (thread == 0) {
        for (int panel = 0; panel < Tile::Panels; panel++)
            store_box(out, staging + panel * 8192, u.head * Tile::Head + panel * 64, first, u.sequence);
        store_commit();
    }
}

template <class Tile>
__device__ __forceinline__ void attention_consume(AttentionShared<Tile>& shared, const TensorMap& out, float* log_sums, int sequences, int warpgroup, int thread) {
    constexpr float Log2E = 1.4426950408889634f;
    const float scale = Log2E * rsqrtf(float(Tile::Head));
    RingPosition<Tile::Stages> ring;
    u32 q_phase = 0;
    AttentionUnit u;
    float o[Tile::Head / 2], s[Tile::Keys / 2], factor[2];
    u32 p[Tile::Keys / 4];
#pragma unroll
    for (int i = 0; i < Tile::Head / 2; i++) o[i] = 0.0f;
#pragma unroll
    for (int i = 0; i < Tile::Keys / 2; i++) s[i] = 0.0f;
    if (warpgroup == 0) named_barrier_arrive(4, 256);  // the first turn
    for (int index = blockIdx.x; attention_unit<Tile>(index, sequences, u); index += gridDim.x, q_phase ^= 1) {
        AttentionRows rows{{-MODGEN_INFINITY, -MODGEN_INFINITY}, {0.0f, 0.0f}};
        int row = u.block * Tile::Rows + warpgroup * 64, n = u.key_blocks - 1;
        barrier_wait(&shared.q_full, q_phase);
        barrier_wait(&shared.k_full[ring.stage], ring.phase);
        attention_turn_wait<Tile>(warpgroup);
        wgmma_fence();
        attention_scores<Tile>(s, shared.q, shared.k[ring.stage], warpgroup);
        wgmma_commit();
        attention_turn_pass<Tile>(warpgroup);
        wgmma_wait<0>();
        pin(s);
        if (thread == 0) barrier_arrive(&shared.k_empty[ring.stage]);
        attention_mask<Tile::Keys>(s, row, n * Tile::Keys, thread);
        attention_softmax<Tile::Keys>(s, rows, factor, scale);
        attention_pack<Tile::Keys>(p, s);
        RingPosition<Tile::Stages> behind = ring;
        ring.advance();
        for (bool started = false; n > 0; started = true) {
            n--;
            barrier_wait(&shared.k_full[ring.stage], ring.phase);
            attention_turn_wait<Tile>(warpgroup);
            wgmma_fence();
            attention_scores<Tile>(s, shared.q, shared.k[ring.stage], warpgroup);
            wgmma_commit();
            barrier_wait(&shared.v_full[behind.stage], behind.phase);
            wgmma_fence();
            attention_values<Tile>(o, p, shared.v[behind.stage], started);
            wgmma_commit();
            attention_turn_pass<Tile>(warpgroup);
            wgmma_wait<1>();
            pin(s);
            if (thread == 0) barrier_arrive(&shared.k_empty[ring.stage]);
            if ((n + 1) * Tile::Keys - 1 > row) attention_mask<Tile::Keys>(s, row, n * Tile::Keys, thread);
            attention_softmax<Tile::Keys>(s, rows, factor, scale);
            wgmma_wait<0>();
            pin(o);
            if (thread == 0) barrier_arrive(&shared.v_empty[behind.stage]);
#pragma unroll
            for (int i = 0; i < Tile::Head / 2; i++) o[i] *= factor[i % 4 / 2];
            attention_pack<Tile::Keys>(p, s);
            behind = ring;
            ring.advance();
        }
        if (thread == 0) barrier_arrive(&shared.q_empty);
        barrier_wait(&shared.v_full[behind.stage], behind.phase);
        wgmma_fence();
        attention_values<Tile>(o, p, shared.v[behind.stage], u.key_blocks > 1);
        wgmma_commit();
        wgmma_wait<0>();
        pin(o);
        if (thread == 0) barrier_arrive(&shared.v_empty[behind.stage]);
        attention_store<Tile>(o, rows, shared.o + warpgroup * 64 * Tile::Head * 2, out, log_sums, u, warpgroup, thread);
    }
    if (warpgroup == 0) named_barrier(4, 256);  // takes the turn that the last consumer passed on
    if (thread == 0) store_wait<0>();
}

template <class Tile>
__device__ __forceinline__ void attention_fwd_sm90(const TensorMap& queries, const TensorMap& keys, const TensorMap& out, float* log_sums, int sequences) {
    using Shared = AttentionShared<Tile>;
    static_assert(sizeof(Shared) + 1024 <= 232448, "the tile does not fit in shared memory");
    extern __shared__ __align__(1024) unsigned char attention_memory[];
    Shared& shared = *reinterpret_cast<Shared*>(attention_memory + ((1024u - (shared_address(attention_memory) & 1023u)) & 1023u));
    int warpgroup = warpgroup_index(), thread = int(threadIdx.x) % 128;
    if (threadIdx.x == 0) {
        prefetch(queries);
        prefetch(keys);
        barrier_init(&shared.q_full, 1);
        barrier_init(&shared.q_empty, Tile::Consumers);
        for (int i = 0; i < Tile::Stages; i++) {
            barrier_init(&shared.k_full[i], 1);
            barrier_init(&shared.v_full[i], 1);
            barrier_init(&shared.k_empty[i], Tile::Consumers);
            barrier_init(&shared.v_empty[i], Tile::Consumers);
        }
        barrier_init_fence();
    }
    __syncthreads();
    wait_for_previous_kernel();
    if (warpgroup == 0) {
        registers_shrink<Tile::Consumers == 2 ? 40 : 32>();
        if (thread == 0) attention_produce<Tile>(shared, queries, keys, sequences);
    } else {
        registers_grow<Tile::Consumers == 2 ? 232 : 160>();
        attention_consume<Tile>(shared, out, log_sums, sequences, warpgroup - 1, thread);
    }
    let_next_kernel_start();
}
