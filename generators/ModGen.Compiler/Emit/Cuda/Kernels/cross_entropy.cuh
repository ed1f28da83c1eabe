// Softmax cross-entropy of a chunk of logits, loss and gradient in one read and one write: a block holds a row in
// registers, reduces its maximum and its sum, and writes d loss / d logits over the logits. A row too long for the registers
// is read twice.
// Launch: a block of Threads threads a row: 256 up to 2048 logits, 512 up to 32768 with __launch_bounds__(512, 2), else 1024. Any
// vocabulary: rows are read as whole words of 16 bytes, the ends of a row that
// shares a word with its neighbour value by value.

// Where a row lies in words of 16 bytes.
template <int Vocabulary, int Threads>
struct LogitsRow {
    static constexpr int Group = 16 / int(sizeof(element));
    static constexpr bool Aligned = Vocabulary % Group == 0;
    static constexpr int Words = Aligned ? Vocabulary / Group : ceil_div(Vocabulary + Group - 1, Group);  // at most
    static constexpr int Turns = ceil_div(Words, Threads);
    static constexpr bool Kept = Turns <= 8;  // in 64 registers a thread
    static constexpr int Unroll = Kept ? Turns : 4;

    element* row;
    int lead;  // values of the first word that are the row's before

    // Value j of this thread's word of a turn, as an index into the row; outside of it where the word is shared or past the end.
    __device__ __forceinline__ int index(int turn, int j) const { return (turn * Threads + int(threadIdx.x)) * Group + j - lead; }
    __device__ __forceinline__ bool inside(int i) const { return i >= 0 && i < Vocabulary; }

    // Whether a whole word is the row's: all are but at the first and the last turns.
    __device__ __forceinline__ bool whole(int turn) const {
        return ((Aligned || turn > 0) && (turn + 1) * Threads * Group <= Vocabulary) || (Aligned ? turn * Threads + int(threadIdx.x) < Words : inside(index(turn, 0)) && inside(index(turn, Group - 1)));
    }

    __device__ __forceinline__ uint4 read(int turn) const {
        if (whole(turn)) return __ldcs(reinterpret_cast<const uint4*>(row + index(turn, 0)));
        element part[Group];
#pragma unroll
        for (int j = 0; j < Group; j++) part[j] = !Aligned && inside(index(turn, j)) ? row[index(turn, j)] : from_float<element>(-MODGEN_INFINITY);
        return as_word(part);
    }

    __device__ __forceinline__ void write(int turn, const float (&v)[Group]) const {
        if (whole(turn)) return store(row + index(turn, 0), v);
#pragma unroll
        for (int j = 0; j < Group; j++)
            if (!Aligned && inside(index(turn, j))) row[index(turn, j)] = from_float<element>(v[j]);
    }

    static __device__ __forceinline__ uint4 as_word(const bf16 (&v)[8]) {
        return make_uint4(u32(v[0].bits) | u32(v[1].bits) << 16, u32(v[2].bits) | u32(v[3].bits) << 16, u32(v[4].bits) | u32(v[5].bits) << 16, u32(v[6].bits) | u32(v[7].bits) << 16);
    }
    static __device__ __forceinline__ uint4 as_word(const float (&v)[4]) {
        return make_uint4(__float_as_uint(v[0]), __float_as_uint(v[1]), __float_as_uint(v[2]), __float_as_uint(v[3]));
    }
    static __device__ __forceinline__ void values(uint4 word, float (&v)[8]) { unpack(word, v); }
    static __device__ __forceinline__ void values(uint4 word, float (&v)[4]) {
        v[0] = __uint_as_float(word.x); v[1] = __uint_as_float(word.y); v[2] = __uint_as_float(word.z); v[3] = __uint_as_float(word.w);
    }
};

// Calls body(turn, values) for each word of this thread that the row has, from the registers or from memory again.
template <class Row, class Body>
__device__ __forceinline__ void each_logits(const Row& row, uint4 (&kept)[Row::Kept ? Row::Turns : 1], Body body) {
#pragma unroll Row::Unroll
    for (int turn = 0; turn < Row::Turns; turn++) {
        float v[Row::Group];
        if constexpr (Row::Kept) forget(kept[turn]);
        if (Row::Aligned && !row.whole(turn)) continue;
        Row::values(Row::Kept ? kept[Row::Kept ? turn : 0] : row.read(turn), v);
        body(turn, v);
    }
}

// logits (rows, Vocabulary): the gradient, times loss_scale[0], takes their place if Gradient. losses (rows) in nats. A negative
// target counts for nothing: loss and gradient are zero.
template <int Vocabulary, int Threads, bool Gradient>
__device__ __forceinline__ void cross_entropy(element* logits, const int* targets, float* losses, const float* loss_scale) {
    using Row = LogitsRow<Vocabulary, Threads>;
    __shared__ float scratch[Threads / 32];
    wait_for_previous_kernel();
    let_next_kernel_start();
    i64 start = i64(blockIdx.x) * Vocabulary;
    Row row{logits + start, Row::Aligned ? 0 : int(start % Row::Group)};
    int target = targets[blockIdx.x];
    float at_target = target >= 0 ? to_float(row.row[target]) : 0.0f, highest = -MODGEN_INFINITY, sum = 0.0f;
    uint4 kept[Row::Kept ? Row::Turns : 1];
    if constexpr (Row::Kept) {
#pragma unroll
        for (int turn = 0; turn < Row::Turns; turn++) kept[turn] = row.read(turn);
        each_logits(row, kept, [&](int, const float (&v)[Row::Group]) {
#pragma unroll
            for (int j = 0; j < Row::Group; j++) highest = fmaxf(highest, v[j]);
        });
    } else {
        // One read for both: the sum follows the maximum as it rises.
        each_logits(row, kept, [&](int, const float (&v)[Row::Group]) {
            float before = highest;
#pragma unroll
            for (int j = 0; j < Row::Group; j++) highest = fmaxf(highest, v[j]);
            if (highest > before) sum *= exponential(before - highest);
#pragma unroll
            for (int j = 0; j < Row::Group; j++) sum += v[j] == -MODGEN_INFINITY ? 0.0f : exponential(v[j] - highest);
        });
    }
    float own = highest;
    highest = block_max<Threads>(highest, scratch);
    if constexpr (Row::Kept) {
        each_logits(row, kept, [&](int, const float (&v)[Row::Group]) {
#pragma unroll
            for (int j = 0; j < Row::Group; j++) sum += exponential(v[j] - highest);
        });
    } else {
        sum = own == -MODGEN_INFINITY ? sum : sum * exponential(own - highest);
    }
    sum = block_sum<Threads>(sum, scratch);
    if (threadIdx.x == 0) losses[blockIdx.x] = target >= 0 ? highest + logarithm(sum) - at_target : 0.0f;
    if constexpr (Gradient) {
        float scale = target >= 0 ? *loss_scale : 0.0f, factor = scale / sum;
        each_logits(row, kept, [&](int turn, const float (&v)[Row::Group]) {
            float d[Row::Group];
#pragma unroll
            for (int j = 0; j < Row::Group; j++) d[j] = target < 0 ? 0.0f : exponential(v[j] - highest) * factor - (row.index(turn, j) == target ? scale : 0.0f);
            row.write(turn, d);
        });
    }
}

// The same for a vocabulary of 1024 at most: a warp a row, 256 threads, ceil(rows / 8) blocks.
template <int Vocabulary, bool Gradient>
__device__ __forceinline__ void cross_entropy_rows(element* logits, const int* targets, float* losses, const float* loss_scale, int rows) {
    static_assert(Vocabulary <= 1024, "a warp holds a row");
    using Team = RowTeam<Vocabulary>;
    wait_for_previous_kernel();
    let_next_kernel_start();
    int row = int(blockIdx.x) * 8 + Team::team();
    if (row >= rows) return;
    element* x = logits + i64(row) * Vocabulary;
    int target = targets[row];
    float at_target = target >= 0 ? to_float(x[target]) : 0.0f, highest = -MODGEN_INFINITY, sum = 0.0f;
    float v[Team::Turns][Team::Group];
    Team::read(x, v);
#pragma unroll
    for (int i = 0; i < Team::Turns; i++)
#pragma unroll
        for (int j = 0; j < Team::Group; j++) {
            if (!Team::has(i)) v[i][j] = -MODGEN_INFINITY;
            highest = fmaxf(highest, v[i][j]);
        }
    highest = warp_max(highest);
#pragma unroll
    for (int i = 0; i < Team::Turns; i++)
#pragma unroll
        for (int j = 0; j < Team::Group; j++) sum += v[i][j] = exponential(v[i][j] - highest);
    sum = warp_sum(sum);
    if (Team::leads()) losses[row] = target >= 0 ? highest + logarithm(sum) - at_target : 0.0f;
    if constexpr (Gradient) {
        float scale = target >= 0 ? *loss_scale : 0.0f, factor = scale / sum;
#pragma unroll
        for (int i = 0; i < Team::Turns; i++)
#pragma unroll
            for (int j = 0; j < Team::Group; j++) v[i][j] = target < 0 ? 0.0f : v[i][j] * factor - (Team::column(i) + j == target ? scale : 0.0f);
        Team::write(x, v);
    }
}

// loss[0] = the sum of losses (rows) times inverse_count[0]. One block of 1024 threads.
__device__ __forceinline__ void sum_losses(const float* losses, int rows, const float* inverse_count, float* loss) {
    __shared__ float scratch[32];
    wait_for_previous_kernel();
    let_next_kernel_start();
    float sum = 0.0f;
#pragma unroll 8
    for (int row = int(threadIdx.x); row < rows; row += 1024) sum += losses[row];
    sum = block_sum<1024>(sum, scratch);
    if (threadIdx.x == 0) loss[0] = sum * *inverse_count;
}
