"""Causal attention forward against float64, cuDNN and FlashAttention-2."""
from .attention import CUDNN, FLASH, Forward, Shape, peer_forward, reference
from .measure import check, check_equal, poison, race, rotations


def verify(shape, **tile):
    t = shape.tensors()
    outputs = []
    for _ in range(2):
        poison(t["o"], t["log_sums"])
        Forward(shape, options=["-DMODGEN_BOUNDED_WAITS"], **tile).bind(t)()
        outputs.append((t["o"].clone(), t["log_sums"].clone()))
    o, log_sums = reference(shape, t["qkv"])
    check(f"attention {shape} {tile}", t["o"], o, 8e-3)
    check(f"attention log-sum {shape} {tile}", t["log_sums"], log_sums, 1e-4)
    check_equal("attention repeated", outputs[1][0], outputs[0][0])


def run(quick):
    for head in (64, 128):
        for consumers in (2, 3) if head == 64 else (2,):
            for length in (2048, 256, 300, 64, 1000):
                verify(Shape(2, length, 4, head, 2), consumers=consumers)
    verify(Shape(3, 256, 12, 64))
    print("   correct")
    record = []
    for shape in (Shape(16, 2048, 16, 64), Shape(16, 2048, 8, 128), Shape(16, 256, 16, 64), Shape(16, 256, 8, 128), Shape(16, 1024, 12, 64)):
        sets = [shape.tensors() for _ in range(rotations(4 * shape.sequences * shape.length * shape.columns, most=4))]
        contestants = {"cudnn": [peer_forward(shape, t, CUDNN) for t in sets], "flash2": [peer_forward(shape, t, FLASH) for t in sets]}
        for tile in (dict(), dict(consumers=2), dict(keys=64), dict(keys=64, consumers=2)) if shape.head == 64 else (dict(), dict(keys=64)):
            forward = Forward(shape, **tile)
            contestants[str(forward)] = [forward.bind(t) for t in sets]
        times = race(contestants, repeats=8)
        best = min(v for k, v in times.items() if k not in ("cudnn", "flash2"))
        print(f"   {str(shape):26}" + "  ".join(f"{k} {v:.1f} us {shape.flops() / v / 1e6:.0f}" for k, v in times.items()) + f"   cuDNN/ours {times['cudnn'] / best:.3f}", flush=True)
        record.append(dict(shape=str(shape), us=times, ratio=times["cudnn"] / best))
    return record
