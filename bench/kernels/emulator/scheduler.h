// Runs a kernel's C++ on the CPU: every thread of a block is a fiber, and collectives are meetings of fibers. What the hardware
// does late is done late here (copies and stores after some rounds, wgmma when it is waited for), and warps fall asleep at
// random, so that a missing wait, fence of roles or barrier shows as a wrong result or as a deadlock. x86-64 only.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <unordered_map>
#include <vector>

using u16 = unsigned short;
using u32 = unsigned int;
using i64 = long long;
using u64 = unsigned long long;

namespace emulator {

extern "C" void emulator_switch(void** save, void* load);
asm(R"(.text
emulator_switch:
    push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx
    ret
)");

struct Dim { u32 x = 0, y = 0, z = 0; };
struct Meeting { int arrived = 0; u64 generation = 0; };

// A wgmma as a thread issued it: rs with its fragment of A, ss with a descriptor.
struct Product {
    int columns;
    float* d;
    u32 fragment[4];
    u64 a, b;
    int accumulate;
    bool registers, mn_major_a, mn_major_b;
    int group;
};

struct Late { int rounds, owner; std::function<void()> run; };  // a copy under way; owner: the thread whose waits end it, or -1

struct Fiber {
    void* stack_pointer;
    std::unique_ptr<char[]> stack;
    Dim index;
    bool done;
    std::vector<Product> products;
    int group;  // of products, counted by commits
};

inline constexpr int StackBytes = 128 * 1024, Never = 1 << 30;
alignas(1024) inline unsigned char shared_memory[232448];
inline std::vector<Fiber> fibers;
inline Fiber* current;
inline int current_index;
inline void* scheduler;
inline u64 progress;
inline Dim block_index, grid_size, block_size;
inline std::function<void()> body;
inline Meeting whole, warps[32], warpgroups[8];
inline int asleep[32];
inline std::deque<Late> late;
inline std::mt19937 chance(1);

inline void yield() {
    Fiber* me = current;
    emulator_switch(&me->stack_pointer, scheduler);
}

inline void fail(const char* what) {
    std::fprintf(stderr, "emulator: %s (block %u, thread %u)\n", what, block_index.x, current ? current->index.x : 0);
    std::exit(2);
}

// Returns once `count` threads are here.
inline void meet(Meeting& at, int count) {
    u64 generation = at.generation;
    if (++at.arrived == count) {
        at.arrived = 0;
        at.generation++;
        progress++;
    } else {
        while (at.generation == generation) yield();
    }
}

inline int warp() { return current_index / 32; }
inline int lane() { return current_index % 32; }

// The value that lane `from` of this warp brings.
inline u32 exchange(u32 value, int from) {
    static u32 slots[32][32];
    int w = warp();
    slots[w][lane()] = value;
    meet(warps[w], 32);
    u32 result = slots[w][from];
    meet(warps[w], 32);
    return result;
}

inline void run_fiber() {
    body();
    current->done = true;
    progress++;
    for (;;) yield();
}

inline void start_fiber(Fiber& f, u32 index) {
    if (!f.stack) f.stack.reset(new char[StackBytes]);
    u64* top = reinterpret_cast<u64*>(reinterpret_cast<u64>(f.stack.get() + StackBytes) & ~63ull) - 1;
    *--top = reinterpret_cast<u64>(run_fiber);
    for (int saved = 0; saved < 6; saved++) *--top = 0;
    f.stack_pointer = top;
    f.index = {index, 0, 0};
    f.done = false;
    f.products.clear();
    f.group = 0;
}

// One turn for every thread of every warp that is awake; true once all are done.
inline bool run_round(std::vector<int>& order) {
    bool done = true;
    std::shuffle(order.begin(), order.end(), chance);
    if (chance() % 50 == 0) asleep[chance() % order.size()] = int(chance() % 400);
    for (int w : order) {
        if (asleep[w] > 0) {
            asleep[w]--;
            progress++;
            done = false;
            continue;
        }
        for (int i = w * 32; i < w * 32 + 32; i++) {
            if (fibers[i].done) continue;
            done = false;
            current_index = i;
            current = &fibers[i];
            emulator_switch(&scheduler, current->stack_pointer);
        }
    }
    current = nullptr;
    return done;
}

inline void run_late() {
    for (size_t i = 0; i < late.size();) {
        if (late[i].rounds == Never || --late[i].rounds > 0) {
            i++;
            continue;
        }
        auto run = late[i].run;
        late.erase(late.begin() + i);
        run();
        progress++;
    }
}

void forget_barriers();

inline void run_block(int threads) {
    block_size = {u32(threads), 1, 1};
    fibers.resize(threads);
    late.clear();
    whole = {};
    for (auto& m : warps) m = {};
    for (auto& m : warpgroups) m = {};
    for (auto& a : asleep) a = 0;
    forget_barriers();
    std::memset(shared_memory, 0xff, sizeof shared_memory);  // NaN
    for (int i = 0; i < threads; i++) start_fiber(fibers[i], u32(i));
    std::vector<int> order;
    for (int w = 0; w < threads / 32; w++) order.push_back(w);
    for (int idle = 0;;) {
        u64 before = progress;
        bool done = run_round(order);
        run_late();
        if (done) break;
        bool waiting = std::any_of(late.begin(), late.end(), [](const Late& l) { return l.rounds != Never; });
        idle = progress == before && !waiting ? idle + 1 : 0;
        if (idle > 3) {
            for (auto& f : fibers) if (!f.done) current = &f;
            fail("deadlock");
        }
    }
    run_late();
    while (!late.empty() && late.front().rounds != Never) run_late();
}

inline void launch(int grid, int threads, std::function<void()> kernel) {
    grid_size = {u32(grid), 1, 1};
    body = std::move(kernel);
    for (int i = 0; i < grid; i++) {
        block_index = {u32(i), 0, 0};
        run_block(threads);
    }
}

}  // namespace emulator
