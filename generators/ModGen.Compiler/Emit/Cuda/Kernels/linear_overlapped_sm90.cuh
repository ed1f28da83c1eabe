// linear_sm90 with epilogues that run while the next tile is multiplied. The consumers only round their accumulators to bfloat16,
// leave them in shared memory and go on; the producer's three idle warps take them from there, row by row, and have the time of a
// whole tile for what they read and write in device memory, 16 bytes a lane. What they read they ask for several rows ahead, across
// tiles too.
//
// Tiles, maps of A and B and the order of the tiles are linear_sm90's; there are no slices. Results are those of the product
// stored as bfloat16 and of the epilogue as a kernel of its own. Launch: as linear_sm90 with 384 threads and
// sizeof(LinearOverlappedShared) + 1024 bytes of dynamic shared memory.

template <class Tile>
struct LinearOverlappedShared {
    alignas(1024) unsigned char a[Tile::Stages][Tile::BytesA];
    alignas(1024) unsigned char b[Tile::Stages][Tile::BytesB];
    alignas(1024) unsigned char results[2][Tile::Columns / 64][64 * 128];  // of each consumer, in panels of 64 columns, swizzled
    u64 full[Tile::Stages], empty[Tile::Stages];
    u64 made[2], taken[2];  // results: written, read
};

// What every epilogue has, and what those leave that read nothing. Ahead: how many items before their turn what they read is asked for.
struct OverlappedEpilogue {
    static constexpr int Ahead = 6;
    struct Asked { };
    __device__ __forceinline__ Asked ask(int, int) const { return {}; }
};

// Where a lane of the epilogue works. A warp takes every third item of a consumer's 64 rows: a row or, in a split tile, two. A lane
// has eight columns of its row and, in a split tile, those of both halves.
template <class Tile, int Ahead>
struct OverlappedLane {
    static constexpr int Warps = 3, Branches = Tile::Split > 0 ? 2 : 1, Width = Tile::Columns / Branches, Lanes = Width / 8;
    static constexpr int ItemRows = 32 / Lanes, Step = Warps * ItemRows, Items = ceil_div(64, Step), Rounds = ceil_div(Items, Ahead);  // of one consumer
    static_assert(32 % Lanes == 0, "lanes are whole rows");
    int first_row, column;
    __device__ __forceinline__ OverlappedLane(int warp, int lane) : first_row(warp * ItemRows + lane / Lanes), column(lane % Lanes * 8) { }
    __device__ __forceinline__ int row(int item) const { return first_row + item * Step; }  // 64 and above: not there
    // Bytes from a consumer's results to those of a lane.
    __device__ __forceinline__ u32 offset(int row, int branch) const {
        return (branch * (Width / 64) + column / 64) * 8192 + swizzled(row, column % 64 / 8);
    }
};

// Rounds a consumer's accumulators into its results.
template <class Tile>
__device__ __forceinline__ void leave_results(const float (&acc)[Tile::Columns / 2], unsigned char (&results)[Tile::Columns / 64][64 * 128], int thread) {
    int lane = thread % 32, row = thread / 32 * 16 + (lane & 15), chunk = lane >> 4;
    u32 base = shared_address(results);
#pragma unroll
    for (int panel = 0; panel < Tile::Columns / 64; panel++)
#pragma unroll
        for (int pair = 0; pair < 4; pair++) {
            int j = panel * 32 + pair * 8;
            store_matrices(base + panel * 8192 + swizzled(row, pair * 2 + chunk),
                           pack(acc[j], acc[j + 1]), pack(acc[j + 2], acc[j + 3]), pack(acc[j + 4], acc[j + 5]), pack(acc[j + 6], acc[j + 7]));
        }
}

// What a warp of the epilogue does: apply(row, column, results, asked, inside) for every item, results as pairs of bfloat16, of both
// branches in a split tile. What is not inside is not to be stored; somewhere else was asked for in its stead. In a split tile columns
// count within a half; `width` of them are there. Nothing here branches on a lane's place, so that the items of a round overlap.
template <class Tile, class Epilogue>
__device__ __forceinline__ void linear_finish(LinearOverlappedShared<Tile>& shared, LinearSchedule<Tile> schedule, const Epilogue& epilogue, int m, int width,
                                              int rank, int warp) {
    constexpr int Ahead = Epilogue::Ahead;
    using Lane = OverlappedLane<Tile, Ahead>;
    constexpr int Rounds = Lane::Rounds;
    Lane lane(warp, int(threadIdx.x) % 32);
    LinearUnit unit;
    bool more = schedule.next(unit);
    auto first_row = [&](const LinearUnit& u) { return (u.m * Tile::Cluster + rank) * Tile::Rows; };
    typename Epilogue::Asked asked[Ahead];
    auto ask = [&](int row, int tile_n) { return epilogue.ask(minimum(row, m - 1), minimum(tile_n * Lane::Width + lane.column, width - 8)); };
    if (more) {
#pragma unroll
        for (int i = 0; i < Ahead; i++) asked[i] = ask(first_row(unit) + lane.row(i), unit.n);
    }
    for (u32 parity = 0; more; parity ^= 1) {
        LinearUnit next = unit;
        more = schedule.next(next);
#pragma unroll 1
        for (int round = 0; round < 2 * Rounds; round++) {
            int part = round / Rounds, row = lane.row(round % Rounds * Ahead), part_row = first_row(unit) + part * 64;
            bool ends_part = round % Rounds == Rounds - 1, ends_tile = round == 2 * Rounds - 1;
            if (round % Rounds == 0) barrier_wait(&shared.made[part], parity);
            // The round to come, whose rows are asked for.
            int asked_n = ends_tile ? next.n : unit.n;
            int asked_row = ends_tile ? (more ? first_row(next) + lane.row(0) : m) : ends_part ? part_row + 64 + lane.row(0) : part_row + row + Ahead * Lane::Step;
            const unsigned char* results = &shared.results[part][0][0];
            int column = unit.n * Lane::Width + lane.column;
#pragma unroll
            for (int i = 0; i < Ahead; i++) {
                u32 values[Lane::Branches][4];
#pragma unroll
                for (int b = 0; b < Lane::Branches; b++) {
                    uint4 v = *reinterpret_cast<const uint4*>(results + lane.offset(row + i * Lane::Step, b));
                    values[b][0] = v.x; values[b][1] = v.y; values[b][2] = v.z; values[b][3] = v.w;
                }
                typename Epilogue::Asked now = asked[i];
                asked[i] = ask(asked_row + i * Lane::Step, asked_n);
                int here = row + i * Lane::Step;
                epilogue.apply(part_row + here, column, values, now, here < 64 && part_row + here < m && column < width);
            }
            if (ends_part) {
                __syncwarp();
                if (threadIdx.x % 32 == 0) barrier_arrive(&shared.taken[part]);
            }
        }
        unit = next;
    }
}

template <class Tile, class Epilogue>
__device__ __forceinline__ void linear_overlapped_sm90(const TensorMap& map_a, const TensorMap& map_b, int m, int n, int k, const Epilogue& epilogue) {
    using Shared = LinearOverlappedShared<Tile>;
    static_assert(Tile::Consumers == 2, "a tile is two consumers'");
    static_assert(sizeof(Shared) + 1024 <= 232448, "the tile does not fit in shared memory");
    extern __shared__ __align__(1024) unsigned char linear_memory[];
    Shared& shared = *reinterpret_cast<Shared*>(linear_memory + ((1024u - (shared_address(linear_memory) & 1023u)) & 1023u));
    int warpgroup = warpgroup_index(), thread = int(threadIdx.x) % 128, warp = __shfl_sync(0xffffffffu, int(threadIdx.x) / 32, 0);
    int rank = Tile::Cluster > 1 ? int(cluster_rank()) : 0;

    if (threadIdx.x == 0) {
        prefetch(map_a);
        prefetch(map_b);
        for (int i = 0; i < Tile::Stages; i++) {
            barrier_init(&shared.full[i], 1);
            barrier_init(&shared.empty[i], Tile::Consumers * Tile::Cluster);
        }
        for (int i = 0; i < 2; i++) {  // a warp arrives once
            barrier_init(&shared.made[i], 4);
            barrier_init(&shared.taken[i], 3);
        }
        barrier_init_fence();
    }
    if constexpr (Tile::Cluster > 1) cluster_sync(); else __syncthreads();
    wait_for_previous_kernel();

    LinearSchedule<Tile> schedule(m, n, k, 1);
    if (warpgroup == 0) {
        registers_shrink<152>();
        if (warp > 0) linear_finish<Tile>(shared, schedule, epilogue, m, Tile::Split > 0 ? n / 2 : n, rank, warp - 1);
        else if (thread == 0) linear_produce<Tile>(shared, map_a, map_b, schedule, rank);
    } else {
        registers_grow<176>();
        warpgroup -= 1;
        float acc[Tile::Columns / 2];
#pragma unroll
        for (int i = 0; i < Tile::Columns / 2; i++) acc[i] = 0.0f;
        LinearUnit unit;
        RingPosition<Tile::Stages> ring;
        for (u32 parity = 0; schedule.next(unit); parity ^= 1) {
            linear_reduce<Tile>(acc, shared, ring, unit, warpgroup, thread);
            barrier_wait(&shared.taken[warpgroup], parity ^ 1);
            leave_results<Tile>(acc, shared.results[warpgroup], thread);
            __syncwarp();
            if (thread % 32 == 0) barrier_arrive(&shared.made[warpgroup]);
        }
    }
    let_next_kernel_start();
    __syncwarp();
    if constexpr (Tile::Cluster > 1) cluster_sync();  // no block leaves while its neighbour may still write to it
}
