// Matrix products of linear layers on Hopper: C (m x n) = A (m x k) . B (k x n), bfloat16 in, float32 accumulation.
//
//   forward          Y  = X . W^T     A = X  k-major,   B = W  k-major    (rows of W are outputs)
//   input gradient   dX = dY . W      A = dY k-major,   B = W  mn-major
//   weight gradient  dW += dY^T . X   A = dY mn-major,  B = X  mn-major   (k counts the rows of the batch)
//
// so no operand is ever transposed in memory. One persistent block a multiprocessor: a producer warp keeps a ring of
// tiles filled through TMA, two (or three) consumer warpgroups own 64 rows each and hand their accumulators to the epilogue
// while the producer runs ahead into the next tile. Blocks of a cluster are neighbours in m; each loads a part of the B
// tile and multicasts it. Edges need no code: TMA reads zeros outside a map and does not write there.
//
// Maps: A k-major box {64, Rows}, mn-major box {64, 64}; B k-major box {64, Columns / Cluster}, mn-major box
// {64, 64 / Cluster}; all under the 128-byte swizzle. Launch: Threads threads, clusters of Cluster, as many blocks as run at once
// in whole clusters, sizeof(LinearShared) + 1024 bytes of dynamic shared memory.
//
// Split > 0 (forward only): W has two halves of Split rows, and a tile is Columns / 2 outputs of the one and the same outputs
// of the other, side by side; n is 2 Split. The map's box of B is then {64, Columns / 2}.

template <int Columns_, bool MnMajorA_, bool MnMajorB_, int Stages_ = 4, int Cluster_ = 2, int GroupRows_ = 8, int Consumers_ = 2, int Split_ = 0>
struct LinearTile {
    static constexpr int Consumers = Consumers_, Threads = 128 * (Consumers + 1);
    static constexpr int Rows = 64 * Consumers, Columns = Columns_, Depth = 64;
    static constexpr bool MnMajorA = MnMajorA_, MnMajorB = MnMajorB_;
    static constexpr int Stages = Stages_, Cluster = Cluster_, GroupRows = GroupRows_, Split = Split_;
    static constexpr int BytesA = Rows * Depth * 2, BytesB = Columns * Depth * 2, Panel = 64 * 64 * 2;
    static_assert(Columns % 64 == 0 && Columns <= 256, "a tile is whole 64-column panels");
    static_assert(Consumers == 2 || (Consumers == 3 && Columns <= 128), "three consumers have registers for 128 columns each");
    static_assert(Cluster == 1 || Cluster == 2, "clusters of two share B");
    static_assert(BytesB / Cluster % 1024 == 0, "each part of B starts on a swizzle atom");
    static_assert(Split == 0 || (!MnMajorB && Columns % 128 == 0), "halves are rows of a k-major operand, and whole panels");
};

// Which part of which tile: tile (m, n) in units of tiles, reduction steps [step, last), and the part's turn. In a grouped product
// (linear_grouped_sm90) of which group, and how many rows of B lie before the group's.
struct LinearUnit { int m, n, step, last, slice, slices, tile, group = 0, before = 0; };

// Units in the order the blocks take them: slices of the reduction outermost, then groups of GroupRows tile rows that
// are walked column by column, so that what runs together shares its operands in the second-level cache. Where slices come in turn,
// which is what a `lead` says, tiles of full waves are whole and come first. Slices that run at once end one after the other, each
// as long after the one before as that takes to hand over, so that none waits for its turn.
template <class Tile>
struct LinearSchedule {
    int tiles_m, tiles_n, steps, slices, unit, stride, whole, rest, lead;

    __device__ __forceinline__ LinearSchedule(int m, int n, int k, int slices_, int lead_ = 0)
        : tiles_m(ceil_div(m, Tile::Rows * Tile::Cluster)), tiles_n(ceil_div(n, Tile::Columns)), steps(ceil_div(k, Tile::Depth)),
          slices(slices_), unit(int(blockIdx.x) / Tile::Cluster), stride(int(gridDim.x) / Tile::Cluster) {
        int tiles = tiles_m * tiles_n;
        rest = slices > 1 && lead_ > 0 ? tiles % stride : tiles;
        whole = tiles - rest;
        lead = slices > 1 && rest * slices <= stride ? minimum(lead_, steps / (slices * slices)) : 0;
    }

    // The first step of a slice.
    __device__ __forceinline__ int start(int slice) const { return int(i64(steps) * slice / slices) - lead * slice * (slices - slice) / 2; }

    __device__ __forceinline__ bool next(LinearUnit& u) {
        if (unit >= whole + rest * slices) return false;
        bool all = unit < whole;
        u.slice = all ? 0 : (unit - whole) / rest;
        u.slices = all ? 1 : slices;
        u.tile = unit - u.slice * rest;
        u.step = all ? 0 : start(u.slice);
        u.last = all ? steps : start(u.slice + 1);
        int in_group = Tile::GroupRows * tiles_n, group = u.tile / in_group, inside = u.tile - group * in_group;
        int height = minimum(Tile::GroupRows, tiles_m - group * Tile::GroupRows);
        u.n = inside / height;
        u.m = group * Tile::GroupRows + inside - u.n * height;
        unit += stride;
        return true;
    }
};

template <class Tile, int StagingBytes>
struct LinearShared {
    alignas(1024) unsigned char a[Tile::Stages][Tile::BytesA];
    alignas(1024) unsigned char b[Tile::Stages][Tile::BytesB];
    alignas(1024) unsigned char staging[Tile::Consumers][StagingBytes];
    u64 full[Tile::Stages], empty[Tile::Stages];
};

// What an epilogue sees of its place: the warpgroup's first row and column of C, and scratch in shared memory.
struct LinearPlace { int row, column, slice, slices, tile, warpgroup, thread; unsigned char* staging; int group = 0; };

// What every epilogue has, and those that need nothing before the product leave as it is. staging_bytes: shared scratch a
// warpgroup. setup: called once, by one thread, for each warpgroup's scratch. begin: called by the consumers before the
// reduction of a tile; what it returns is handed to apply. drain: called at the end. Lead: steps in the time that one slice of a
// reduction hands over to the next, where slices come in turn.
struct LinearEpilogue {
    static constexpr int Lead = 0;
    struct Nothing { };
    template <class Tile> static constexpr int staging_bytes = 16;
    template <class Tile> __device__ __forceinline__ Nothing begin(const LinearPlace&) const { return {}; }
    __device__ __forceinline__ void drain(int) const { }
};

template <class Tile>
__device__ __forceinline__ void linear_load(unsigned char* a, unsigned char* b, const TensorMap& map_a, const TensorMap& map_b,
                                            u64* full, int row, int column, int depth, int rank, int before = 0) {
    barrier_expect(full, Tile::BytesA + Tile::BytesB);
    if constexpr (Tile::MnMajorA) {
#pragma unroll
        for (int panel = 0; panel < Tile::Rows / 64; panel++) copy_box(a + panel * Tile::Panel, map_a, full, row + panel * 64, depth);
    } else {
        copy_box(a, map_a, full, depth, row);
    }
    constexpr u16 everyone = (1 << Tile::Cluster) - 1;
    (Tile::MnMajorB ? depth : column) += before;
    if constexpr (Tile::Split > 0) {
        constexpr int half = Tile::Columns / 2;
        if constexpr (Tile::Cluster > 1) {
            copy_box_multicast(b + rank * half * 128, map_b, full, depth, column / 2 + rank * Tile::Split, everyone);
        } else {
            copy_box(b, map_b, full, depth, column / 2);
            copy_box(b + half * 128, map_b, full, depth, column / 2 + Tile::Split);
        }
    } else if constexpr (Tile::MnMajorB) {
        constexpr int part = Tile::Depth / Tile::Cluster;
#pragma unroll
        for (int panel = 0; panel < Tile::Columns / 64; panel++) {
            unsigned char* to = b + panel * Tile::Panel + rank * part * 128;
            if constexpr (Tile::Cluster > 1) copy_box_multicast(to, map_b, full, column + panel * 64, depth + rank * part, everyone);
            else copy_box(to, map_b, full, column + panel * 64, depth);
        }
    } else {
        constexpr int part = Tile::Columns / Tile::Cluster;
        if constexpr (Tile::Cluster > 1) copy_box_multicast(b + rank * part * 128, map_b, full, depth, column + rank * part, everyone);
        else copy_box(b, map_b, full, depth, column);
    }
}

// The four 16-deep steps of one stage for the 64 rows of a warpgroup.
template <class Tile>
__device__ __forceinline__ void linear_multiply(float (&acc)[Tile::Columns / 2], const unsigned char* a, const unsigned char* b,
                                                int warpgroup, bool accumulate) {
    u64 da = tile_descriptor(shared_address(a) + warpgroup * Tile::Panel, Tile::Panel);
    u64 db = tile_descriptor(shared_address(b), Tile::Panel);
    constexpr u64 step_a = (Tile::MnMajorA ? 16 * 128 : 32) >> 4, step_b = (Tile::MnMajorB ? 16 * 128 : 32) >> 4;
#pragma unroll
    for (int i = 0; i < Tile::Depth / 16; i++)
        Wgmma<Tile::Columns, Tile::MnMajorA, Tile::MnMajorB>::ss(acc, da + i * step_a, db + i * step_b, i > 0 || accumulate);
}

// What the producer does: fills the ring with the operands of one unit after the other.
template <class Tile, class Shared, class Schedule>
__device__ __forceinline__ void linear_produce(Shared& shared, const TensorMap& map_a, const TensorMap& map_b, Schedule schedule, int rank) {
    LinearUnit unit;
    RingPosition<Tile::Stages> ring;
    while (schedule.next(unit)) {
        int row = (unit.m * Tile::Cluster + rank) * Tile::Rows, column = unit.n * Tile::Columns;
#pragma unroll 1
        for (int step = unit.step; step < unit.last; step++, ring.advance()) {
            barrier_wait(&shared.empty[ring.stage], ring.phase ^ 1);
            linear_load<Tile>(shared.a[ring.stage], shared.b[ring.stage], map_a, map_b, &shared.full[ring.stage], row, column,
                              step * Tile::Depth, rank, unit.before);
        }
    }
}

// What a consumer does: a unit's products for its 64 rows, from the ring.
template <class Tile, class Shared>
__device__ __forceinline__ void linear_reduce(float (&acc)[Tile::Columns / 2], Shared& shared, RingPosition<Tile::Stages>& ring, const LinearUnit& unit,
                                              int warpgroup, int thread) {
    auto release = [&](int stage) {
        if constexpr (Tile::Cluster > 1) { if (thread < Tile::Cluster) barrier_arrive_remote(&shared.empty[stage], thread); }
        else { if (thread == 0) barrier_arrive(&shared.empty[stage]); }
    };
    int previous = ring.stage, step = unit.step;
    // Up to eight steps the compiler would unroll whole, and its assembler then takes up to half a minute over them.
#pragma unroll 1
    do {
        barrier_wait(&shared.full[ring.stage], ring.phase);
        wgmma_fence();
        linear_multiply<Tile>(acc, shared.a[ring.stage], shared.b[ring.stage], warpgroup, step > unit.step);
        wgmma_commit();
        wgmma_wait<1>();
        if (step > unit.step) release(previous);
        previous = ring.stage;
        ring.advance();
    } while (++step < unit.last);
    wgmma_wait<0>();
    pin(acc);
    release(previous);
}

// All tiles of a product. `make` makes what hands out their units, once the kernel before is done.
template <class Tile, class Make, class Epilogue>
__device__ __forceinline__ void linear_tiles_sm90(const TensorMap& map_a, const TensorMap& map_b, const Make& make, const Epilogue& epilogue) {
    using Shared = LinearShared<Tile, Epilogue::template staging_bytes<Tile>>;
    static_assert(sizeof(Shared) + 1024 <= 232448, "the tile does not fit in shared memory");
    extern __shared__ __align__(1024) unsigned char linear_memory[];
    Shared& shared = *reinterpret_cast<Shared*>(linear_memory + ((1024u - (shared_address(linear_memory) & 1023u)) & 1023u));
    int warpgroup = warpgroup_index(), thread = int(threadIdx.x) % 128;
    int rank = Tile::Cluster > 1 ? int(cluster_rank()) : 0;

    if (threadIdx.x == 0) {
        prefetch(map_a);
        prefetch(map_b);
        for (int i = 0; i < Tile::Stages; i++) {
            barrier_init(&shared.full[i], 1);
            barrier_init(&shared.empty[i], Tile::Consumers * Tile::Cluster);
        }
        barrier_init_fence();
    }
    if constexpr (Tile::Cluster > 1) cluster_sync(); else __syncthreads();
    wait_for_previous_kernel();

    auto schedule = make();
    if (warpgroup == 0) {
        registers_shrink<Tile::Consumers == 2 ? 40 : 32>();
        if (thread == 0) linear_produce<Tile>(shared, map_a, map_b, schedule, rank);
    } else {
        registers_grow<Tile::Consumers == 2 ? 232 : 160>();
        warpgroup -= 1;
        float acc[Tile::Columns / 2];
#pragma unroll
        for (int i = 0; i < Tile::Columns / 2; i++) acc[i] = 0.0f;
        LinearUnit unit;
        RingPosition<Tile::Stages> ring;
        while (schedule.next(unit)) {
            LinearPlace place{(unit.m * Tile::Cluster + rank) * Tile::Rows + warpgroup * 64, unit.n * Tile::Columns, unit.slice, unit.slices,
                              unit.tile * Tile::Cluster + rank, warpgroup, thread, shared.staging[warpgroup], unit.group};
            auto ready = epilogue.template begin<Tile>(place);
            linear_reduce<Tile>(acc, shared, ring, unit, warpgroup, thread);
            epilogue.template apply<Tile>(acc, place, ready);
        }
        epilogue.drain(thread);
    }
    let_next_kernel_start();
    __syncwarp();
    if constexpr (Tile::Cluster > 1) cluster_sync();  // no block leaves while its neighbour may still write to it
}

template <class Tile, class Epilogue>
__device__ __forceinline__ void linear_sm90(const TensorMap& map_a, const TensorMap& map_b, int m, int n, int k, int slices, const Epilogue& epilogue) {
    linear_tiles_sm90<Tile>(map_a, map_b, [&] { return LinearSchedule<Tile>(m, n, k, slices, Epilogue::Lead); }, epilogue);
}
