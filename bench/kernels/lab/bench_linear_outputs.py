"""Linear layers with few outputs: a dot a row, outer products and weighted sums of columns, against float64 and a copy's speed."""
import torch

from .device import PROCESSORS
from .measure import check, check_equal, race, rotations
from .roofline import report
from .streaming import Family, entry, floats, known, nans


class Case:
    def __init__(self, rows, outputs, inputs, float32=False):
        self.rows, self.outputs, self.inputs = rows, outputs, inputs
        sizes = f"{outputs}, {inputs}"
        self.family = Family("linear_stores elementwise linear_outputs", [
            entry("forward", "const element* x, const element* w, const float* bias, float* y, Rows rows", f"linear_outputs<{sizes}>(x, w, rows, StoreBias<float>{{y, bias, {outputs}}})"),
            entry("dgrad", "const element* dy, const element* w, element* dx, Rows rows", f"linear_outputs_dgrad<{sizes}>(dy, w, dx, rows)"),
            entry("wgrad", "const element* dy, const element* x, float* partials, Rows rows", f"linear_outputs_wgrad<{sizes}>(dy, x, partials, rows)"),
            entry("partials", "const float* partials, float* gradient, int width, int blocks, int add", "add_column_partials(partials, gradient, width, blocks, add)")], float32)

    def tensors(self):
        f, rows, outputs, inputs = self.family, self.rows, self.outputs, self.inputs
        return dict(x=f.elements(rows, inputs), w=f.elements(outputs, inputs, deviation=inputs ** -0.5), bias=floats(outputs), y=nans(rows, outputs), dy=f.elements(rows, outputs),
                    dx=f.unwritten(rows, inputs), partials=nans(2 * PROCESSORS, outputs, inputs), gradient=nans(outputs, inputs))

    def calls(self, add=0):
        """Name, call on a set of tensors, bytes moved."""
        f, rows, size = self.family, known(self.rows), torch.finfo(self.family.dtype).bits // 8
        blocks, many = min(2 * PROCESSORS, -(-self.rows // 8)), min(4 * PROCESSORS, -(-self.rows // 8))
        x, y = self.rows * self.inputs * size, self.rows * self.outputs

        def wgrad(t):
            f.wgrad(blocks, t["dy"], t["x"], t["partials"], rows)
            f.partials(-(-self.outputs * self.inputs // 32), t["partials"], t["gradient"], self.outputs * self.inputs, blocks, add)
        return [("forward", lambda t: f.forward(many, t["x"], t["w"], t["bias"], t["y"], rows), x + 4 * y),
                ("dgrad", lambda t: f.dgrad(many, t["dy"], t["w"], t["dx"], rows), x + size * y), ("wgrad", wgrad, x + size * y)]


def verify(case):
    t = case.tensors()
    x, w, dy = t["x"].double(), t["w"].double(), t["dy"].double()
    what = f"{case.rows} x {case.outputs} x {case.inputs} {'float32' if case.family.float32 else 'bfloat16'}"
    expected = dict(forward=("y", x @ w.T + t["bias"].double(), 1e-6), dgrad=("dx", dy @ w, case.family.tolerance()), wgrad=("gradient", dy.T @ x, 2e-6))
    for name, call, _ in case.calls():
        out, want, tolerance = expected[name]
        call(t)
        check(f"{name} {what}", t[out], want, tolerance)
        first = t[out].clone()
        t[out].fill_(float("nan"))
        call(t)
        check_equal(f"{name} {what}, repeated", t[out], first)
    start = floats(case.outputs, case.inputs)
    t["gradient"].copy_(start)
    case.calls(add=1)[2][1](t)
    check(f"wgrad {what}, added", t["gradient"], start.double() + dy.T @ x, 2e-6)


def verify_small():
    for shape in ((1000, 1, 64), (301, 3, 33), (77, 8, 1024)):
        verify(Case(*shape))


def verify_all():
    for float32 in (False, True):
        for shape in ((1000, 1, 64), (65536, 1, 64), (301, 3, 33), (77, 8, 1024), (40, 5, 2056), (9, 2, 512)):
            verify(Case(*shape, float32))


def run(explore):
    record = []
    for rows, outputs, inputs in ((65536, 1, 64), (65536, 1, 512), (65536, 8, 512)):
        case = Case(rows, outputs, inputs)
        sets = [case.tensors() for _ in range(rotations(2 * rows * inputs))]
        peers = {"forward": [lambda t=t: torch.mm(t["x"], t["w"].T) for t in sets], "dgrad": [lambda t=t: torch.mm(t["dy"], t["w"], out=t["dx"]) for t in sets],
                 "wgrad": [lambda t=t: torch.mm(t["dy"].T, t["x"]) for t in sets]}
        times = race({name: [lambda t=t, c=c: c(t) for t in sets] for name, c, _ in case.calls()} | {name + " peer": calls for name, calls in peers.items()})
        for name, _, moved in case.calls():
            record.append(report(f"{name} {rows} x {outputs} x {inputs}", times[name], moved, times[name + " peer"]))
    return record
