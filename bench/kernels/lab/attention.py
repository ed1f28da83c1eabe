"""Causal attention on the Hopper family: building it, its inputs, its float64 reference and PyTorch as the peer."""
import ctypes as C

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from .device import PROCESSORS, Module, sources, tensor_map

FORWARD = """
extern "C" __global__ void __launch_bounds__(%(threads)d, 1)
attention(const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap o, float* log_sums, int sequences) {
    attention_fwd_sm90<AttentionTile<%(shape)s, %(consumers)d, %(keys)d, %(stages)d>>(q, k, o, log_sums, sequences);
}
"""


class Shape:
    def __init__(self, sequences, length, heads, head, kv_heads=None):
        self.sequences, self.length, self.heads, self.head, self.kv_heads = sequences, length, heads, head, kv_heads or heads
        self.columns = (heads + 2 * self.kv_heads) * head

    def text(self):
        return f"{self.length}, {self.heads}, {self.kv_heads}, {self.head}"

    def __repr__(self):
        return f"B {self.sequences} T {self.length} H {self.heads}/{self.kv_heads} D {self.head}"

    def flops(self):
        return 4.0 * self.sequences * self.heads * self.head * self.length * (self.length + 1) / 2

    def tensors(self):
        make = lambda columns: torch.randn(self.sequences, self.length, columns, device="cuda").bfloat16()
        width = self.heads * self.head
        return dict(qkv=make(self.columns), o=make(width), log_sums=torch.randn(self.sequences, self.heads, self.length, device="cuda"),
                    d_o=make(width), d_qkv=make(self.columns))

    def split(self, qkv, dtype=None):
        """q, k, v as (B, heads, T, head); the key heads as they are."""
        x = qkv.view(self.sequences, self.length, -1, self.head).transpose(1, 2)
        parts = x.split([self.heads, self.kv_heads, self.kv_heads], dim=1)
        return tuple(p.to(dtype) if dtype else p for p in parts)


def reference(shape, qkv):
    """Output (B, T, H D) and log-sum-exp (B, H, T) in float64; differentiable in qkv."""
    q, k, v = shape.split(qkv, torch.float64)
    group = shape.heads // shape.kv_heads
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    scores = q @ k.transpose(-1, -2) * shape.head ** -0.5
    hidden = torch.ones(shape.length, shape.length, device="cuda", dtype=torch.bool).triu(1)
    scores = scores.masked_fill(hidden, float("-inf"))
    return (scores.softmax(-1) @ v).transpose(1, 2).reshape(shape.sequences, shape.length, -1), scores.logsumexp(-1)


class Forward:
    def __init__(self, shape, consumers=None, keys=128, stages=2, options=()):
        consumers = consumers or (3 if shape.head == 64 else 2)
        self.shape, self.consumers, self.keys = shape, consumers, keys
        self.threads, rows = 128 * (consumers + 1), 64 * consumers
        text = FORWARD % dict(threads=self.threads, shape=shape.text(), consumers=consumers, keys=keys, stages=stages)
        module = Module(sources("prelude", "sm90", "wgmma", "attention_fwd_sm90") + text, options)
        shared = 2048 + 2 * rows * shape.head * 2 + 2 * stages * keys * shape.head * 2
        self.kernel, self.rows = module.kernel("attention", shared), rows
        self.grid = min(PROCESSORS, shape.sequences * shape.heads * -(-shape.length // rows))

    def __repr__(self):
        return f"{self.rows}x{self.keys}"

    def bind(self, t):
        q, k = tensor_map(t["qkv"], (64, self.rows, 1)), tensor_map(t["qkv"], (64, self.keys, 1))
        o = tensor_map(t["o"], (64, 64, 1))
        return lambda: self.kernel(self.grid, self.threads, q, k, o, t["log_sums"], self.shape.sequences)


def peer_forward(shape, t, backend):
    q, k, v = shape.split(t["qkv"])

    def call():
        with sdpa_kernel(backend):
            return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=shape.kv_heads != shape.heads)
    return call


CUDNN, FLASH = SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION
