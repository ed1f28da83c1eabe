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

// A reduction over no rows has one step all the same, behind every batch, where operands read as zero.
__device__ __forceinline__ void nothing_to_add(int& step, int& last) {
    step = 1 << 24;
    last = step + 1;
}
