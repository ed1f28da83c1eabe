"""RMSNorm forward (residual, gather, router) and backward (gather), against float64 and against PyTorch."""
import ctypes as C

import torch

from .device import PROCESSORS, Module, sources
from .measure import check, check_equal, poison, race, rotations
from .roofline import report

ENTRIES = """
extern "C" __global__ void __launch_bounds__(256, 2) forward(RmsNormForward p) { rms_norm_fwd<%(w)d, %(residual)s, %(gather)s, %(router)s>(p); }
extern "C" __global__ void __launch_bounds__(%(lanes)d, 1) backward(RmsNormBackward p) { rms_norm_bwd<%(w)d, %(gather)s, %(lanes)d>(p); }
extern "C" __global__ void __launch_bounds__(256) gain(const float* partials, float* gradient, int blocks) { rms_norm_gain_gradient<%(w)d>(partials, gradient, blocks); }
"""


def row_lanes(width):
    """Threads that share a row, as row_warps says in the kernel."""
    return 32 * next(w for w in range(1, 65) if width % (128 * w) == 0 and width // (128 * w) <= 8)


EPSILON = 1e-5


class Forward(C.Structure):
    _fields_ = [(n, C.c_void_p) for n in ("x", "delta", "selected", "gain", "router", "sum", "y", "inverse_rms", "scores")] + [
        ("rows", C.c_int), ("epsilon", C.c_float)]


class Backward(C.Structure):
    _fields_ = [(n, C.c_void_p) for n in ("dy", "x", "selected", "inverse_rms", "gain", "dx", "gain_partials")] + [("rows", C.c_int)]


def pointers(structure, values, **scalars):
    known = {n for n, _ in structure._fields_}
    return structure(**{k: v.data_ptr() for k, v in values.items() if k in known and v is not None}, **scalars)


class Case:
    def __init__(self, rows, width, residual=False, gather=False, router=False, stream_rows=None):
        self.rows, self.width, self.residual, self.gather, self.router = rows, width, residual, gather, router
        self.stream_rows = stream_rows or rows
        self.lanes, self.threads = row_lanes(width), max(128, row_lanes(width))
        self.blocks = (2 if self.threads == 128 else 1) * PROCESSORS
        flags = {k: str(v).lower() for k, v in dict(residual=residual, gather=gather, router=router).items()}
        module = Module(sources("prelude", "rms_norm") + ENTRIES % dict(w=width, lanes=self.threads, **flags))
        self.forward, self.backward, self.gain = module.kernel("forward"), module.kernel("backward"), module.kernel("gain")

    def tensors(self):
        f = lambda *s: torch.randn(*s, device="cuda")
        rows, stream, w = self.rows, self.stream_rows, self.width
        t = dict(x=f(stream, w), delta=f(rows, w).bfloat16(), gain=1 + 0.1 * f(w), router=f(w), sum=f(rows, w), y=f(rows, w).bfloat16(),
                 inverse_rms=f(rows), scores=f(rows), dy=f(rows, w).bfloat16(), dx=f(stream, w), gain_partials=f(self.blocks, w), gain_gradient=f(w))
        t["selected"] = torch.randperm(stream, device="cuda")[:rows].sort().values.int()
        return t

    def bind_forward(self, t):
        p = pointers(Forward, t, rows=self.rows, epsilon=EPSILON)
        return lambda: self.forward(-(-self.rows * self.lanes // 256), 256, p)

    def bind_backward(self, t):
        p = pointers(Backward, t, rows=self.rows)

        def call():
            self.backward(self.blocks, self.threads, p)
            self.gain(self.width // 32, 256, t["gain_partials"], t["gain_gradient"], self.blocks)
        return call

    def forward_bytes(self):
        return self.rows * self.width * (4 + 2 + (6 if self.residual else 0))

    def backward_bytes(self):
        return self.rows * self.width * (2 + 4 + 8)


def verify(case):
    t = case.tensors()
    poison(t["y"], t["inverse_rms"], t["scores"], t["sum"])
    case.bind_forward(t)()
    x = t["x"].double()
    if case.gather:
        x = x[t["selected"].long()]
    if case.residual:
        x = x + t["delta"].double()
        check("rms_norm sum", t["sum"], x, 1e-6)
    inverse = (x.square().mean(1, keepdim=True) + EPSILON).rsqrt()
    check("rms_norm y", t["y"], x * inverse * t["gain"].double(), 4e-3)
    check("rms_norm inverse", t["inverse_rms"], inverse[:, 0], 1e-5)
    if case.router:
        check("rms_norm scores", t["scores"], x @ t["router"].double(), 1e-5)
    if case.residual:
        return
    before, gain_before = t["dx"].double(), t["gain_gradient"].double()
    start = t["dx"].clone(), t["gain_gradient"].clone()
    outputs = []
    for _ in range(2):
        t["dx"].copy_(start[0]), t["gain_gradient"].copy_(start[1]), poison(t["gain_partials"])
        case.bind_backward(t)()
        outputs.append((t["dx"].clone(), t["gain_gradient"].clone()))
    check_equal("rms_norm dx repeated", outputs[1][0], outputs[0][0])
    check_equal("rms_norm dgain repeated", outputs[1][1], outputs[0][1])
    dy, gain = t["dy"].double(), t["gain"].double()
    n = x * inverse
    dx = inverse * (dy * gain - n * (dy * gain * n).mean(1, keepdim=True))
    expected = before.index_add(0, t["selected"].long(), dx) if case.gather else before + dx
    check("rms_norm dx", t["dx"], expected, 1e-5)
    check("rms_norm dgain", t["gain_gradient"], gain_before + (dy * n).sum(0), 1e-5)


def verify_all():
    for rows, width in ((1003, 1024), (37, 768), (64, 256), (129, 2048), (33, 4096)):
        verify(Case(rows, width))
        verify(Case(rows, width, residual=True, router=True))
        verify(Case(rows, width, gather=True, stream_rows=3 * rows))


def run(explore):
    record = []
    cases = {"plain": Case(32768, 1024), "residual + router": Case(32768, 1024, residual=True, router=True),
             "gather 4096 of 32768": Case(4096, 1024, gather=True, stream_rows=32768)}
    for name, case in cases.items():
        sets = [case.tensors() for _ in range(rotations(case.forward_bytes(), most=6))]
        contestants = {"forward": [case.bind_forward(t) for t in sets], "backward": [case.bind_backward(t) for t in sets]}
        if name == "plain":
            contestants["peer"] = [lambda t=t: torch.nn.functional.rms_norm(t["x"], (1024,), t["gain"], EPSILON) for t in sets]
        times = race(contestants)
        record.append(report(f"forward {name}", times["forward"], case.forward_bytes(), times.get("peer")))
        record.append(report(f"backward {name}", times["backward"], case.backward_bytes()))
    return record
