// What becomes of the results of linear_any, linear_sm80 and linear_rows. A store is called with (row, column, c0, c1) once for
// each pair of neighbouring results, the column even; c1 lies outside where column + 1 == n, the number of columns of C.
// Memory is (m, n), dense; each element is written by one thread, once, so what a store reads may be what it writes.

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

// Y = C.
struct StoreElement {
    element* y;  // (m, n)
    int n;
    __device__ __forceinline__ void operator()(int row, int column, float c0, float c1) const { store_pair(y, n, row, column, c0, c1); }
};

struct StoreFloat {
    float* y;  // (m, n)
    int n;
    __device__ __forceinline__ void operator()(int row, int column, float c0, float c1) const { store_pair(y, n, row, column, c0, c1); }
};

// Y = C + bias, the same for every row.
template <class Out> struct StoreBias {
    Out* y;             // (m, n)
    const float* bias;  // (n)
    int n;
    __device__ __forceinline__ void operator()(int row, int column, float c0, float c1) const {
        store_pair(y, n, row, column, c0 + bias[column], column + 1 < n ? c1 + bias[column + 1] : 0.0f);
    }
};

// Y = residual + C; y may be residual.
template <class A, class Out> struct AddTo {
    const A* residual;  // (m, n)
    Out* y;             // (m, n)
    int n;
    __device__ __forceinline__ void operator()(int row, int column, float c0, float c1) const {
        float2 old = load_pair(residual, n, row, column);
        store_pair(y, n, row, column, old.x + c0, old.y + c1);
    }
};

// G += C.
struct Accumulate {
    float* gradient;  // (m, n)
    int n;
    __device__ __forceinline__ void operator()(int row, int column, float c0, float c1) const {
        float2 old = load_pair(gradient, n, row, column);
        store_pair(gradient, n, row, column, old.x + c0, old.y + c1);
    }
};

// A size of a product: a constant, or rows that are counted on the device, which can be asked once the previous kernel is done.
__device__ __forceinline__ int size_now(int size) { return size; }
__device__ __forceinline__ int size_now(Rows rows) { return rows.count(); }
