"""Causal attention forward against float64, cuDNN and FlashAttention-2."""
import torch

from .attention import CUDNN, FLASH, Forward, Shape, build_all, peer_forward, reference
from .measure import check, check_equal, poison, race, rotations

CHECKED = [Shape(2, length, 4, head, 2) for head in (64, 128) for length in (2048, 250, 300, 64, 7)] + [Shape(3, 256, 12, 64)]
TIMED = [Shape(16, 2048, 16, 64), Shape(16, 2048, 8, 128), Shape(16, 256, 16, 64), Shape(16, 256, 8, 128), Shape(16, 1024, 12, 64), Shape(8, 4096, 32, 128, 8)]


def tiles(shape):
    if shape.head == 64:
        return [(3, 128, 3, False), (3, 64, 4, False), (4, 64, 4, False), (4, 64, 8, False, 2), (3, 64, 7, False, 2), (2, 128, 3, True)]
    return [(3, 64, 3, False), (2, 64, 4, False, 2), (2, 64, 5, False), (2, 128, 2, True)]


def verify(shape, forward):
    t = shape.tensors()
    outputs = []
    for _ in range(2):
        poison(t["o"], t["log_sums"])
        forward.bind(t)()
        outputs.append((t["o"].clone(), t["log_sums"].clone()))
    o, log_sums = reference(shape, t["qkv"])
    check(f"attention {shape} {forward}", t["o"], o, 6e-3)
    check(f"attention log-sum {shape} {forward}", t["log_sums"], log_sums, 1e-5)
    check_equal("attention repeated", outputs[1][0], outputs[0][0])


def verify_shapes(shapes):
    # Five blocks at a time, so that each walks several tiles; waits are bounded, so that a hang becomes a wrong result.
    cases = [(shape, tile) for shape in shapes for tile in tiles(shape)]
    built = build_all([lambda s=s, tile=tile: Forward(s, tile, ["-DMODGEN_BOUNDED_WAITS"], blocks=5) for s, tile in cases])
    for (shape, _), forward in zip(cases, built):
        if forward:
            verify(shape, forward)
        torch.cuda.synchronize()


def verify_all():
    verify_shapes(CHECKED)


def verify_small():
    verify_shapes([Shape(2, 77, 2, 64), Shape(1, 250, 2, 128, 1)])


def run(explore):
    """Exploring: only short sequences."""
    record = []
    for shape in TIMED[2:4] if explore else TIMED:
        sets = [shape.tensors() for _ in range(rotations(4 * shape.sequences * shape.length * shape.columns, most=4))]
        contestants = {"cudnn": [peer_forward(shape, t, CUDNN) for t in sets], "flash2": [peer_forward(shape, t, FLASH) for t in sets]}
        for forward in filter(None, build_all([lambda tile=tile: Forward(shape, tile) for tile in tiles(shape)])):
            contestants[str(forward)] = [forward.bind(t) for t in sets]
        times = race(contestants, repeats=8)
        chosen = str(Forward(shape))
        ratio = times["cudnn"] / times[chosen]
        print(f"   {str(shape):26}" + "  ".join(f"{k} {v:.1f} us {shape.flops() / v / 1e6:.0f}" for k, v in times.items()) + f"   chosen {chosen}, cuDNN/ours {ratio:.3f}", flush=True)
        record.append(dict(shape=str(shape), us=times, chosen=chosen, tflops=shape.flops() / times[chosen] / 1e6, ratio=ratio))
    return record
