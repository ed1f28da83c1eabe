"""A whole decode step as one graph of fused kernels with programmatic dependent launch, dense and with routed blocks skipped,
against float64 and against the time its bytes need."""
import ctypes as C

import torch

from .device import Module, Rows, sources
from .measure import check, check_equal, race
from .roofline import copy_bandwidth

ENTRIES = """
extern "C" __global__ void __launch_bounds__(128, 3) qkv(DecodeQkv p) { decode_qkv<%(d)d, %(h)d, %(kv)d, %(hd)d, 2, %(b)d, false>(p); }
extern "C" __global__ void __launch_bounds__(128, 3) qkv_routed(DecodeQkv p) { decode_qkv<%(d)d, %(h)d, %(kv)d, %(hd)d, 2, %(b)d, true>(p); }
extern "C" __global__ void __cluster_dims__(8, 1, 1) __launch_bounds__(128, 2) attention(DecodeAttention p) { decode_attention<%(h)d, %(kv)d, %(hd)d, 8>(p); }
extern "C" __global__ void __launch_bounds__(128, 3) out(DecodeResidual p) { decode_residual<%(a)d, %(d)d, 2, %(b)d, false>(p); }
extern "C" __global__ void __launch_bounds__(128, 3) gate_up(DecodeGateUp p) { decode_gate_up<%(d)d, %(f)d, 2, %(b)d>(p); }
extern "C" __global__ void __launch_bounds__(128, 3) down(DecodeResidual p) { decode_residual<%(f)d, %(d)d, 1, %(b)d, false>(p); }
extern "C" __global__ void __launch_bounds__(128, 3) down_gated(DecodeResidual p) { decode_residual<%(f)d, %(d)d, 1, %(b)d, true>(p); }
extern "C" __global__ void __launch_bounds__(128, 3) logits(const bf16* w, const float* x, const float* gain, float* out, float epsilon) {
    decode_logits<%(d)d, %(v)d, 4, %(b)d>(w, x, gain, out, epsilon);
}
"""
BATCHED = """
extern "C" __global__ void __launch_bounds__(256, 2) row_norm(const float* x, const float* gain, bf16* y, Rows rows, float epsilon) {
    rms_norm_fwd<%(d)d>(x, gain, y, nullptr, rows, epsilon);
}
extern "C" __global__ void __launch_bounds__(32 * decode_warps(%(d)d), 1) qkv(DecodeQkv p, const bf16* n) { decode_qkv_mma<%(d)d, %(h)d, %(kv)d, %(hd)d, %(b)d>(p, n); }
extern "C" __global__ void __cluster_dims__(8, 1, 1) __launch_bounds__(128, 2) attention(DecodeAttention p) { decode_attention<%(h)d, %(kv)d, %(hd)d, 8>(p); }
extern "C" __global__ void __launch_bounds__(32 * decode_warps(%(a)d), 1) out(DecodeResidual p) { decode_residual_mma<%(a)d, %(d)d, %(b)d>(p); }
extern "C" __global__ void __launch_bounds__(32 * decode_warps(%(d)d), 1) gate_up(DecodeGateUp p, const bf16* n) { decode_gate_up_mma<%(d)d, %(f)d, %(b)d>(p, n); }
extern "C" __global__ void __launch_bounds__(32 * decode_warps(%(f)d), 1) down(DecodeResidual p) { decode_residual_mma<%(f)d, %(d)d, %(b)d>(p); }
extern "C" __global__ void __launch_bounds__(32 * decode_warps(%(d)d), 1) logits(const bf16* w, const bf16* n, float* out) { decode_logits_mma<%(d)d, %(v)d, %(b)d>(w, n, out); }
"""
P, EPSILON = C.c_void_p, 1e-5


def threads(k):
    """Threads of a block of the batched products, as decode_warps says in the kernel."""
    return 32 * next(w for w in range(4, 17) if k % (32 * w) == 0 and k // (32 * w) <= 11)


class Step(C.Structure):
    _fields_ = [("positions", P), ("lengths", P), ("active", P)]


class Qkv(C.Structure):
    _fields_ = [(n, P) for n in ("weights", "x", "gain", "table", "q", "keys", "values")] + [("step", Step), ("capacity", C.c_int), ("epsilon", C.c_float)]


class GateUp(C.Structure):
    _fields_ = [(n, P) for n in ("weights", "x", "gain", "h", "active")] + [("epsilon", C.c_float)]


class Residual(C.Structure):
    _fields_ = [(n, P) for n in ("weights", "input", "x", "sum", "out", "scores", "active")]


class Attention(C.Structure):
    _fields_ = [(n, P) for n in ("q", "keys", "values", "out", "lengths", "active")] + [("capacity", C.c_int)]


class Model:
    """Random weights of a decoder and its caches; `routed` layers have a flag and a score."""

    def __init__(self, batch, layers=16, width=1024, heads=16, kv_heads=16, head=64, feed_forward=2816, vocabulary=32768, context=1024, routed=(), ragged=False):
        self.batch, self.layers, self.width, self.heads, self.kv, self.head = batch, layers, width, heads, kv_heads, head
        self.f, self.v, self.capacity, self.routed = feed_forward, vocabulary, context, set(routed)
        w = lambda n, k: (torch.randn(n, k, device="cuda") * k ** -0.5).bfloat16()
        f = lambda *s: torch.randn(*s, device="cuda")
        a = heads * head
        self.weights = [dict(qkv=w(a + 2 * kv_heads * head, width), o=w(width, a), up=w(2 * feed_forward, width), down=w(width, feed_forward),
                             n1=1 + 0.1 * f(width), n2=1 + 0.1 * f(width), keys=f(batch, kv_heads, context, head).bfloat16(),
                             values=f(batch, kv_heads, context, head).bfloat16()) for _ in range(layers)]
        self.head_weights, self.final = w(vocabulary, width), 1 + 0.1 * f(width)
        angle = torch.outer(torch.arange(context).double(), 10000.0 ** (-torch.arange(0, head, 2).double() / head))
        self.table = torch.stack([angle.cos(), angle.sin()], -1).float().cuda().contiguous()
        self.lengths = torch.tensor([context - 1 - 37 * i * ragged for i in range(batch)], device="cuda", dtype=torch.int32)
        self.start = f(batch, width)
        self.x, self.t = self.start.clone(), f(batch, width)
        self.q, self.a = (torch.randn(batch, a, device="cuda").bfloat16() for _ in range(2))
        self.h, self.logits = torch.randn(batch, feed_forward, device="cuda").bfloat16(), torch.full((batch, vocabulary), float("nan"), device="cuda")
        self.flags = torch.ones(layers, device="cuda", dtype=torch.int32)
        self.scores = f(layers, batch)
        self.batched = batch > 8
        self.normed = torch.randn(batch, width, device="cuda").bfloat16()
        families = ("sm80", "rms_norm", "decode_linear", "decode_linear_mma") if self.batched else ("decode_linear",)
        module = Module(sources("prelude", "sm90", *families, "decode_attention_sm90") + (BATCHED if self.batched else ENTRIES) % dict(
            d=width, h=heads, kv=kv_heads, hd=head, a=a, f=feed_forward, v=vocabulary, b=batch))
        names = ("qkv", "attention", "out", "gate_up", "down", "logits") + (("row_norm",) if self.batched else ("qkv_routed", "down_gated"))
        self.kernels = {n: module.kernel(n) for n in names}

    def run_batched(self, dependent=True):
        p, k = (lambda t: t.data_ptr()), self.kernels
        go = lambda name, grid, block, *args: k[name](grid, block, *args, dependent=dependent)
        norm = lambda x, gain: go("row_norm", -(-self.batch // 8), 256, x, gain, self.normed, Rows(None, self.batch), EPSILON)
        step = Step(p(self.lengths), p(self.lengths), None)
        for w in self.weights:
            norm(self.x, w["n1"])
            go("qkv", w["qkv"].shape[0] // 16, threads(self.width),
               Qkv(p(w["qkv"]), None, None, p(self.table), p(self.q), p(w["keys"]), p(w["values"]), step, self.capacity, EPSILON), self.normed)
            go("attention", 8 * self.kv * self.batch, 128, Attention(p(self.q), p(w["keys"]), p(w["values"]), p(self.a), p(self.lengths), None, self.capacity))
            go("out", self.width // 16, threads(self.heads * self.head), Residual(p(w["o"]), p(self.a), p(self.x), p(self.x), p(self.t), None, None))
            norm(self.t, w["n2"])
            go("gate_up", self.f // 8, threads(self.width), GateUp(p(w["up"]), None, None, p(self.h), None, EPSILON), self.normed)
            go("down", self.width // 16, threads(self.f), Residual(p(w["down"]), p(self.h), p(self.x), p(self.t), p(self.x), None, None))
        norm(self.x, self.final)
        go("logits", self.v // 16, threads(self.width), self.head_weights, self.normed, self.logits)

    def run(self, dependent=True):
        if self.batched:
            return self.run_batched(dependent)
        p = lambda t: t.data_ptr()
        warps = lambda rows, each: -(-rows // (4 * each))
        k = self.kernels
        for i, w in enumerate(self.weights):
            routed = i in self.routed
            active = p(self.flags) + 4 * i if routed else None
            go = lambda name, grid, args: k[name](grid, 128, args, dependent=dependent)
            step = Step(p(self.lengths), p(self.lengths), active)
            go("qkv_routed" if routed else "qkv", warps(w["qkv"].shape[0] // 2, 2),
               Qkv(p(w["qkv"]), p(self.x), p(w["n1"]), p(self.table), p(self.q), p(w["keys"]), p(w["values"]), step, self.capacity, EPSILON))
            go("attention", 8 * self.kv * self.batch, Attention(p(self.q), p(w["keys"]), p(w["values"]), p(self.a), p(self.lengths), active, self.capacity))
            go("out", warps(self.width, 2), Residual(p(w["o"]), p(self.a), p(self.x), p(self.x), p(self.t), None, active))
            go("gate_up", warps(self.f, 2), GateUp(p(w["up"]), p(self.t), p(w["n2"]), p(self.h), active, EPSILON))
            go("down_gated" if routed else "down", warps(self.width, 1),
               Residual(p(w["down"]), p(self.h), p(self.x), p(self.t), p(self.x), p(self.scores) + 4 * i * self.batch, active))
        k["logits"](warps(self.v, 4), 128, self.head_weights, self.x, self.final, self.logits, EPSILON, dependent=dependent)

    def expected(self):
        """Logits in float64; reads the caches, so call it before the step."""
        norm = lambda x, g: x * (x.square().mean(-1, keepdim=True) + EPSILON).rsqrt() * g.double()
        x, group = self.start.double(), self.heads // self.kv
        for i, w in enumerate(self.weights):
            if i in self.routed and not self.flags[i]:
                continue
            heads = (norm(x, w["n1"]) @ w["qkv"].double().T).view(self.batch, -1, self.head)
            cos, sin = (self.table[self.lengths.long(), None, :, j].double() for j in (0, 1))
            low, high = heads.chunk(2, -1)
            turned = torch.cat([low * cos - high * sin, high * cos + low * sin], -1)
            q, key, value = turned[:, :self.heads], turned[:, self.heads:self.heads + self.kv], heads[:, self.heads + self.kv:]
            rows = []
            for b in range(self.batch):
                n = self.lengths[b].item()
                keys = torch.cat([w["keys"][b, :, :n].double(), key[b][:, None]], 1).repeat_interleave(group, 0)
                values = torch.cat([w["values"][b, :, :n].double(), value[b][:, None]], 1).repeat_interleave(group, 0)
                rows.append((((keys @ q[b][..., None])[..., 0] * self.head ** -0.5).softmax(-1)[:, None] @ values).flatten())
            t = x + torch.stack(rows) @ w["o"].double().T
            gate, up = (norm(t, w["n2"]) @ w["up"].double().T).view(self.batch, -1, 2, 8).unbind(2)
            m = (gate * gate.sigmoid() * up).flatten(1) @ w["down"].double().T
            x = x + self.scores[i].double()[:, None] * (t - x + m) if i in self.routed else t + m
        return norm(x, self.final) @ self.head_weights.double().T

    def bytes(self):
        """Bytes a step must read: weights and keys of the blocks that run."""
        total = 2 * self.head_weights.numel()
        for i, w in enumerate(self.weights):
            if i not in self.routed or self.flags[i]:
                total += 2 * sum(w[n].numel() for n in ("qkv", "o", "up", "down")) + 4 * self.kv * self.head * (self.lengths.sum().item() + self.batch)
        return total


def verify(**shape):
    model = Model(layers=3, vocabulary=1024, ragged=True, **shape)
    if model.routed:
        model.flags[2] = 0
    expected, outputs = model.expected(), []
    for _ in range(2):
        model.x.copy_(model.start)
        model.logits.fill_(float("nan"))
        model.run()
        torch.cuda.synchronize()
        outputs.append(model.logits.clone())
    check(f"decode {shape}", outputs[0], expected, 1e-2)
    check_equal("decode repeated", outputs[1], outputs[0])


def verify_all():
    verify(batch=1)
    verify(batch=3, kv_heads=4, context=300)
    verify(batch=2, width=768, heads=6, kv_heads=6, head=128, feed_forward=2048, context=77, routed=(1, 2))
    verify(batch=1, context=2)
    verify(batch=19, kv_heads=4, context=1024)
    verify(batch=32, width=768, heads=12, kv_heads=12, feed_forward=2048, context=1500)


def run(explore):
    record = []
    for batch, skipped in ((1, 0), (1, 8), (4, 0), (8, 0), (32, 0)):
        model = Model(batch, routed=range(1, 16, 2) if skipped else ())
        for i in list(model.routed)[:skipped]:
            model.flags[i] = 0
        times = race({"dependent": [model.run], "plain": [lambda: model.run(dependent=False)]}, repeats=4, rounds=7)
        floor = model.bytes() / copy_bandwidth() * 1e6
        print(f"   batch {batch}, {skipped} of 16 blocks skipped: {times['dependent']:.0f} us (without dependent launch {times['plain']:.0f}), floor {floor:.0f}, {times['dependent'] / floor:.2f} of it", flush=True)
        record.append(dict(batch=batch, skipped=skipped, us=times["dependent"], plain_us=times["plain"], floor_us=floor))
    return record
