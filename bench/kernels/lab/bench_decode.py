"""A whole decode step as one graph of fused kernels with programmatic dependent launch, dense and with the rows of routed blocks
compacted, against float64 and against the time its bytes need. Who enters is given; the choice is part of it where one row is to
go through layers that are one kernel each (decode_persistent), or is compared with that."""
import ctypes as C
import functools

import torch

from .device import PROCESSORS, Module, sources
from .measure import check, check_equal, race
from .roofline import copy_bandwidth

ENTRIES = """
#define ENTRY(K) extern "C" __global__ void __launch_bounds__(decode_threads(K, %(m)d), decode_resident(K, %(m)d))
#define QKV_ARGUMENTS const bf16 *w, const float *x, const float *gain, const bf16 *normed, const float2 *table, const int *positions, const int *sequences, \\
    const int *lengths, const int *of, bf16 *q, bf16 *cache, Rows rows, float epsilon
ENTRY(%(d)d) qkv(QKV_ARGUMENTS) {
    decode_qkv<%(d)d, %(h)d, %(kv)d, %(hd)d, %(c)d, %(m)d, false>(w, x, gain, normed, table, positions, sequences, lengths, of, q, cache, rows, epsilon); }
ENTRY(%(d)d) qkv_routed(QKV_ARGUMENTS) {
    decode_qkv<%(d)d, %(h)d, %(kv)d, %(hd)d, %(c)d, %(m)d, true>(w, x, gain, normed, table, positions, sequences, lengths, of, q, cache, rows, epsilon); }
ENTRY(%(a)d) out(const bf16* w, const bf16* o, const float* x, const int* of, float* t, const int* sequences, int* lengths, Rows rows) {
    decode_attention_output<%(a)d, %(d)d, %(m)d>(w, o, x, of, t, sequences, lengths, rows); }
ENTRY(%(d)d) gate_up(const bf16* w, const float* t, const float* gain, const bf16* normed, bf16* hidden, Rows rows, float epsilon) {
    decode_gate_up<%(d)d, %(f)d, %(m)d>(w, t, gain, normed, hidden, rows, epsilon); }
ENTRY(%(f)d) down(const bf16* w, const bf16* hidden, const float* t, float* x, Rows rows) { decode_down<%(f)d, %(d)d, %(m)d>(w, hidden, t, x, rows); }
ENTRY(%(f)d) down_routed(const bf16* w, const bf16* hidden, const float* t, const float* gates, const int* of, float* x, Rows rows) {
    decode_down_routed<%(f)d, %(d)d, %(m)d>(w, hidden, t, gates, of, x, rows); }
ENTRY(%(d)d) logits(const bf16* w, const float* x, const float* gain, const bf16* normed, const int* of, float* logits, Rows rows, float epsilon) {
    decode_logits<%(d)d, %(v)d, %(m)d>(w, x, gain, normed, of, logits, rows, epsilon); }
extern "C" __global__ void __launch_bounds__(256) row_norm(const float* x, const float* gain, bf16* y, Rows rows, float epsilon) {
    rms_norm_fwd<%(d)d>(x, gain, y, nullptr, rows, epsilon); }
extern "C" __global__ void __launch_bounds__(256) norm_gathered(const float* x, const int* of, const float* gain, float* gathered, bf16* y, Rows rows, float epsilon) {
    rms_norm_gather_fwd<%(d)d, 0, 0>(x, of, gain, gathered, y, nullptr, rows, epsilon); }
"""
CLUSTERED = """
extern "C" __global__ void __cluster_dims__(%(s)d, 1, 1) __launch_bounds__(256, %(r)d) attention(const bf16* q, const int* sequences, const int* lengths, const bf16* cache, bf16* o, Rows rows) {
    decode_attention<%(h)d, %(kv)d, %(hd)d, %(c)d, %(s)d>(q, sequences, lengths, cache, o, rows); }
"""
SPLIT = """
extern "C" __global__ void __launch_bounds__(1024) place(const int* sequences, const int* lengths, int* visible, Rows rows) { cache_place(sequences, lengths, visible, rows); }
extern "C" __global__ void __launch_bounds__(256) split(const bf16* q, const int* sequences, const int* visible, const bf16* cache, float* partials, Rows rows) {
    cached_attention_split<%(h)d, %(kv)d, %(hd)d, %(c)d, %(s)d, %(a)d>(q, sequences, visible, cache, partials, rows); }
extern "C" __global__ void __launch_bounds__(256) combine(const float* partials, bf16* o, Rows rows) { cached_attention_combine<%(h)d, %(hd)d, %(s)d>(partials, o, rows); }
"""
ROUTE = """
extern "C" __global__ void __launch_bounds__(1024, 1) route(const float* x, const float* w, const float* logits, const int* positions, const int* sequences, const int* use_forced, const int* forced,
                                                         int* entered, int* entered_positions, int* entered_sequences, int* active, int* flags, float* gates, Rows rows) {
    decode_route<%(d)d, Gate::Sigmoid>(x, w, logits, positions, sequences, use_forced, forced, entered, entered_positions, entered_sequences, active, flags, gates, rows); }
"""
PERSISTENT = """
#define LAYER(NAME, ROUTED) extern "C" __global__ void __launch_bounds__(%(bound)d, 1) NAME(const float* router, const float* logits, const int* use_forced, const int* forced, int* flags, \
    const int* positions, const int* sequences, int* lengths, float* x, const float* gain1, const bf16* w_qkv, const float2* rotary, bf16* cache, const bf16* w_out, const float* gain2, \
    const bf16* w_gate_up, const bf16* w_down, bf16* q, float* partials, float* t, bf16* hidden, u32* counter, Rows rows, float epsilon) { \
    decode_layer_persistent<%(d)d, %(h)d, %(kv)d, %(hd)d, %(f)d, %(c)d, %(p)d, ROUTED, Gate::Sigmoid>(router, logits, use_forced, forced, flags, positions, sequences, lengths, x, gain1, w_qkv, \
        rotary, cache, w_out, gain2, w_gate_up, w_down, q, partials, t, hidden, counter, rows, epsilon); }
"""
LAYER_ROUTED, LAYER_DENSE = "LAYER(layer_routed, true)\n", "LAYER(layer_dense, false)\n"
EPSILON = 1e-5
NULL = C.c_void_p(0)


class Rows(C.Structure):
    _fields_ = [("counted", C.c_void_p), ("most", C.c_int), ("pad", C.c_int)]


@functools.lru_cache(maxsize=16)
def compiled(source):
    return Module(source)


def is_vector(k, most):
    return most == 1 and k % 256 == 0 and k <= 4096


def threads(k, most):
    """decode_threads of the kernels."""
    return 128 if is_vector(k, most) else 32 * (4 if k <= 1408 else 8 if k <= 2816 else 16)


def blocks(k, pairs, most):
    """decode_blocks of the kernels."""
    return -(-pairs // (4 * (2 if k <= 1024 and pairs >= 1024 else 1))) if is_vector(k, most) else -(-pairs // 8)


class Model:
    """Random weights of a decoder and its caches. `entered`: layer -> rows that enter it; layers not in it are dense. `choice`: they are
    chosen by a kernel. `persistent`: layers of a row that are one kernel each, "routed" or "all"; its cache then grows with every step,
    so it begins `spare` entries short. `routed_length`: entries in the caches of routed layers."""

    def __init__(self, batch, layers=16, width=1024, heads=16, kv_heads=16, head=64, feed_forward=2816, vocabulary=32768, context=1024, entered=None, ragged=False,
                 most=None, splits=None, clusters=True, choice=False, persistent=None, routed_length=None, spare=0, bound=768, replace=()):
        units = batch * kv_heads * -(-(heads // kv_heads) // 4)
        splits = splits or (8 if units < 64 or not clusters else 4 if units < 512 else 2)
        self.batch, self.layers, self.width, self.heads, self.kv, self.head = batch, layers, width, heads, kv_heads, head
        self.f, self.v, self.context, self.entered, self.splits, self.clusters = feed_forward, vocabulary, context, entered or {}, splits, clusters
        self.most = most or (1 if batch == 1 else -(-batch // 8) * 8)
        w = lambda n, k: (torch.randn(n, k, device="cuda") * k ** -0.5).bfloat16()
        f = lambda *s: torch.randn(*s, device="cuda")
        a = self.a = heads * head
        i32 = lambda values: torch.tensor(values, device="cuda", dtype=torch.int32)
        self.weights = [dict(qkv=w(a + 2 * kv_heads * head, width), o=w(width, a), up=w(2 * feed_forward, width), down=w(width, feed_forward),
                             n1=1 + 0.1 * f(width), n2=1 + 0.1 * f(width), cache=f(batch, context, 2, kv_heads, head).bfloat16()) for _ in range(layers)]
        self.head_weights, self.final = w(vocabulary, width), 1 + 0.1 * f(width)
        angle = torch.outer(torch.arange(context).double(), 10000.0 ** (-torch.arange(0, head, 2).double() / head))
        self.table = torch.stack([angle.cos(), angle.sin()], -1).float().cuda().contiguous()
        self.choice, self.persistent = choice or persistent is not None, persistent
        assert not ragged or context > 37 * (batch - 1), "every row has a position"
        self.positions = i32([context - 1 - 37 * i * ragged for i in range(batch)])
        self.lengths = [i32([routed_length] * batch) if routed_length and i in self.entered else self.positions - spare for i in range(layers)]
        self.advanced = [n.clone() for n in self.lengths]  # what the kernels add to; attention reads `lengths`, so that steps repeat, except those of persistent layers
        self.start = f(batch, width)
        self.x, self.t, self.gathered = self.start.clone(), f(batch, width), f(batch, width)
        self.q, self.o = (torch.randn(batch, a, device="cuda").bfloat16() for _ in range(2))
        self.hidden, self.normed = torch.randn(batch, feed_forward, device="cuda").bfloat16(), torch.randn(batch, width, device="cuda").bfloat16()
        self.logits = torch.full((batch, vocabulary), float("nan"), device="cuda")
        self.partials, self.visible = f(batch * heads * splits * (head + 2)), i32([0] * batch)
        self.all = (i32(list(range(batch))), self.positions, i32(list(range(batch))), i32([batch]))  # of, positions, sequences, count
        pad = lambda rows, value: i32(list(rows) + [value] * (batch - len(rows)))
        self.rows_of = {i: (pad(rows, 1 << 20), pad([self.positions[r].item() for r in rows], 1 << 20), pad(rows, 1 << 20), i32([len(rows)])) for i, rows in self.entered.items()}
        self.gates, self.routers = f(layers, batch), f(layers, width) * width ** -0.5
        self.forced = [i32([1]), *(i32([int(r in self.entered.get(i, ())) for r in range(batch)]) for i in range(layers))]
        self.flags, self.counter = i32([-1] * batch * layers).view(layers, batch), i32([0])
        sizes = dict(d=width, h=heads, kv=kv_heads, hd=head, a=a, f=feed_forward, v=vocabulary, c=context, m=self.most, s=splits, r=3 if heads == kv_heads and head <= 64 else 1)
        sizes.update(p=PROCESSORS, bound=bound)
        families = ("prelude", "vectors", "sm80", "sm90", "rms_norm", "routing", "cached_attention", "decode_products", "decode_layer", "decode_attention_sm90" if clusters else "cached_attention_split",
                    "decode_route")
        module = compiled(sources(*families) + (ENTRIES + ROUTE + (CLUSTERED if clusters else SPLIT)) % sizes)
        names = ("qkv", "qkv_routed", "out", "gate_up", "down", "down_routed", "logits", "row_norm", "norm_gathered", "route") + (("attention",) if clusters else ("place", "split", "combine"))
        self.kernels, self.seconds = {n: module.kernel(n) for n in names}, module.seconds
        if persistent:
            own = ("prelude", "vectors", "sm80", "routing", "cached_attention", "decode_products", "decode_layer", "decode_persistent")
            source = functools.reduce(lambda text, change: text.replace(*change), replace, sources(*own)) + PERSISTENT % sizes
            for name in ("layer_routed", "layer_dense"):  # each by itself, as in the product
                self.kernels[name] = compiled(source + (LAYER_ROUTED if name == "layer_routed" else LAYER_DENSE)).kernel(name)

    def run(self, dependent=True):
        m, ahead = self.most, self.most > 8
        go = lambda name, grid, block, *args: self.kernels[name](grid, block, *args, dependent=dependent)
        product = lambda name, k, pairs, *args: go(name, blocks(k, pairs, m), threads(k, m), *args)
        group = self.heads // self.kv
        parts = self.kv * -(-group // min(4, group))
        for i, w in enumerate(self.weights):
            routed = i in self.entered
            of, positions, sequences, count = self.rows_of[i] if routed else self.all
            rows, mapped = Rows(count.data_ptr(), self.batch), of if routed else NULL
            norm_blocks = -(-self.batch // 8)
            if self.persistent == "all" or (self.persistent and routed):
                go("layer_routed" if routed else "layer_dense", PROCESSORS, 512, self.routers[i], NULL, self.forced[0], self.forced[1 + i], self.flags[i], self.positions, self.all[2],
                   self.advanced[i], self.x, w["n1"], w["qkv"], self.table, w["cache"], w["o"], w["n2"], w["up"], w["down"], self.q, self.partials, self.t, self.hidden, self.counter,
                   Rows(self.all[3].data_ptr(), self.batch), EPSILON)
                continue
            if self.choice and routed:
                go("route", 1, 1024, self.x, self.routers[i], NULL, self.positions, self.all[2], self.forced[0], self.forced[1 + i], of, positions, sequences, count, self.flags[i], self.gates[i],
                   Rows(self.all[3].data_ptr(), self.batch))
            if ahead and routed:
                go("norm_gathered", norm_blocks, 256, self.x, of, w["n1"], self.gathered, self.normed, rows, EPSILON)
            elif ahead:
                go("row_norm", norm_blocks, 256, self.x, w["n1"], self.normed, rows, EPSILON)
            product("qkv_routed" if routed else "qkv", self.width, w["qkv"].shape[0] // 2, w["qkv"], self.x, w["n1"], self.normed, self.table, positions, sequences, self.lengths[i],
                    mapped, self.q, w["cache"], rows, EPSILON)
            if self.clusters:
                go("attention", self.batch * parts * self.splits, 256, self.q, sequences, self.lengths[i], w["cache"], self.o, rows)
            else:
                go("place", 1, 1024, sequences, self.lengths[i], self.visible, rows)
                go("split", self.batch * parts * self.splits, 256, self.q, sequences, self.visible, w["cache"], self.partials, rows)
                go("combine", -(-self.batch * self.heads // 8), 256, self.partials, self.o, rows)
            product("out", self.a, -(-self.width // 2), w["o"], self.o, self.x, mapped, self.t, sequences, self.advanced[i], rows)
            if ahead:
                go("row_norm", norm_blocks, 256, self.t, w["n2"], self.normed, rows, EPSILON)
            product("gate_up", self.width, self.f, w["up"], self.t, w["n2"], self.normed, self.hidden, rows, EPSILON)
            if routed:
                product("down_routed", self.f, -(-self.width // 2), w["down"], self.hidden, self.t, self.gates[i], of, self.x, rows)
            else:
                product("down", self.f, -(-self.width // 2), w["down"], self.hidden, self.t, self.x, rows)
        rows = Rows(self.all[3].data_ptr(), self.batch)
        if ahead:
            go("row_norm", -(-self.batch // 8), 256, self.x, self.final, self.normed, rows, EPSILON)
        product("logits", self.width, -(-self.v // 2), self.head_weights, self.x, self.final, self.normed, NULL, self.logits, rows, EPSILON)

    def expected(self):
        """Logits in float64; reads the caches, so call it before the step."""
        norm = lambda x, g: x * (x.square().mean(-1, keepdim=True) + EPSILON).rsqrt() * g.double()
        x, group, a = self.start.double(), self.heads // self.kv, self.heads * self.head
        for i, w in enumerate(self.weights):
            rows = torch.tensor(self.entered.get(i, range(self.batch)), device="cuda", dtype=torch.long)
            if len(rows) == 0:
                continue
            u = x[rows]
            heads = (norm(u, w["n1"]) @ w["qkv"].double().T).view(len(rows), -1, self.head)
            cos, sin = (self.table[self.positions[rows].long(), None, :, j].double() for j in (0, 1))
            low, high = heads.chunk(2, -1)
            turned = torch.cat([low * cos - high * sin, high * cos + low * sin], -1)
            q, key, value = turned[:, :self.heads], turned[:, self.heads:self.heads + self.kv], heads[:, self.heads + self.kv:]
            outs = []
            for j, b in enumerate(rows.tolist()):
                n = self.lengths[i][b].item()
                keys, values = (torch.cat([w["cache"][b, :n, part].double(), new[j][None]], 0).repeat_interleave(group, 1).transpose(0, 1) for part, new in ((0, key), (1, value)))
                outs.append((((keys @ q[j][..., None])[..., 0] * self.head ** -0.5).softmax(-1)[:, None] @ values).flatten())
            t = u + torch.stack(outs) @ w["o"].double().T
            gate, up = (norm(t, w["n2"]) @ w["up"].double().T).chunk(2, -1)
            y = (gate * gate.sigmoid() * up) @ w["down"].double().T
            x = x.clone()
            gates = (u @ self.routers[i].double()).sigmoid() if self.choice else self.gates[i, :len(rows)].double()
            x[rows] = u + gates[:, None] * (t - u + y) if i in self.entered else t + y
        return norm(x, self.final) @ self.head_weights.double().T

    def bytes(self):
        """Bytes a step must read: weights of the blocks that anyone enters, and the keys of who does."""
        total = 2 * self.head_weights.numel()
        for i, w in enumerate(self.weights):
            rows = self.entered.get(i, range(self.batch))
            if len(rows):
                total += 2 * sum(w[n].numel() for n in ("qkv", "o", "up", "down")) + 4 * self.kv * self.head * sum(self.lengths[i][r].item() + 1 for r in rows)
        return total


def verify(**shape):
    torch.manual_seed(1)
    model = Model(layers=3, vocabulary=1024, ragged=True, **shape)
    expected, outputs = model.expected(), []
    before = [a.clone() for a in model.advanced]
    for _ in range(2):
        model.x.copy_(model.start)
        for length, was in zip(model.advanced, before):
            length.copy_(was)
        model.logits.fill_(float("nan"))
        model.run()
        torch.cuda.synchronize()
        outputs.append(model.logits.clone())
    what = f"decode {({k: v for k, v in shape.items() if k != 'entered'})}, entered {model.entered}"
    check(what, outputs[0], expected, 1e-2)
    check_equal(what + " repeated", outputs[1], outputs[0])
    for i, (got, want) in enumerate(zip(model.advanced, before)):
        want = want.clone()
        want[torch.tensor(model.entered.get(i, range(model.batch)), device="cuda", dtype=torch.long)] += 1
        check_equal(f"{what}: lengths of layer {i}", got, want)
        if model.choice and i in model.entered:
            check_equal(f"{what}: flags of layer {i}", model.flags[i], model.forced[1 + i])


def verify_small():
    small = dict(width=192, feed_forward=520)
    verify(batch=1, width=256, heads=4, kv_heads=2, feed_forward=512, context=77, entered={1: [0], 2: []})
    verify(batch=1, heads=6, kv_heads=6, head=32, clusters=False, context=77, **small)
    verify(batch=9, heads=6, kv_heads=3, head=32, entered={1: [0, 3, 4, 7]}, splits=4, context=320, **small)


def verify_all():
    verify(batch=1)
    verify(batch=1, context=2)
    verify(batch=1, entered={1: [0], 2: []})
    verify(batch=1, entered={1: [0], 2: []}, choice=True)
    verify(batch=3, kv_heads=4, context=300, entered={1: [0, 2], 2: []}, choice=True)
    verify(batch=1, most=8)
    verify(batch=1, clusters=False)
    verify(batch=3, kv_heads=4, context=300, entered={1: [0, 2], 2: []})
    verify(batch=3, kv_heads=2, context=300, clusters=False, entered={1: [1]})
    verify(batch=2, width=768, heads=6, kv_heads=6, head=128, feed_forward=2048, context=77, entered={1: [1], 2: [0, 1]})
    verify(batch=8, width=192, heads=6, kv_heads=3, head=32, feed_forward=520, context=512, entered={1: [0, 3, 4, 7]}, splits=4)
    verify(batch=19, kv_heads=4, context=1024, entered={1: list(range(0, 19, 2))})
    verify(batch=32, width=768, heads=12, kv_heads=12, feed_forward=2048, context=1500)


def half(batch, layers=16):
    """Every other layer routed, entered by half of the rows: at batch 1 by every other layer's only one."""
    return {i: [0] * (i // 2 % 2) if batch == 1 else list(range(i // 2 % 2, batch, 2)) for i in range(1, layers, 2)}


def timed(name, record, **options):
    model = Model(**options)
    times = race({"dependent": [model.run], "plain": [lambda: model.run(dependent=False)]}, repeats=4, rounds=7)
    floor = model.bytes() / copy_bandwidth() * 1e6
    print(f"   {name:44}{times['dependent']:>7.0f} us (without dependent launch {times['plain']:.0f}), floor {floor:.0f}, {times['dependent'] / floor:.2f} of it", flush=True)
    record.append(dict(name=name, us=times["dependent"], plain_us=times["plain"], floor_us=floor))


def run(explore):
    record = []
    if explore:
        for batch in (1, 8, 32):
            timed(f"batch {batch}, clusters of 8", record, batch=batch)
            timed(f"batch {batch}, clusters of 4", record, batch=batch, splits=4)
            timed(f"batch {batch}, clusters of 2", record, batch=batch, splits=2)
            timed(f"batch {batch}, 8 splits and a second kernel", record, batch=batch, clusters=False)
        timed("batch 1 in the form for eight", record, batch=1, most=8)
        timed("batch 8 in the form for sixteen", record, batch=8, most=16)
        return record
    for batch in (1, 2, 4, 8, 16, 32):
        timed(f"batch {batch}", record, batch=batch)
    timed("batch 1, 8 of 16 blocks skipped", record, batch=1, entered={i: [] for i in range(1, 16, 2)})
    for batch in (8, 32):
        timed(f"batch {batch}, 8 of 16 blocks skipped by half", record, batch=batch, entered=half(batch))
        timed(f"batch {batch}, 8 of 16 blocks skipped by 7 of 8", record, batch=batch, entered={i: list(range(i // 2 % 8, batch, 8)) for i in range(1, 16, 2)})
    return record
