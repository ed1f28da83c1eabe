// Groups of rows of a batch, as experts have them. Group g has rows [starts[g], starts[g + 1]), whole tiles, none at all included;
// starts (Groups + 1) lies on the device and begins with 0.

// The group of a row below starts[Groups]. Halving finds the last group that starts at or before it, which is the one that is not empty.
template <int Groups>
__device__ __forceinline__ int group_of_row(const int* starts, int row) {
    int group = 0;
#pragma unroll 1
    for (int left = Groups; left > 1;) {
        int half = left / 2;
        if (starts[group + half] <= row) group += half;
        left -= half;
    }
    return group;
}

// The steps [step, last) of a reduction over a group's rows. Without any there is one behind every batch, where operands read as zero.
template <int Depth>
__device__ __forceinline__ void group_steps(const int* starts, int group, int& step, int& last) {
    step = starts[group] / Depth;
    last = starts[group + 1] / Depth;
    if (step == last) {
        step = 1 << 24;
        last = step + 1;
    }
}
