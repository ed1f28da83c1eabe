// Which rows of a sampling call enter a routed layer, and how its texts are continued.

// A row's place among those of its 1024 for which `here` holds, and how many these are. Blocks of 1024 threads.
__device__ __forceinline__ int place_of(bool here, int (&totals)[32], int& all) {
    int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
    u32 mask = __ballot_sync(0xffffffffu, here);
    if (lane == 0) totals[warp] = __popc(mask);
    __syncthreads();
    int place = __popc(mask & ((1u << lane) - 1u));
    all = 0;
    for (int w = 0; w < 32; w++) {
        if (w < warp) place += totals[w];
        all += totals[w];
    }
    __syncthreads();
    return place;
}

// Row r enters if logits[r] > 0, a probability above one half, or, where *use_forced is not 0, exactly if forced[r] is not 0. Those that
// enter are compacted in order: entered (the row), entered_positions, entered_sequences, active[0] = how many; flags[r] = 1 or 0.
// One block of 1024 threads.
__device__ __forceinline__ void causal_select(const float* logits, const int* positions, const int* sequences, const int* use_forced, const int* forced,
                                              int* entered, int* entered_positions, int* entered_sequences, int* active, int* flags, Rows rows) {
    __shared__ int totals[32];
    int before = 0;
    wait_for_previous_kernel();
    let_next_kernel_start();
    int count = rows.count();
    bool force = *use_forced != 0;
    for (int first = 0; first < count; first += 1024) {
        int row = first + int(threadIdx.x);
        bool enters = row < count && (force ? forced[row] != 0 : logits[row] > 0.0f);
        int all, slot = before + place_of(enters, totals, all);
        if (row < count) flags[row] = enters ? 1 : 0;
        if (enters) {
            entered[slot] = row;
            entered_positions[slot] = positions[row];
            entered_sequences[slot] = sequences[row];
        }
        before += all;
    }
    if (threadIdx.x == 0) active[0] = before;
}

// How a text is continued; one a slot, written by the host when the text begins.
struct SamplingSettings {
    float temperature;         // 0: always the likeliest
    int top_k;                 // 0: all
    float top_p;               // 1: all
    float repetition_penalty;  // 1: none
    u64 seed;
    int row;                   // tells the texts of one call apart
};
