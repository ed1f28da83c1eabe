"""Causal attention of the portable family (mma.sync), forward and backward, against float64 and against FlashAttention-2."""
import torch

from .attention import FLASH, Shape, build_all, peer_forward, peer_training, reference
from .device import Module, sources
from .measure import check, check_equal, poison, race, rotations

ENTRIES = dict(forward="""
extern "C" __global__ void __launch_bounds__(128, 1) forward(const element* qkv, element* o, float* lse, int batch) { attention_fwd<%(shape)s>(qkv, o, lse, batch); }
""", dots="""
extern "C" __global__ void __launch_bounds__(256) dots(const element* o, const element* d_o, float* dots, int batch) { attention_any_rows<%(shape)s>(o, d_o, dots, batch); }
""", queries="""
extern "C" __global__ void __launch_bounds__(128, 1) queries(const element* qkv, const element* d_o, const float* lse, const float* dots, element* d_qkv, int batch) {
    attention_bwd_queries<%(shape)s>(qkv, d_o, lse, dots, d_qkv, batch);
}
""", keys="""
extern "C" __global__ void __launch_bounds__(128, 1) keys(const element* qkv, const element* d_o, const float* lse, const float* dots, element* d_qkv, int batch) {
    attention_bwd_keys<%(shape)s>(qkv, d_o, lse, dots, d_qkv, batch);
}
""")
FAMILIES = ("prelude", "attention", "attention_any", "sm80", "attention_tiles", "attention_fwd", "attention_bwd")
KERNELS = tuple(ENTRIES)


class Portable:
    def __init__(self, shape):
        self.shape, tile = shape, 64 * (shape.head * 2 + 16)
        # Known and open: ptxas spills 12 bytes in the forward kernel at width 96 and 4 in the key kernel at 128.
        shapes, backward = dict(shape=f"{shape.heads}, {shape.kv_heads}, {shape.head}, {shape.length}"), (6 if shape.head < 128 else 4) * tile
        self.modules = {name: Module(sources(*FAMILIES) + text % shapes, allow_spills=shape.head >= 96) for name, text in ENTRIES.items()}
        self.kernels = {name: module.kernel(name, dict(forward=5 * tile, dots=0).get(name, backward)) for name, module in self.modules.items()}

    def bind(self, name, t):
        s, kernel = self.shape, self.kernels[name]
        if name == "dots":
            return lambda: kernel(-(-s.sequences * s.length * s.heads // 32), 256, t["o"], t["d_o"], t["dots"], s.sequences)
        grid = -(-s.length // 64) * s.sequences * (s.kv_heads if name == "keys" else s.heads)
        if name == "forward":
            return lambda: kernel(grid, 128, t["qkv"], t["o"], t["log_sums"], s.sequences)
        return lambda: kernel(grid, 128, t["qkv"], t["d_o"], t["log_sums"], t["dots"], t["d_qkv"], s.sequences)


def verify(shape, kernels):
    t, results = shape.tensors(), []
    for _ in range(2):
        poison(t["o"], t["log_sums"], t["d_qkv"], t["dots"])
        for name in KERNELS:
            kernels.bind(name, t)()
        results.append(torch.cat([t["o"].flatten(), t["d_qkv"].flatten()]))
    check_equal("attention repeated", results[1], results[0])
    x = t["qkv"].double().requires_grad_()
    o, log_sums = reference(shape, x)
    (expected,) = torch.autograd.grad(o, x, t["d_o"].double())
    check(f"attention {shape}", t["o"], o.detach(), 6e-3)
    check(f"attention log-sum {shape}", t["log_sums"], log_sums.detach(), 1e-5)
    for name, got, want in zip(("dq", "dk", "dv"), shape.gradients(t["d_qkv"]), shape.gradients(expected)):
        check(f"attention {name} {shape}", got, want, 8e-3)


def verify_shapes(shapes):
    for shape, kernels in zip(shapes, build_all([lambda s=s: Portable(s) for s in shapes])):
        verify(shape, kernels)


def verify_all():
    verify_shapes([Shape(2, length, 4, head, 2) for head in (16, 32, 48, 64, 96, 128) for length in (1024, 250, 7)] + [Shape(3, 256, 12, 64)])


def verify_small():
    verify_shapes([Shape(2, 77, 2, head, 1) for head in (16, 32, 48, 64, 96, 128)])


def run(quick):
    record = []
    for shape in (Shape(16, 2048, 16, 64), Shape(16, 2048, 8, 128), Shape(16, 2048, 32, 32), Shape(16, 2048, 8, 96), Shape(16, 256, 16, 64)):
        sets = [shape.tensors() for _ in range(rotations(4 * shape.sequences * shape.length * shape.columns, most=3))]
        kernels = Portable(shape)
        contestants = {"peer": [peer_forward(shape, t, FLASH) for t in sets], "training": [peer_training(shape, t, FLASH) for t in sets]}
        contestants |= {name: [kernels.bind(name, t) for t in sets] for name in KERNELS}
        times = race(contestants, repeats=4, rounds=5)
        forward, backward, peer = times["forward"], times["dots"] + times["queries"] + times["keys"], times["training"] - times["peer"]
        rate = lambda us, products: products * shape.flops() / us / 1e6
        print(f"   {str(shape):26}forward {forward:.1f} us {rate(forward, 1):.0f} (flash-2 {times['peer']:.1f} us)  backward {times['dots']:.1f} + {times['queries']:.1f} + {times['keys']:.1f} us "
              f"{rate(backward, 2.5):.0f} (flash-2 {peer:.1f} us)", flush=True)
        record.append(dict(shape=str(shape), us=times, forward_ratio=times["peer"] / forward, backward_ratio=peer / backward))
    return record
