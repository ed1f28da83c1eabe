// wgmma: D (64 x N, float32, in the registers of a warpgroup) = or += A (64 x 16) . B (16 x N), bfloat16.
// Thread t of the warpgroup holds, for j < N / 8, d[4j..4j+3] = D[r][c], D[r][c+1], D[r+8][c], D[r+8][c+1]
// with r = 16 (t / 32) + t % 32 / 4 and c = 8j + 2 (t % 4).

// Descriptor of a shared tile under the 128-byte swizzle. K-major (64 reduction elements a row of 128 bytes): groups of
// eight rows are 1024 bytes apart. Mn-major (64 output elements a row, one row a reduction step): groups of eight rows
// likewise, and panels of 64 output elements are `panel_bytes` apart.
__device__ __forceinline__ u64 tile_descriptor(u32 address, u32 panel_bytes) {
    return u64((address & 0x3ffffu) >> 4) | (u64(panel_bytes >> 4) << 16) | (u64(1024 >> 4) << 32) | (1ull << 62);
}

__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int Pending> __device__ __forceinline__ void wgmma_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" :: "n"(Pending) : "memory"); }

// Keeps the compiler from moving reads or writes of accumulators across a wait.
template <int Count> __device__ __forceinline__ void pin(float (&d)[Count]) {
#pragma unroll
    for (int i = 0; i < Count; i++) asm volatile("" : "+f"(d[i]) :: "memory");
}

template <int N, bool MnMajorA, bool MnMajorB> struct Wgmma;

#define ACC_4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define ACC_16(d, i) ACC_4(d, i), ACC_4(d, i + 4), ACC_4(d, i + 8), ACC_4(d, i + 12)
#define ACC_32(d, i) ACC_16(d, i), ACC_16(d, i + 16)
#define ACC_48(d, i) ACC_32(d, i), ACC_16(d, i + 32)
#define ACC_64(d, i) ACC_32(d, i), ACC_32(d, i + 32)
#define ACC_96(d, i) ACC_64(d, i), ACC_32(d, i + 64)
#define ACC_128(d, i) ACC_64(d, i), ACC_64(d, i + 64)
#define REG_16_0 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15"
#define REG_16_1 "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define REG_16_2 "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47"
#define REG_16_3 "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define REG_16_4 "%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79"
#define REG_16_5 "%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95"
#define REG_16_6 "%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111"
#define REG_16_7 "%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
#define REG_32 REG_16_0 "," REG_16_1
#define REG_48 REG_32 "," REG_16_2
#define REG_64 REG_48 "," REG_16_3
#define REG_96 REG_64 "," REG_16_4 "," REG_16_5
#define REG_128 REG_96 "," REG_16_6 "," REG_16_7

// ss: both operands in shared memory. rs: A in registers, a[0..3] as the 16 x 16 fragment of mma.m16n8k16 a warp.
#define DEFINE_WGMMA(N, COUNT, O0, O1, O2, O3, O4, O5, O6)                                                              \
    template <bool MnMajorA, bool MnMajorB> struct Wgmma<N, MnMajorA, MnMajorB> {                                       \
        static __device__ __forceinline__ void ss(float (&d)[COUNT], u64 a, u64 b, int accumulate) {                    \
            asm volatile("{ .reg .pred p; setp.ne.b32 p, " O2 ", 0;"                                                    \
                " wgmma.mma_async.sync.aligned.m64n" #N "k16.f32.bf16.bf16 {" REG_##COUNT "}, " O0 ", " O1              \
                ", p, 1, 1, " O3 ", " O4 "; }"                                                                          \
                : ACC_##COUNT(d, 0) : "l"(a), "l"(b), "r"(accumulate), "n"(int(MnMajorA)), "n"(int(MnMajorB)));         \
        }                                                                                                               \
        static __device__ __forceinline__ void rs(float (&d)[COUNT], const u32* a, u64 b, int accumulate) {             \
            asm volatile("{ .reg .pred p; setp.ne.b32 p, " O5 ", 0;"                                                    \
                " wgmma.mma_async.sync.aligned.m64n" #N "k16.f32.bf16.bf16 {" REG_##COUNT "}, {" O0 ", " O1 ", "        \
                O2 ", " O3 "}, " O4 ", p, 1, 1, " O6 "; }"                                                              \
                : ACC_##COUNT(d, 0)                                                                                     \
                : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate), "n"(int(MnMajorB)));             \
        }                                                                                                               \
    };

DEFINE_WGMMA(64, 32, "%32", "%33", "%34", "%35", "%36", "%37", "%38")
DEFINE_WGMMA(96, 48, "%48", "%49", "%50", "%51", "%52", "%53", "%54")
DEFINE_WGMMA(128, 64, "%64", "%65", "%66", "%67", "%68", "%69", "%70")
DEFINE_WGMMA(192, 96, "%96", "%97", "%98", "%99", "%100", "%101", "%102")
DEFINE_WGMMA(256, 128, "%128", "%129", "%130", "%131", "%132", "%133", "%134")
#undef DEFINE_WGMMA
