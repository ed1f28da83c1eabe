// The units of the hardware that kernels reach through inline PTX: sm80.cuh, sm90.cuh and wgmma.cuh, in plain C++.
#pragma once
#include "language.h"

// ---- sm_80: ldmatrix, mma.sync, cp.async -------------------------------------------------------------------------

// The addresses of the warp's lanes; to be followed by a meeting before the next call.
inline const u32* warp_addresses(u32 address) {
    static u32 addresses[32][32];
    u32* mine = addresses[emulator::warp()];
    mine[emulator::lane()] = address;
    emulator::meet(emulator::warps[emulator::warp()], 32);
    return mine;
}

inline void load_matrices(u32 address, u32 (&v)[4], bool transposed) {
    if (address % 16) emulator::fail("ldmatrix wants multiples of 16 bytes");
    const u32* rows = warp_addresses(address);
    int lane = emulator::lane();
    for (int i = 0; i < 4; i++) {
        const unsigned char* memory = emulator::shared_memory;
        if (transposed) {
            u16 low, high;
            std::memcpy(&low, memory + rows[8 * i + lane % 4 * 2] + lane / 4 * 2, 2);
            std::memcpy(&high, memory + rows[8 * i + lane % 4 * 2 + 1] + lane / 4 * 2, 2);
            v[i] = low | u32(high) << 16;
        } else {
            std::memcpy(&v[i], memory + rows[8 * i + lane / 4] + lane % 4 * 4, 4);
        }
    }
    __syncwarp();
}

inline void load_matrices(u32 address, u32 (&v)[4]) { load_matrices(address, v, false); }
inline void load_matrices_transposed(u32 address, u32 (&v)[4]) { load_matrices(address, v, true); }

inline float half_of(u32 pair, int which) { return which ? high_half(pair) : low_half(pair); }

inline void multiply_16x8x16(float* d, const u32* a, u32 b0, u32 b1) {
    static u32 as[32][32][4], bs[32][32][2];
    int w = emulator::warp(), lane = emulator::lane();
    std::memcpy(as[w][lane], a, 16);
    bs[w][lane][0] = b0;
    bs[w][lane][1] = b1;
    emulator::meet(emulator::warps[w], 32);
    for (int e = 0; e < 4; e++) {
        int r = lane / 4 + e / 2 * 8, c = lane % 4 * 2 + e % 2;
        for (int k = 0; k < 16; k++)
            d[e] += half_of(as[w][r % 8 * 4 + k % 8 / 2][r / 8 + k / 8 * 2], k % 2) * half_of(bs[w][c * 4 + k % 8 / 2][k / 8], k % 2);
    }
    emulator::meet(emulator::warps[w], 32);
}

inline void copy_async(u32 to, const void* from, bool inside) {
    if (to % 16 || reinterpret_cast<u64>(from) % 16) emulator::fail("cp.async wants multiples of 16 bytes");
    emulator::late.push_back({emulator::Never, emulator::current_index, [=] {
        if (inside) std::memcpy(emulator::shared_memory + to, from, 16);
        else std::memset(emulator::shared_memory + to, 0, 16);
    }});
}

inline void copy_async_commit() { emulator::late.push_back({emulator::Never, emulator::current_index, nullptr}); }

template <int Pending> void copy_async_wait() {
    int me = emulator::current_index, finish = -Pending;
    for (auto& l : emulator::late) finish += l.owner == me && !l.run;
    for (size_t i = 0; i < emulator::late.size() && finish > 0;) {
        if (emulator::late[i].owner != me) {
            i++;
            continue;
        }
        auto run = emulator::late[i].run;
        emulator::late.erase(emulator::late.begin() + i);
        if (run) run(); else finish--;
        emulator::progress++;
    }
}

// ---- sm_90: barriers -----------------------------------------------------------------------------------------------

struct TransactionBarrier { int arrivals, pending; long bytes; u32 phase; };
inline std::unordered_map<const void*, TransactionBarrier> transaction_barriers;
struct NamedBarrier { int arrived; u64 generation; };
inline NamedBarrier named_barriers[16];

inline void emulator::forget_barriers() {
    transaction_barriers.clear();
    for (auto& b : named_barriers) b = {};
}

inline TransactionBarrier& find_barrier(u64* at) {
    auto found = transaction_barriers.find(at);
    if (found == transaction_barriers.end()) emulator::fail("barrier was not initialised");
    return found->second;
}

inline void settle(TransactionBarrier& b) {
    if (b.pending < 0) emulator::fail("more arrivals than the barrier expects");
    if (b.pending > 0 || b.bytes != 0) return;
    b.phase ^= 1;
    b.pending = b.arrivals;
    emulator::progress++;
}

inline void barrier_init(u64* at, u32 arrivals) { transaction_barriers[at] = {int(arrivals), int(arrivals), 0, 0}; }
inline void barrier_init_fence() { }
inline void barrier_expect(u64* at, u32 bytes) {
    auto& b = find_barrier(at);
    b.bytes += bytes;
    b.pending--;
    settle(b);
}
inline void barrier_arrive(u64* at) { barrier_expect(at, 0); }
constexpr int WarpArrivals = 1, WarpgroupArrivals = 1;
inline void warp_arrive(u64* at) {
    __syncwarp();
    if (emulator::lane() == 0) barrier_arrive(at);
}
inline void warpgroup_arrive(u64* at) {
    if (threadIdx.x % 128 == 0) barrier_arrive(at);
}
inline void barrier_wait(u64* at, u32 phase) { while (find_barrier(at).phase == phase) emulator::yield(); }

template <int Stages> struct RingPosition {
    int stage = 0;
    u32 phase = 0;
    void advance() { if (++stage == Stages) { stage = 0; phase ^= 1; } }
};

inline void named_barrier_arrive(int id, int threads) {
    auto& b = named_barriers[id];
    if (++b.arrived > threads) emulator::fail("more threads than the named barrier expects");
    if (b.arrived < threads) return;
    b.arrived = 0;
    b.generation++;
    emulator::progress++;
}

inline void named_barrier(int id, int threads) {
    u64 generation = named_barriers[id].generation;
    named_barrier_arrive(id, threads);
    while (named_barriers[id].generation == generation) emulator::yield();
}

// Blocks run one after the other, so a cluster is one block.
inline u32 cluster_rank() { return 0; }
inline void cluster_sync() { }
inline void barrier_arrive_remote(u64* at, u32) { barrier_arrive(at); }

inline void add_to_global(float4* to, float4 v) { *to = make_float4(to->x + v.x, to->y + v.y, to->z + v.z, to->w + v.w); }
inline int warpgroup_index() { return int(threadIdx.x) / 128; }
template <int Registers> void registers_grow() { }
template <int Registers> void registers_shrink() { }

// ---- sm_90: the copy engine ---------------------------------------------------------------------------------------

// bf16, dense rows, boxes of 64 columns.
struct alignas(64) TensorMap { unsigned char* base; i64 columns, rows, sequences; int box_rows; };

inline void prefetch(const TensorMap&) { }
inline u32 swizzled(int row, int chunk) { return u32(row * 128 + ((chunk ^ (row & 7)) << 4)); }

// Calls visit(address in the matrix or null, address in shared memory) for each element of a box.
template <class Visit> void each_of_box(const TensorMap& map, unsigned char* tile, int x, int y, int z, Visit visit) {
    if (shared_address(tile) % 1024) emulator::fail("a swizzled box starts on 1024 bytes");
    for (int r = 0; r < map.box_rows; r++)
        for (int c = 0; c < 64; c++) {
            i64 column = x + c, row = y + r;
            bool inside = column >= 0 && column < map.columns && row >= 0 && row < map.rows && z >= 0 && z < map.sequences;
            visit(inside ? map.base + ((z * map.rows + row) * map.columns + column) * 2 : nullptr, tile + swizzled(r, c / 8) + c % 8 * 2);
        }
}

inline void complete(u64* barrier, u32 bytes) {
    auto& b = find_barrier(barrier);
    b.bytes -= bytes;
    settle(b);
}

inline int some_rounds() { return 1 + int(emulator::chance() % 6); }

inline void copy_box(void* to, const TensorMap& map, u64* barrier, int x, int y, int z) {
    auto* tile = static_cast<unsigned char*>(to);
    emulator::late.push_back({some_rounds(), -1, [=] {
        each_of_box(map, tile, x, y, z, [](unsigned char* outside, unsigned char* inside) {
            if (outside) std::memcpy(inside, outside, 2); else std::memset(inside, 0, 2);
        });
        complete(barrier, u32(map.box_rows) * 128);
    }});
}

inline void copy_box(void* to, const TensorMap& map, u64* barrier, int x, int y) { copy_box(to, map, barrier, x, y, 0); }

inline void copy_box_multicast(void* to, const TensorMap& map, u64* barrier, int x, int y, u16) { copy_box(to, map, barrier, x, y); }

inline void copy_bulk(void* to, const void* from, u32 bytes, u64* barrier) {
    if (bytes % 16 || reinterpret_cast<u64>(from) % 16 || shared_address(to) % 16) emulator::fail("a bulk copy wants multiples of 16 bytes");
    emulator::late.push_back({some_rounds(), -1, [=] {
        std::memcpy(to, from, bytes);
        complete(barrier, bytes);
    }});
}

inline void store_box(const TensorMap& map, const void* from, int x, int y, int z) {
    auto* tile = const_cast<unsigned char*>(static_cast<const unsigned char*>(from));
    emulator::late.push_back({8, emulator::current_index, [=] {
        each_of_box(map, tile, x, y, z, [](unsigned char* outside, unsigned char* inside) { if (outside) std::memcpy(outside, inside, 2); });
    }});
}

inline void store_box(const TensorMap& map, const void* from, int x, int y) { store_box(map, from, x, y, 0); }
inline void store_commit() { emulator::late.push_back({emulator::Never, emulator::current_index, nullptr}); }

// Ends this thread's stores but for the last Pending groups.
template <int Pending> void store_wait() {
    int me = emulator::current_index, finish = -Pending;
    for (auto& l : emulator::late) finish += l.owner == me && !l.run;
    for (size_t i = 0; i < emulator::late.size() && (finish > 0 || Pending == 0);) {
        if (emulator::late[i].owner != me) {
            i++;
            continue;
        }
        auto run = emulator::late[i].run;
        emulator::late.erase(emulator::late.begin() + i);
        if (run) run(); else finish--;
        emulator::progress++;
    }
}
template <int Pending> void store_wait_read() { store_wait<Pending>(); }
inline void async_proxy_fence() { }

inline void store_matrices(u32 address, u32 a, u32 b, u32 c, u32 d) {
    u32 values[4] = {a, b, c, d};
    const u32* rows = warp_addresses(address);
    int lane = emulator::lane();
    for (int i = 0; i < 4; i++) std::memcpy(emulator::shared_memory + rows[8 * i + lane / 4] + lane % 4 * 4, &values[i], 4);
    __syncwarp();
}

// ---- sm_90: wgmma --------------------------------------------------------------------------------------------------

inline u64 tile_descriptor(u32 address, u32 panel_bytes) {
    return u64((address & 0x3ffffu) >> 4) | (u64(panel_bytes >> 4) << 16) | (u64(1024 >> 4) << 32) | (1ull << 62);
}

inline void wgmma_fence() { }
inline void wgmma_commit() { emulator::current->group++; }
template <int Count> void pin(float (&)[Count]) { }

template <int N, bool MnMajorA, bool MnMajorB> struct Wgmma {
    static void ss(float (&d)[N / 2], u64 a, u64 b, int accumulate) {
        emulator::current->products.push_back({N, d, {}, a, b, accumulate, false, MnMajorA, MnMajorB, emulator::current->group});
    }
    static void rs(float (&d)[N / 2], const u32* a, u64 b, int accumulate) {
        emulator::current->products.push_back({N, d, {a[0], a[1], a[2], a[3]}, 0, b, accumulate, true, false, MnMajorB, emulator::current->group});
    }
};

// Element (row or column r, depth k) of an operand under the 128-byte swizzle.
inline float operand_element(u64 descriptor, bool mn_major, int r, int k) {
    u32 start = u32(descriptor & 0x3fff) << 4, panel = u32(descriptor >> 16 & 0x3fff) << 4, group = u32(descriptor >> 32 & 0x3fff) << 4;
    u32 at = mn_major ? start + r / 64 * panel + k / 8 * group + k % 8 * 128 + r % 64 * 2 : start + r / 8 * group + r % 8 * 128 + k * 2;
    bf16 x;
    std::memcpy(&x, emulator::shared_memory + (at ^ ((at >> 7 & 7) << 4)), 2);
    return to_float(x);
}

inline void execute(int first_thread, size_t index) {
    static float a[64][16], b[16][256];
    auto product = [&](int thread) -> emulator::Product& { return emulator::fibers[first_thread + thread].products[index]; };
    auto& any = product(0);
    for (int r = 0; r < 64; r++)
        for (int k = 0; k < 16; k++)
            a[r][k] = any.registers ? half_of(product(r / 16 * 32 + r % 8 * 4 + k % 8 / 2).fragment[r % 16 / 8 + k / 8 * 2], k % 2) : operand_element(any.a, any.mn_major_a, r, k);
    for (int c = 0; c < any.columns; c++)
        for (int k = 0; k < 16; k++) b[k][c] = operand_element(any.b, any.mn_major_b, c, k);
    for (int t = 0; t < 128; t++) {
        auto& mine = product(t);
        for (int i = 0; i < mine.columns / 2; i++) {
            int r = t / 32 * 16 + t % 32 / 4 + i / 2 % 2 * 8, c = i / 4 * 8 + t % 4 * 2 + i % 2;
            float sum = mine.accumulate ? mine.d[i] : 0.0f;
            for (int k = 0; k < 16; k++) sum += a[r][k] * b[k][c];
            mine.d[i] = sum;
        }
    }
}

// The products of all but the last Pending groups happen here: whoever reads results or rewrites operands earlier is found out.
template <int Pending> void wgmma_wait() {
    int first = emulator::current_index / 128 * 128;
    auto& meeting = emulator::warpgroups[first / 128];
    if (meeting.arrived + 1 == 128) {
        auto& lead = emulator::fibers[first];
        size_t count = 0;
        while (count < lead.products.size() && lead.products[count].group < lead.group - Pending) execute(first, count++);
        for (int t = 0; t < 128; t++) {
            auto& products = emulator::fibers[first + t].products;
            products.erase(products.begin(), products.begin() + i64(count));
        }
    }
    emulator::meet(meeting, 128);
}
