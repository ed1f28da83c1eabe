"""A decode step for a batch as one graph: products on the tensor cores, norms folded in, attention split over clusters. Against
float64, the time its bytes need, and the matrix-vector kernels where both run."""
import ctypes as C

import torch

from .bench_decode import EPSILON, P, Attention, Model
from .device import Module, sources
from .measure import check, check_equal, race
from .roofline import copy_bandwidth

ENTRIES = """
extern "C" __global__ void __launch_bounds__(128) embedding(DecodeBatchEmbedding p) { decode_batch_embedding<%(d)d, %(b)d>(p); }
extern "C" __global__ void __launch_bounds__(%(dw)d * 32, 16 / %(dw)d) qkv(DecodeBatchQkv p) { decode_batch_qkv<%(d)d, %(h)d, %(kv)d, %(hd)d, %(dw)d, %(b)d>(p); }
extern "C" __global__ void __cluster_dims__(%(splits)d, 1, 1) __launch_bounds__(128, 3) attention(DecodeAttention p) { decode_attention<%(h)d, %(kv)d, %(hd)d, %(splits)d>(p); }
extern "C" __global__ void __launch_bounds__(%(aw)d * 32, 16 / %(aw)d) out(DecodeBatchResidual p) { decode_batch_residual<%(a)d, %(d)d, %(aw)d, %(b)d>(p); }
extern "C" __global__ void __launch_bounds__(%(dw)d * 32, 16 / %(dw)d) gate_up(DecodeBatchGateUp p) { decode_batch_gate_up<%(d)d, %(f)d, %(dw)d, %(b)d>(p); }
extern "C" __global__ void __launch_bounds__(%(fw)d * 32, 16 / %(fw)d) down(DecodeBatchResidual p) { decode_batch_residual<%(f)d, %(d)d, %(fw)d, %(b)d>(p); }
extern "C" __global__ void __launch_bounds__(%(dw)d * 32, 16 / %(dw)d) logits(DecodeBatchLogits p) { decode_batch_logits<%(d)d, %(v)d, %(dw)d, %(b)d>(p); }
"""


class Embedding(C.Structure):
    _fields_ = [(n, P) for n in ("table", "tokens", "gain", "x", "scaled", "squares")]


class Qkv(C.Structure):
    _fields_ = [(n, P) for n in ("weights", "x", "squares", "table", "q", "keys", "values", "positions", "lengths")] + [("capacity", C.c_int), ("epsilon", C.c_float)]


class Residual(C.Structure):
    _fields_ = [(n, P) for n in ("weights", "input", "x", "gain", "scaled", "squares")]


class Product(C.Structure):
    _fields_ = [(n, P) for n in ("weights", "x", "squares", "out")] + [("epsilon", C.c_float)]


def warps_for(k):
    """Fewest warps (four at least) that hold 16 rows of k columns in 64 registers a lane."""
    return next(w for w in range(4, 33) if k % (32 * w) == 0 and k // (32 * w) <= 8)


class BatchModel(Model):
    def __init__(self, batch, splits=8, **shape):
        super().__init__(batch, **shape)
        d, a = self.width, self.heads * self.head
        self.splits, self.w = splits, {n: warps_for(k) for n, k in (("d", d), ("a", a), ("f", self.f))}
        self.table_rows = torch.randn(self.v, d, device="cuda").bfloat16()
        self.tokens = torch.randint(0, self.v, (batch,), device="cuda", dtype=torch.int32)
        self.start = self.table_rows[self.tokens.long()].float()
        self.scaled, self.squares = torch.empty(batch, d, device="cuda", dtype=torch.bfloat16), torch.empty(d // 16, batch, device="cuda")
        module = Module(sources("prelude", "sm90", "attention_mma", "decode_batch", "decode_attention_sm90") + ENTRIES % dict(
            d=d, h=self.heads, kv=self.kv, hd=self.head, a=a, f=self.f, v=self.v, b=batch, splits=splits, **{n + "w": w for n, w in self.w.items()}))
        self.registers = module.registers
        self.batch_kernels = {n: module.kernel(n) for n in ("embedding", "qkv", "attention", "out", "gate_up", "down", "logits")}

    def run(self, dependent=True):
        p = lambda t: t.data_ptr()
        k, d, wide = self.batch_kernels, self.width, {n: 32 * w for n, w in self.w.items()}
        go = lambda name, grid, threads, args: k[name](grid, threads, args, dependent=dependent)
        gains = [w["n1"] for w in self.weights[1:]] + [self.final]
        state = p(self.scaled), p(self.squares)
        go("embedding", self.batch, 128, Embedding(p(self.table_rows), p(self.tokens), p(self.weights[0]["n1"]), p(self.x), *state))
        for w, gain in zip(self.weights, gains):
            go("qkv", w["qkv"].shape[0] // 16, wide["d"], Qkv(p(w["qkv"]), *state, p(self.table), p(self.q), p(w["keys"]), p(w["values"]),
                                                             p(self.lengths), p(self.lengths), self.capacity, EPSILON))
            go("attention", self.splits * self.kv * self.batch, 128, Attention(p(self.q), p(w["keys"]), p(w["values"]), p(self.a), p(self.lengths), None, self.capacity))
            go("out", d // 16, wide["a"], Residual(p(w["o"]), p(self.a), p(self.x), p(w["n2"]), *state))
            go("gate_up", self.f // 8, wide["d"], Product(p(w["up"]), *state, p(self.h), EPSILON))
            go("down", d // 16, wide["f"], Residual(p(w["down"]), p(self.h), p(self.x), p(gain), *state))
        go("logits", self.v // 16, wide["d"], Product(p(self.head_weights), *state, p(self.logits), EPSILON))


def verify(**shape):
    model = BatchModel(layers=3, vocabulary=1024, ragged=True, **shape)
    expected, outputs = model.expected(), []
    for _ in range(2):
        model.logits.fill_(float("nan"))
        model.run()
        torch.cuda.synchronize()
        outputs.append(model.logits.clone())
    check(f"decode batch {shape}", outputs[0], expected, 1e-2)
    check_equal("decode batch repeated", outputs[1], outputs[0])


def run(quick):
    verify(batch=32, context=1300)
    verify(batch=3, kv_heads=4, context=300)
    verify(batch=13, width=768, heads=6, kv_heads=6, head=128, feed_forward=2048, context=600, splits=4)
    print("   correct")
    record = []
    for batch, splits in ((1, 8), (4, 8), (8, 8), (8, 4), (32, 8), (32, 4), (32, 2)):
        model = BatchModel(batch, splits=splits, context=1024)
        model.lengths.fill_(1023)
        times = race({"step": [model.run]}, repeats=4, rounds=5)
        floor = model.bytes() / copy_bandwidth() * 1e6
        print(f"   batch {batch}, {splits} splits: {times['step']:.0f} us, floor {floor:.0f}, {times['step'] / floor:.2f} of it", flush=True)
        record.append(dict(batch=batch, splits=splits, us=times["step"], floor_us=floor))
        del model
    return record
