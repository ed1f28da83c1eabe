"""Linear layers on few rows: checked against float64, timed against the weights' bytes at the speed of a copy (the floor: they are read once)."""
import ctypes

import torch

from .device import Module, sources
from .linear import YARDSTICK
from .measure import check, check_equal, race, rotations
from .roofline import copy_bandwidth

ENTRY = """
extern "C" __global__ void __launch_bounds__(256, 1) linear(const element* x, const element* w, element* y, Rows rows) {
    linear_rows<%(most)d, %(outputs)d, %(inputs)d, %(ahead)s>(x, w, rows, StoreElement{y, %(outputs)d});
}
"""


class Rows(ctypes.Structure):
    _fields_ = [("counted", ctypes.c_uint64), ("most", ctypes.c_int), ("padding", ctypes.c_int)]


def build(outputs, inputs, most, ahead=False, float32=False):
    text = ENTRY % dict(most=most, outputs=outputs, inputs=inputs, ahead=str(ahead).lower())
    launch = Module(sources("prelude", "sm80", "linear_stores", "linear_rows") + text, [f"-DMODGEN_FLOAT32={int(float32)}"]).kernel("linear")

    def bind(x, w, y, counted):
        rows = Rows(counted.data_ptr(), most, 0)
        return lambda: launch(-(-outputs // 16), 256, x, w, y, rows, dependent=True)
    return bind


def operands(rows, outputs, inputs, float32):
    kind = torch.float32 if float32 else torch.bfloat16
    make = lambda *s: torch.randn(*s, device="cuda").to(kind)
    return make(rows, inputs), make(outputs, inputs) * inputs ** -0.5, torch.full((rows, outputs), float("nan"), device="cuda", dtype=kind)


def verify(rows, outputs, inputs, most, float32):
    x, w, y = operands(rows, outputs, inputs, float32)
    counted = torch.tensor([rows], device="cuda", dtype=torch.int32)
    run = build(outputs, inputs, most, rows % 2 == 0, float32)(x, w, y, counted)
    results = []
    for _ in range(2):
        y.fill_(float("nan"))
        run()
        torch.cuda.synchronize()
        results.append(y.clone())
    what = f"linear_rows {rows} of {most} x {outputs} x {inputs} {'float32' if float32 else 'bfloat16'}"
    check(what, y, x.double() @ w.double().T, 1e-6 if float32 else 4e-3)
    check_equal(what + ", repeated", results[1], results[0])


def verify_small():
    for shape in ((1, 80, 1024, 1), (19, 257, 200, 32), (8, 1, 64, 8), (16, 31, 33, 16)):
        verify(*shape, False)


def verify_all():
    for float32 in (False, True):
        for shape in ((1, 3072, 1024, 1), (19, 257, 200, 32), (8, 1, 64, 8), (5, 40, 2816, 8), (16, 31, 33, 16), (32, 1024, 2816, 32)):
            verify(*shape, float32)


def run(explore):
    record = []
    for most, rows in ((1, 1), (8, 8), (32, 1), (32, 32)):
        for name, (outputs, inputs) in YARDSTICK.items():
            sets = [operands(rows, outputs, inputs, False) for _ in range(rotations(2 * outputs * inputs, most=48))]
            counted = torch.tensor([rows], device="cuda", dtype=torch.int32)
            contestants = {"cublas": [lambda x=x, w=w, y=y: torch.matmul(x, w.T, out=y) for x, w, y in sets]}
            for ahead in (False, True):
                bind = build(outputs, inputs, most, ahead)
                contestants["ahead" if ahead else "rows"] = [bind(*s, counted) for s in sets]
            times = race(contestants, repeats=max(12, len(sets)))
            floor = 2e6 * outputs * inputs / copy_bandwidth()
            print(f"   {rows:3} of {most:2} {name:5} floor {floor:6.1f} us  " + "  ".join(f"{n} {t:.1f}" for n, t in times.items()), flush=True)
            record.append(dict(rows=rows, most=most, matrix=name, floor_us=floor, us=times))
    return record
