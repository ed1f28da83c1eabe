"""AdamW and the global norm over arenas, against float64 and against PyTorch's fused ones."""
import ctypes as C

import torch

from .device import PROCESSORS, Module, sources
from .measure import check, check_equal, race
from .roofline import report

ENTRIES = """
extern "C" __global__ void __launch_bounds__(512) gradient_norm(const float* g, i64 count, float* partials, u32* ticket, float* out) { global_norm<512>(g, count, partials, ticket, out); }
extern "C" __global__ void __launch_bounds__(256) update(AdamW p) { adamw<256, %d, %s>(p); }
"""


class Step(C.Structure):
    _fields_ = [(n, C.c_float) for n in ("learning_rate", "beta1", "beta2", "epsilon", "decay", "correction1", "correction2", "gradient_scale", "clip")]


class AdamW(C.Structure):
    _fields_ = [(n, C.c_void_p) for n in ("master", "moment1", "moment2", "gradient", "weights")] + [
        ("count", C.c_longlong), ("run_ends", C.c_void_p), ("runs", C.c_int), ("first_decays", C.c_int), ("step", C.c_void_p), ("norm", C.c_void_p)]


class Optimizer:
    def __init__(self, count, ends, groups=2, clear=True, float32=False):
        f = lambda: torch.randn(count, device="cuda")
        self.count, self.groups = count, groups
        self.master, self.moment1, self.moment2, self.gradient = f(), 0.01 * f(), 0.001 * f().abs(), f()
        self.weights = None if float32 else torch.full((count,), float("nan"), device="cuda", dtype=torch.bfloat16)
        self.ends = torch.tensor(ends, device="cuda", dtype=torch.int64)
        self.hyper = torch.tensor([1e-3, 0.9, 0.95, 1e-8, 0.1, 1 - 0.9 ** 7, 1 - 0.95 ** 7, 0.5, 1.0], device="cuda")
        self.norm_value, self.ticket = torch.full((1,), float("nan"), device="cuda"), torch.zeros(1, device="cuda", dtype=torch.int32)
        self.partials = torch.full((PROCESSORS * 4,), float("nan"), device="cuda")
        module = Module(sources("prelude", "vectors", "adamw") + ENTRIES % (groups, str(clear).lower()), ["-DMODGEN_FLOAT32=1"] if float32 else [])
        self._norm, self._update = module.kernel("gradient_norm"), module.kernel("update")
        names = ("master", "moment1", "moment2", "gradient", "weights")
        pointers = [None if getattr(self, n) is None else getattr(self, n).data_ptr() for n in names]
        self.parameters = AdamW(*pointers, count, self.ends.data_ptr(), len(ends), 1, self.hyper.data_ptr(), self.norm_value.data_ptr())

    def norm(self):
        self._norm(PROCESSORS * 4, 512, self.gradient, C.c_longlong(self.count), self.partials, self.ticket, self.norm_value, dependent=True)

    def update(self):
        self._update(-(-self.count // (1024 * self.groups)), 256, self.parameters, dependent=True)


def verify(count, ends, float32=False):
    o = Optimizer(count, ends, float32=float32)
    w, m, v, g = (t.double().clone() for t in (o.master, o.moment1, o.moment2, o.gradient))
    lr, b1, b2, eps, decay, c1, c2, scale, clip = o.hyper.double().tolist()
    o.norm()
    first = o.norm_value.clone()
    o.norm()
    check_equal("global_norm repeated", o.norm_value, first)
    check("global_norm", o.norm_value, g.norm()[None], 1e-6)
    o.update()
    g = g * scale * min(1.0, clip / (g.norm().item() * scale))
    m, v = m + (1 - b1) * (g - m), v + (1 - b2) * (g * g - v)
    run = torch.searchsorted(o.ends, torch.arange(count, device="cuda"), right=True)
    shrink = torch.where(run % 2 == 0, decay, 0.0)
    expected = w - lr * (m / c1 / ((v / c2).sqrt() + eps) + shrink * w)
    check("adamw master", o.master - w, expected - w, 2e-4)  # the change itself: float32 rounding of w limits it
    check("adamw moment1", o.moment1, m, 1e-6)
    check("adamw moment2", o.moment2, v, 1e-6)
    if not float32:
        check_equal("adamw weights", o.weights, o.master.bfloat16())
    check_equal("adamw gradient", o.gradient, torch.zeros_like(o.gradient))
    kept = o.master.clone()
    o.gradient.fill_(float("nan"))
    o.norm(), o.update()
    check_equal("adamw after a NaN gradient", o.master, kept)


def verify_small():
    verify(50_004, [20_001, 30_003, 30_004, 50_004])
    verify(4096, [4096], float32=True)


def verify_all():
    verify(1_000_004, [500_001, 700_003, 700_004, 900_000, 1_000_004])
    verify(4096, [4096], float32=True)


def run(explore):
    count = 272 * 1024 * 1024
    record = []
    for clear in (True, False):
        o = Optimizer(count, [count * (i + 1) // 129 for i in range(129)], clear=clear)
        times = race({"norm": [o.norm], "update": [o.update]}, repeats=3, rounds=5)
        record.append(report(f"adamw 285M parameters{', clearing' if clear else ''}", times["update"], (34 if clear else 30) * count))
    record.append(report("global norm 285M", times["norm"], 4 * count))
    del o
    p = torch.nn.Parameter(torch.randn(count, device="cuda"))
    p.grad = torch.randn_like(p)
    peer = torch.optim.AdamW([p], lr=1e-3, fused=True, capturable=True)
    times = race({"peer": [peer.step], "peer_norm": [lambda: torch.nn.utils.get_total_norm([p.grad])]}, repeats=2, rounds=3)
    print(f"   PyTorch fused AdamW (no bf16 copy, no zeroing) {times['peer']:.0f} us, norm {times['peer_norm']:.0f} us")
    record.append(dict(name="PyTorch fused AdamW", us=times["peer"], norm_us=times["peer_norm"]))
    return record
