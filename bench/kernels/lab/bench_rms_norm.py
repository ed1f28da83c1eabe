"""RMSNorm forward (plain, of a sum, of gathered rows) and backward, against float64 and against PyTorch."""
import torch

from .device import PROCESSORS, Rejected
from .measure import check, check_equal, poison, race, rotations
from .roofline import report
from .streaming import Family, by_warps, entry, floats, known, nans, selection, stream_rows

EPSILON = 1e-5
NORM = "const float* x, const float* gain, element* y, float* rstd, Rows rows, float epsilon"
ADD = "const float* x, const element* a, const float* gain, float* sum, element* y, float* rstd, Rows rows, float epsilon"
GATHER = "const float* x, const int* selected, const float* gain, float* gathered, element* y, float* rstd, Rows rows, float epsilon"
BACK = "const element* dy, const float* x, const float* gain, const float* rstd, const float* residual, float* dx, element* narrow, float* partials, Rows rows"
BACK_CALL = "rms_norm_bwd<%d, element, %s>(dy, x, gain, rstd, residual, dx, narrow, partials, rows)"


class Case:
    def __init__(self, sequences, length, selected, width, float32=False, least=(1, 1, 4, 1)):
        self.rows, self.width, self.length, self.sequences, self.k = sequences * length, width, length, sequences, selected
        self.family = Family("elementwise rms_norm", [
            entry("norm_alone", NORM, f"rms_norm_fwd<{width}>(x, gain, y, rstd, rows, epsilon)", least=least[0]),
            entry("norm_add", ADD, f"rms_norm_add_fwd<{width}>(x, a, gain, sum, y, rstd, rows, epsilon)", least=least[1]),
            entry("norm_gather", GATHER, f"rms_norm_gather_fwd<{width}, {length}, {selected}>(x, selected, gain, gathered, y, rstd, rows, epsilon)", least=least[2]),
            entry("back", BACK, BACK_CALL % (width, "false, false")), entry("back_add", BACK, BACK_CALL % (width, "true, true"), least=least[3]),
            entry("gain", "const float* partials, float* gradient, int width, int blocks, int add", "add_column_partials(partials, gradient, width, blocks, add)")], float32)

    def tensors(self):
        rows, w, compact, f = self.rows, self.width, self.sequences * self.k, self.family
        t = dict(x=floats(rows, w), a=f.elements(rows, w), gain=floats(w, deviation=0.1, mean=1.0), sum=nans(rows, w), y=f.unwritten(rows, w), rstd=nans(rows),
                 dy=f.elements(rows, w), dx=floats(rows, w), narrow=f.unwritten(rows, w), partials=nans(PROCESSORS, w), gradient=floats(w))
        t.update(selected=selection(self.sequences, self.length, self.k), gathered=nans(compact, w), y_compact=f.unwritten(compact, w), rstd_compact=nans(compact))
        return t

    def forward(self, t):
        self.family.norm_alone(by_warps(self.rows), t["x"], t["gain"], t["y"], t["rstd"], known(self.rows), EPSILON)

    def forward_add(self, t):
        self.family.norm_add(by_warps(self.rows), t["x"], t["a"], t["gain"], t["sum"], t["y"], t["rstd"], known(self.rows), EPSILON)

    def forward_gather(self, t):
        rows = self.sequences * self.k
        self.family.norm_gather(by_warps(rows), t["x"], t["selected"], t["gain"], t["gathered"], t["y_compact"], t["rstd_compact"], known(rows), EPSILON)

    def backward(self, t, name="back_add", rows=None):
        rows = rows or self.rows
        getattr(self.family, name)(PROCESSORS, t["dy"], t["x"], t["gain"], t["rstd"], t["dx"], t["dx"], t["narrow"], t["partials"], known(rows))
        self.family.gain(-(-self.width // 32), t["partials"], t["gradient"], self.width, PROCESSORS, 1)


def normed(x, gain):
    inverse = (x.square().mean(1, keepdim=True) + EPSILON).rsqrt()
    return x * inverse * gain.double(), inverse


def verify(case):
    t, tolerance = case.tensors(), case.family.tolerance()
    case.forward(t)
    x, gain = t["x"].double(), t["gain"].double()
    y, inverse = normed(x, gain)
    check("norm", t["y"], y, tolerance)
    check("norm rstd", t["rstd"], inverse[:, 0], 1e-6)
    dy = t["dy"].double()
    n = x * inverse
    dx = inverse * (dy * gain - n * (dy * gain * n).mean(1, keepdim=True))
    residual, start, gain_before = t["dx"].double(), (t["dx"].clone(), t["gradient"].clone()), t["gradient"].double()
    outputs = []
    for _ in range(2):
        t["dx"].copy_(start[0]), t["gradient"].copy_(start[1]), poison(t["partials"], t["narrow"])
        case.backward(t)
        outputs.append((t["dx"].clone(), t["gradient"].clone()))
    check_equal("norm back repeated", outputs[1][0], outputs[0][0])
    check_equal("norm back gain repeated", outputs[1][1], outputs[0][1])
    check("norm back, added", t["dx"], residual + dx, 1e-6)
    check("norm back, narrow", t["narrow"], residual + dx, tolerance)
    check("norm back, gain", t["gradient"], gain_before + (dy * n).sum(0), 2e-6)
    poison(t["dx"])
    case.backward(t, "back")
    check("norm back", t["dx"], dx, 2e-6)
    poison(t["y"], t["rstd"])
    case.forward_add(t)
    y, _ = normed(x + t["a"].double(), gain)
    check("norm of sum", t["y"], y, tolerance)
    check("norm of sum, sum", t["sum"], x + t["a"].double(), 1e-7)
    case.forward_gather(t)
    rows = x[stream_rows(t["selected"], case.length)]
    y, inverse = normed(rows, gain)
    check_equal("norm of gathered, rows", t["gathered"], rows.float())
    check("norm of gathered", t["y_compact"], y, tolerance)
    check("norm of gathered, rstd", t["rstd_compact"], inverse[:, 0], 1e-6)


def verify_small():
    for shape in ((2, 37, 9, 1024), (2, 37, 37, 192), (3, 21, 1, 33)):
        verify(Case(*shape))


def verify_all():
    for float32 in (False, True):
        for shape in ((3, 301, 40, 1024), (2, 37, 37, 192), (5, 64, 7, 250), (3, 21, 1, 33), (2, 40, 5, 4096)):
            verify(Case(*shape, float32=float32, least=(1, 1, 4 if shape[3] <= 1024 else 1, 1)))


def variants():
    """How many blocks a processor the registers should allow."""
    record = []
    for least in (1, 2, 3, 4, 5):
        try:
            case = Case(16, 2048, 256, 1024, least=(least, least, least, 1))
        except Rejected as reason:
            print(f"   at least {least}: {str(reason).splitlines()[0]}")
            continue
        print(f"   at least {least}: {case.family.registers()}")
        record += time(case, f", at least {least}", least == 1)
    return record


def run(explore):
    if explore:
        return variants()
    record, small = time(Case(16, 2048, 256, 1024)), Case(8, 1, 1, 1024)
    sets = [small.tensors() for _ in range(4)]
    us = race({"norm": [lambda t=t: small.forward(t) for t in sets]})["norm"]
    print(f"   norm of 8 rows {us:.2f} us")
    return record + [dict(name="norm of 8 rows", us=us)]


def time(case, what="", backward=True):
    record = []
    rows, width, compact = case.rows, case.width, case.sequences * case.k
    sets = [case.tensors() for _ in range(rotations(compact * width * 10, most=4))]
    each = lambda call: [lambda t=t: call(t) for t in sets]
    calls = {"norm": (case.forward, 6 * rows), "of a sum": (case.forward_add, 12 * rows), "of gathered rows": (case.forward_gather, 10 * compact)}
    if backward:
        calls |= {"backward": (case.backward, 16 * rows), "backward, gathered": (lambda t: case.backward(t, rows=compact), 16 * compact)}
    times = race({name: each(call) for name, (call, _) in calls.items()} | {"peer": each(lambda t: torch.nn.functional.rms_norm(t["x"], (width,), t["gain"], EPSILON))})
    for name, (_, moved) in calls.items():
        record.append(report(f"{name}, {rows if moved > 16 * compact else compact} x {width}{what}", times[name], moved * width, times["peer"] if name == "norm" else None))
    return record
