"""Causal attention on the Hopper family: building it, its inputs, its float64 reference and PyTorch as the peer."""
import concurrent.futures
import ctypes as C

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from .device import PROCESSORS, Module, Rejected, sources, tensor_map

CUDNN, FLASH = SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION
FORWARD = """
using Tile = AttentionForwardTile<AttentionHeads<%(heads)s>, %(strips)d, %(keys)d, %(stages)d, %(turns)s, %(queries)d>;
extern "C" __global__ void __launch_bounds__(Tile::Threads, 1)
run(const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap o, float* lse, int batch) {
    attention_fwd_sm90<Tile>(qkv, o, lse, %(length)d, batch, %(scale)rf);
}
"""
BACKWARD = """
using Tile = AttentionBackwardTile<AttentionHeads<%(heads)s>, %(strips)d, %(step)d, %(stages)d>;
extern "C" __global__ void __launch_bounds__(Tile::Threads, 1)
run(const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap d_o, const __grid_constant__ TensorMap d_qkv, AttentionBackward p) {
    attention_bwd_%(kind)s_sm90<Tile>(qkv, d_o, d_qkv, p);
}
"""

JOINT = """
using Tile = AttentionJointTile<AttentionHeads<%s>>;
extern "C" __global__ void __launch_bounds__(Tile::Threads, 1)
run(const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap d_o, const __grid_constant__ TensorMap d_qkv, const __grid_constant__ AttentionJoint p) {
    attention_bwd_joint_sm90<Tile>(qkv, d_o, d_qkv, p);
}
"""


class Shape:
    def __init__(self, sequences, length, heads, head, kv_heads=None):
        self.sequences, self.length, self.heads, self.head, self.kv_heads = sequences, length, heads, head, kv_heads or heads
        self.columns = (heads + 2 * self.kv_heads) * head

    def text(self):
        return f"{self.head}, {self.heads}, {self.kv_heads}"

    def __repr__(self):
        return f"B {self.sequences} T {self.length} H {self.heads}/{self.kv_heads} D {self.head}"

    def flops(self):
        return 4.0 * self.sequences * self.heads * self.head * self.length * (self.length + 1) / 2

    def tensors(self):
        make = lambda columns: torch.randn(self.sequences, self.length, columns, device="cuda").bfloat16()
        width = self.heads * self.head
        return dict(qkv=make(self.columns), o=make(width), log_sums=torch.randn(self.sequences, self.heads, self.length, device="cuda"),
                    d_o=make(width), d_qkv=make(self.columns), dots=torch.randn(self.sequences, self.heads, self.length, device="cuda"), rows=torch.full((2, self.sequences, self.heads, -(-self.length // 64) * 64), float("nan"), device="cuda"))

    def split(self, qkv, dtype=None):
        """q, k, v as (B, heads, T, head); the key heads as they are."""
        x = qkv.view(self.sequences, self.length, -1, self.head).transpose(1, 2)
        parts = x.split([self.heads, self.kv_heads, self.kv_heads], dim=1)
        return tuple(p.to(dtype) if dtype else p for p in parts)

    def gradients(self, d_qkv):
        """dq, dk, dv as columns of the packed gradient."""
        return d_qkv.split([self.heads * self.head, self.kv_heads * self.head, self.kv_heads * self.head], dim=-1)


def reference(shape, qkv):
    """Output (B, T, H D) and log-sum-exp (B, H, T) in float64; differentiable in qkv."""
    q, k, v = shape.split(qkv, torch.float64)
    group = shape.heads // shape.kv_heads
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    scores = q @ k.transpose(-1, -2) * shape.head ** -0.5
    hidden = torch.ones(shape.length, shape.length, device="cuda", dtype=torch.bool).triu(1)
    scores = scores.masked_fill(hidden, float("-inf"))
    return (scores.softmax(-1) @ v).transpose(1, 2).reshape(shape.sequences, shape.length, -1), scores.logsumexp(-1)


def _grid(shape, heads, strips, blocks):
    return min(blocks or PROCESSORS, shape.sequences * heads * -(-shape.length // (64 * strips)))


# Builds for checking (with bounded waits) may spill: the counter of a wait takes a register that the kernel as used does not need.


class Forward:
    """strips, keys, stages, turns, query stages: as AttentionForwardTile; without them what AttentionForwardFor says."""

    def __init__(self, shape, tile=None, options=(), blocks=None):
        wide, short = (2, 128, 2, True) if shape.length >= 4096 else (3, 64, 3, False), shape.length <= 256
        self.tile = tile or (((2, 64, 4, False, 2) if short else wide) if shape.head == 128 else (4, 64, 8, False, 2) if short else (3, 128, 3, False))
        strips, keys, stages, turns, queries = *self.tile[:4], *(self.tile[4:] or (1,))
        text = FORWARD % dict(heads=shape.text(), strips=strips, keys=keys, stages=stages, turns=str(turns).lower(), queries=queries, length=shape.length, scale=shape.head ** -0.5)
        self.module = Module(sources("prelude", "sm90", "wgmma", "attention", "attention_sm90", "attention_fwd_sm90") + text, options, allow_spills=bool(options))
        shared = 2048 + ((1 + queries) * strips * 64 + 2 * stages * keys) * shape.head * 2
        self.kernel, self.threads, self.shape = self.module.kernel("run", shared), 128 * (strips + 1), shape
        self.grid = _grid(shape, shape.heads, strips, blocks)

    def __repr__(self):
        strips, keys, stages, turns = self.tile[:4]
        return f"{strips * 64}x{keys}s{stages}{'t' if turns else ''}{'q2' if len(self.tile) > 4 else ''}"

    def bind(self, t):
        qkv, o = tensor_map(t["qkv"], (64, 64, 1)), tensor_map(t["o"], (64, 64, 1))
        return lambda: self.kernel(self.grid, self.threads, qkv, o, t["log_sums"], self.shape.sequences)


class Parameters(C.Structure):
    _fields_ = [(n, C.c_void_p) for n in ("output", "doutput", "lse", "rows")] + [("length", C.c_int), ("batch", C.c_int), ("scale", C.c_float), ("positions", C.c_void_p), ("rotary", C.c_void_p)]


class Gradient:
    """One of the two backward kernels; kind 'queries' or 'keys', tile strips, step and stages of AttentionBackwardTile."""

    def __init__(self, kind, shape, tile=None, options=(), blocks=None):
        short, wide = shape.length <= 256, shape.head == 128
        best = {"queries": (3, 64, 2 if wide else 4), "keys": (2, 64, 4 if short and not wide else 3) if short or wide else (3, 64, 3)}
        self.kind, self.shape, self.tile = kind, shape, tile or best[kind]
        strips, step, stages = self.tile
        families = ("prelude", "sm90", "wgmma", "attention", "attention_copy_sm90", "attention_sm90", "attention_rows", "attention_bwd_sm90",
                    f"attention_bwd_{kind}_sm90")
        self.module = Module(sources(*families) + BACKWARD % dict(heads=shape.text(), kind=kind, strips=strips, step=step, stages=stages), options, allow_spills=bool(options))
        shared = 2048 + 3 * strips * 64 * shape.head * 2 + stages * (2 * step * shape.head * 2 + step * 8)
        self.kernel, self.threads = self.module.kernel("run", shared), 128 * (strips + 1)
        self.grid = _grid(shape, shape.heads if kind == "queries" else shape.kv_heads, strips, blocks)

    def __repr__(self):
        return f"{self.kind} {self.tile[0] * 64}x{self.tile[1]}s{self.tile[2]}"

    def bind(self, t):
        s = self.shape
        maps = [tensor_map(t[n], (64, 64, 1)) for n in ("qkv", "d_o", "d_qkv")]
        p = Parameters(*[t[n].data_ptr() for n in ("o", "d_o", "log_sums", "rows")], s.length, s.sequences, s.head ** -0.5)
        return lambda: self.kernel(self.grid, self.threads, *maps, p)


class JointParameters(C.Structure):
    _fields_ = [("backward", Parameters), ("sums", C.c_void_p)]


class Joint:
    """The whole backward pass in one kernel, for heads of 64."""

    def __init__(self, shape, options=(), blocks=None):
        self.shape = shape
        families = ("prelude", "sm80", "sm90", "wgmma", "attention", "attention_sm90", "attention_rows", "attention_bwd_sm90", "attention_bwd_joint_sm90",
                    "attention_bwd_joint_keys_sm90", "attention_bwd_joint_rows_sm90", "attention_bwd_joint_queries_sm90")
        self.module = Module(sources(*families) + JOINT % shape.text(), options, allow_spills=bool(options))
        self.kernel = self.module.kernel("run", 2048 + 7 * 8192 + 4 * (2 * 8192 + 512) + 4 * 8192 + 16384 + 8192)
        self.grid = min(blocks or PROCESSORS, shape.sequences * shape.kv_heads)

    def __repr__(self):
        return "joint 128x64s4"

    def bind(self, t):
        s = self.shape
        rows = self.grid * s.heads // s.kv_heads * -(-s.length // 64) * 64
        kept, sums = torch.full((2 * rows,), float("nan"), device="cuda"), torch.full((rows * s.head,), float("nan"), device="cuda")
        maps = [tensor_map(t[n], (64, 64, 1)) for n in ("qkv", "d_o", "d_qkv")]
        p = JointParameters(Parameters(t["o"].data_ptr(), None, t["log_sums"].data_ptr(), kept.data_ptr(), s.length, s.sequences, s.head ** -0.5), sums.data_ptr())
        p.keep = kept, sums
        return lambda: self.kernel(self.grid, 512, *maps, p)


def build_all(makers):
    """Compiles on several threads; the result of each maker, or None where the kernel was rejected."""
    def one(make):
        torch.cuda.set_device(0)
        torch.zeros(1, device="cuda")
        try:
            return make()
        except Rejected as error:
            print(f"   rejected: {str(error)[:160]}")
            return None
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        return list(pool.map(one, makers))


def peer_forward(shape, t, backend):
    q, k, v = shape.split(t["qkv"])

    def call():
        with sdpa_kernel(backend):
            return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=shape.kv_heads != shape.heads)
    return call


def peer_training(shape, t, backend):
    """Forward and backward together; the forward's time is to be taken off."""
    parts = [p.detach().requires_grad_() for p in shape.split(t["qkv"])]
    d_o = t["d_o"].view(shape.sequences, shape.length, shape.heads, shape.head).transpose(1, 2)

    def call():
        with sdpa_kernel(backend):
            o = torch.nn.functional.scaled_dot_product_attention(*parts, is_causal=True, enable_gqa=shape.kv_heads != shape.heads)
        torch.autograd.grad(o, parts, d_o)
    return call
