// What becomes of the results of linear_any, linear_sm80 and linear_rows. For each pair of neighbouring results, the column even,
// a product calls store(row, column, c0, c1, store.ask(row, column)) once; it asks for many pairs before it stores any, so that
// their reads overlap. c1 lies outside where column + 1 == n, the number of columns of C. Memory is (m, n), dense. Each element
// is read and written by one thread, so what a store reads may be what it writes. A store that Packs writes bfloat16: a product
// may instead ask for packed(c0, c1, asked) and write 16 bytes of `y` at a time. Where n is a multiple of four, all but StoreElement
// take float4 of four neighbouring columns too, the first a multiple of four: ask_quad and store_quad. linear_sm80 goes that way with
// those of Quads.

template <class T> __device__ __forceinline__ float2 load_pair(const T* from, int n, int row, int column) {
    const T* at = from + i64(row) * n + column;
    if (n % 2 == 0) {
        if constexpr (sizeof(T) == 4) return *reinterpret_cast<const float2*>(at);
        else { u32 pair = *reinterpret_cast<const u32*>(at); return make_float2(low_half(pair), high_half(pair)); }
    }
    return make_float2(to_float(at[0]), column + 1 < n ? to_float(at[1]) : 0.0f);
}

template <class T> __device__ __forceinline__ void store_pair(T* to, int n, int row, int column, float c0, float c1) {
    T* at = to + i64(row) * n + column;
    if (n % 2 == 0) {
        if constexpr (sizeof(T) == 4) *reinterpret_cast<float2*>(at) = make_float2(c0, c1);
        else *reinterpret_cast<u32*>(at) = pack(c0, c1);
    } else {
        at[0] = from_float<T>(c0);
        if (column + 1 < n) at[1] = from_float<T>(c1);
    }
}

// Four neighbours as they lie in memory: what makes floats of them waits for them.
__device__ __forceinline__ float4 load_quad(const float* from) { return load_streaming(reinterpret_cast<const float4*>(from)); }
__device__ __forceinline__ uint2 load_quad(const bf16* from) { return __ldcs(reinterpret_cast<const uint2*>(from)); }
__device__ __forceinline__ float4 floats_of(float4 quad) { return quad; }
__device__ __forceinline__ float4 floats_of(uint2 quad) { return make_float4(low_half(quad.x), high_half(quad.x), low_half(quad.y), high_half(quad.y)); }

template <class T> __device__ __forceinline__ void store_sum(T* to, float4 a, float4 b) {
    float4 sum = make_float4(b.x + a.x, b.y + a.y, b.z + a.z, b.w + a.w);
    if constexpr (sizeof(T) == 4) *reinterpret_cast<float4*>(to) = sum;
    else *reinterpret_cast<uint2*>(to) = make_uint2(pack(sum.x, sum.y), pack(sum.z, sum.w));
}

// 16 x 32 results of a warp, four fragments of 16 x 8 side by side, turned through 2 KB of shared memory of the warp's own: v[i]
// is then the four columns from lane % 8 * 4 of row i * 4 + lane / 8, so that a warp's access to memory is whole 128-byte lines.
// (By pairs it is 32 bytes of eight rows: a tile of 128 x 256 took 26 microseconds to leave.)
[[maybe_unused]] constexpr int RowScratch = 2048;

__device__ __forceinline__ void fragments_to_rows(const float* d, unsigned char* scratch, float4 (&v)[4]) {
    int lane = int(threadIdx.x) % 32, row = lane / 4, quad = lane % 4;
    // The 16-byte chunks of a row are permuted by its number, so that no two rows meet in a bank.
    int to = row * 128 + ((quad / 2 ^ row % 4 * 2) << 4) + quad % 2 * 8, from = lane / 8 * 128 + ((lane % 8 ^ lane / 8 * 2) << 4);
    __syncwarp();  // what was there before has been read
#pragma unroll
    for (int j = 0; j < 8; j++) *reinterpret_cast<float2*>(scratch + (to ^ j / 2 << 5) + j % 2 * 1024) = make_float2(d[j * 2], d[j * 2 + 1]);
    __syncwarp();
#pragma unroll
    for (int i = 0; i < 4; i++) v[i] = *reinterpret_cast<const float4*>(scratch + from + i * 512);
}

struct Nothing { };

// The base of stores that read nothing.
struct StoreOnly {
    static constexpr bool Packs = false, Quads = false;
    __device__ __forceinline__ Nothing ask(int, int) const { return {}; }
};

// Y = C.
struct StoreElement : StoreOnly {
    static constexpr bool Packs = sizeof(element) == 2;
    element* y;  // (m, n)
    int n;
    __device__ __forceinline__ StoreElement(element* y_, int n_) : y(y_), n(n_) { }
    __device__ __forceinline__ void operator()(int row, int column, float c0, float c1, Nothing) const { store_pair(y, n, row, column, c0, c1); }
    __device__ __forceinline__ u32 packed(float c0, float c1, Nothing) const { return pack(c0, c1); }
};

struct StoreFloat : StoreOnly {
    static constexpr bool Quads = true;
    float* y;  // (m, n)
    int n;
    __device__ __forceinline__ StoreFloat(float* y_, int n_) : y(y_), n(n_) { }
    __device__ __forceinline__ void operator()(int row, int column, float c0, float c1, Nothing) const { store_pair(y, n, row, column, c0, c1); }
    __device__ __forceinline__ Nothing ask_quad(int, int) const { return {}; }
    __device__ __forceinline__ void store_quad(int row, int column, float4 c, Nothing) const { *reinterpret_cast<float4*>(y + i64(row) * n + column) = c; }
};

// Y = C + bias, the same for every row.
template <class Out> struct StoreBias {
    static constexpr bool Packs = sizeof(Out) == 2, Quads = false;
    Out* y;             // (m, n)
    const float* bias;  // (n)
    int n;
    __device__ __forceinline__ float2 ask(int, int column) const { return make_float2(bias[column], column + 1 < n ? bias[column + 1] : 0.0f); }
    __device__ __forceinline__ void operator()(int row, int column, float c0, float c1, float2 added) const { store_pair(y, n, row, column, c0 + added.x, c1 + added.y); }
    __device__ __forceinline__ u32 packed(float c0, float c1, float2 added) const { return pack(c0 + added.x, c1 + added.y); }
    __device__ __forceinline__ float4 ask_quad(int, int column) const { return *reinterpret_cast<const float4*>(bias + column); }
    __device__ __forceinline__ void store_quad(int row, int column, float4 c, float4 added) const { store_sum(y + i64(row) * n + column, added, c); }
};

// Y = residual + C; y may be residual.
template <class A, class Out> struct AddTo {
    static constexpr bool Packs = false, Quads = sizeof(A) == 4 && sizeof(Out) == 4;
    const A* residual;  // (m, n)
    Out* y;             // (m, n)
    int n;
    __device__ __forceinline__ float2 ask(int row, int column) const { return load_pair(residual, n, row, column); }
    __device__ __forceinline__ void operator()(int row, int column, float c0, float c1, float2 old) const { store_pair(y, n, row, column, old.x + c0, old.y + c1); }
    __device__ __forceinline__ auto ask_quad(int row, int column) const { return load_quad(residual + i64(row) * n + column); }
    template <class Quad> __device__ __forceinline__ void store_quad(int row, int column, float4 c, Quad old) const { store_sum(y + i64(row) * n + column, c, floats_of(old)); }
};

// G = C or, with `add`, G += C.
struct Accumulate {
    static constexpr bool Packs = false, Quads = true;
    float* gradient;  // (m, n)
    int n;
    bool add;
    __device__ __forceinline__ float2 ask(int row, int column) const { return add ? load_pair(gradient, n, row, column) : make_float2(0.0f, 0.0f); }
    __device__ __forceinline__ void operator()(int row, int column, float c0, float c1, float2 old) const { store_pair(gradient, n, row, column, old.x + c0, old.y + c1); }
    __device__ __forceinline__ float4 ask_quad(int row, int column) const {
        return add ? load_streaming(reinterpret_cast<const float4*>(gradient + i64(row) * n + column)) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    }
    __device__ __forceinline__ void store_quad(int row, int column, float4 c, float4 old) const { store_sum(gradient + i64(row) * n + column, c, old); }
};

// The store of a slice of a reduction: all but the first add.
template <class Store> __device__ __forceinline__ Store store_of_slice(const Store& store, int) { return store; }
__device__ __forceinline__ Accumulate store_of_slice(Accumulate store, int slice) {
    store.add = store.add || slice > 0;
    return store;
}

// The store of a group's matrix, where groups have one each: matrices of (m, n) one behind the other.
template <class Store> __device__ __forceinline__ Store store_of_group(const Store& store, int, int, int) { return store; }
__device__ __forceinline__ Accumulate store_of_group(Accumulate store, int group, int m, int n) {
    store.gradient += i64(group) * m * n;
    return store;
}

// A size of a product: a constant, or rows that are counted on the device, which can be asked once the previous kernel is done.
__device__ __forceinline__ int size_now(int size) { return size; }
__device__ __forceinline__ int size_now(Rows rows) { return rows.count(); }
