"""Matrix products of the portable family (mma.sync) against cuBLAS on the card at hand."""
import torch

from .device import Module, sources
from .linear import YARDSTICK, expected, operands, peer
from .measure import check, check_equal, race, rotations

ENTRY = """
extern "C" __global__ void __launch_bounds__(256, 1) linear(const bf16* a, const bf16* b, %(type)s out, int rows, int add) {
    linear_sm80<LinearTile80<%(columns)d, %(flags)s>>(a, %(pitch_a)s, b, %(pitch_b)s, %(m)s, %(n)s, %(k)s, %(store)s);
}
"""


def build(kind, outputs, inputs, columns=256):
    m, n, k = {"forward": ("rows", outputs, inputs), "input": ("rows", inputs, outputs), "weight": (outputs, inputs, "rows")}[kind]
    flags = {"forward": "false, false", "input": "false, true", "weight": "true, true"}[kind]
    weight = kind == "weight"
    store = f"AccumulateF32Plain{{out, {n}, add != 0}}" if weight else f"StoreBf16Plain{{out, {n}}}"
    text = ENTRY % dict(type="float*" if weight else "bf16*", columns=columns, flags=flags, m=m, n=n, k=k, store=store,
                        pitch_a=inputs if kind == "forward" else outputs, pitch_b=inputs)
    launch = Module(sources("prelude", "sm80", "linear_sm80") + text).kernel("linear", 4 * (128 + columns) * 128)

    def bind(a, b, out, add=False):
        height = outputs if weight else a.shape[0]
        grid = -(-height // 128) * -(-n // columns)
        return lambda: launch(grid, 256, a, b, out, a.shape[0], int(add))
    return bind


def verify(kind, rows, outputs, inputs, columns):
    a, b, out = operands(kind, rows, outputs, inputs)
    bind = build(kind, outputs, inputs, columns)
    want = expected(kind, a, b, torch.arange(out.shape[0], device="cuda"))
    for add in (False, True) if kind == "weight" else (False,):
        start = torch.randn_like(out) if add else torch.full_like(out, float("nan"))
        results = []
        for _ in range(2):
            out.copy_(start)
            bind(a, b, out, add)()
            results.append(out.clone())
        check(f"sm80 {kind} {rows}x{outputs}x{inputs}", out, want + start.double() if add else want, 1e-5 if kind == "weight" else 4e-3)
        check_equal("sm80 repeated", results[1], results[0])


def verify_all():
    for kind in ("forward", "input", "weight"):
        for columns in (128, 256):
            verify(kind, 1000, 768, 520, columns)
            verify(kind, 77, 200, 64, columns)


def run(explore):
    record = []
    for rows in (32768, 4096):
        for kind in ("forward", "input", "weight"):
            for name in ("qkv", "down"):
                outputs, inputs = YARDSTICK[name]
                sets = [operands(kind, rows, outputs, inputs) for _ in range(rotations(2 * rows * (inputs + outputs), most=3))]
                contestants = {"cublas": [peer(kind, *s) for s in sets]}
                for columns in (256, 128):
                    bind = build(kind, outputs, inputs, columns)
                    contestants[f"128x{columns}"] = [bind(*s) for s in sets]
                rates = {n: 2.0 * rows * outputs * inputs / t / 1e6 for n, t in race(contestants, repeats=6, rounds=5).items()}
                print(f"   {kind:8}{name:6}{rows:6} " + "  ".join(f"{n} {r:.0f}" for n, r in rates.items()), flush=True)
                record.append(dict(rows=rows, kind=kind, matrix=name, tflops=rates))
    return record
