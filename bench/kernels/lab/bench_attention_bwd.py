"""Causal attention backward, deterministic, against float64 and against cuDNN's backward, which is not."""
import torch

from .attention import CUDNN, Gradient, Joint, Shape, build_all, peer_forward, peer_training, reference
from .bench_attention_fwd import TIMED
from .device import PROCESSORS
from .measure import check, check_equal, poison, race, rotations

CHECKED = [Shape(2, length, 4, head, 2) for head in (64, 128) for length in (2048, 250, 300, 192, 64, 7)] + [Shape(3, 256, 12, 64), Shape(3, 200, 8, 64, 2)]


def tiles(shape):
    queries = [(3, 64, 4), (2, 64, 4)] if shape.head == 64 else [(3, 64, 2), (2, 64, 3)]
    keys = [(3, 64, 3), (2, 64, 4)] if shape.head == 64 else [(2, 64, 3), (2, 64, 2)]
    return [("queries", t) for t in queries] + [("keys", t) for t in keys]


def verify(shape, kernels):
    """kernels: two of the query kernel and two of the key kernel, in pairs; or the one that does the work of both. None where one was rejected."""
    t = shape.tensors()
    x = t["qkv"].double().requires_grad_()
    o, log_sums = reference(shape, x)
    (expected,) = torch.autograd.grad(o, x, t["d_o"].double())
    t["o"].copy_(o.detach())
    t["log_sums"].copy_(log_sums.detach())
    for pair in [kernels] if len(kernels) == 1 else [kernels[::2], kernels[1::2]]:
        if None in pair:
            continue
        results = []
        for _ in range(2):
            poison(t["d_qkv"], t["rows"])
            for kernel in pair:
                kernel.bind(t)()
            results.append(t["d_qkv"].clone())
        for name, got, want in zip(("dq", "dk", "dv"), shape.gradients(t["d_qkv"]), shape.gradients(expected)):
            check(f"attention {name} {shape} {pair}", got, want, 8e-3)
        check_equal("attention backward repeated", results[1], results[0])


def verify_shapes(shapes, *options):
    checked = dict(options=["-DMODGEN_BOUNDED_WAITS", *options], blocks=5)
    apart = build_all([lambda s=s, kind=kind, tile=tile: Gradient(kind, s, tile, **checked) for s in shapes for kind, tile in tiles(s)])
    for i, shape in enumerate(shapes):
        verify(shape, apart[4 * i:4 * i + 4])
    narrow = [s for s in shapes if s.head == 64]
    for shape, joint in zip(narrow, build_all([lambda s=s: Joint(s, **checked) for s in narrow])):
        verify(shape, (joint,))


def verify_all():
    verify_shapes(CHECKED)


def verify_small():
    verify_shapes([Shape(2, 330, 2, 64), Shape(1, 250, 2, 128, 1)], "-DMODGEN_LANES_ARRIVE")  # more steps than stages; arrivals that racecheck can follow


def run(explore):
    """Exploring: only short sequences."""
    record = []
    for shape in TIMED[2:4] if explore else TIMED:
        sets = [shape.tensors() for _ in range(rotations(4 * shape.sequences * shape.length * shape.columns, most=3))]
        contestants = {"forward": [peer_forward(shape, t, CUDNN) for t in sets], "training": [peer_training(shape, t, CUDNN) for t in sets]}
        makers = [lambda kind=kind, tile=tile: Gradient(kind, shape, tile) for kind, tile in tiles(shape)] + [lambda: Joint(shape)] * (shape.head == 64)
        for kernel in filter(None, build_all(makers)):
            contestants[str(kernel)] = [kernel.bind(t) for t in sets]
        times = race(contestants, repeats=6, rounds=7)
        whole = shape.head == 64 and shape.length <= 256 and shape.sequences * shape.kv_heads >= PROCESSORS
        peer, chosen = times["training"] - times["forward"], ["joint 128x64s4"] if whole else [str(Gradient(kind, shape)) for kind in ("queries", "keys")]
        ours = sum(times[c] for c in chosen)
        print(f"   {str(shape):26}cuDNN {peer:.1f} us {2.5 * shape.flops() / peer / 1e6:.0f}  " + "  ".join(f"{k} {v:.1f}" for k, v in list(times.items())[2:])
              + f"   ours {ours:.1f} us {2.5 * shape.flops() / ours / 1e6:.0f}, cuDNN/ours {peer / ours:.3f}", flush=True)
        record.append(dict(shape=str(shape), us=times, peer_us=peer, chosen=chosen, ours_us=ours, tflops=2.5 * shape.flops() / ours / 1e6, ratio=peer / ours))
    return record
