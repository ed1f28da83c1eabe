"""Gradients of the norms around a routed block, with its router's, against float64 in both precisions."""
import torch

from .device import PROCESSORS
from .measure import check, check_equal, poison, race, rotations
from .roofline import report
from .streaming import Family, entry, floats, known, nans, selection, stream_rows

WEIGHT = 30.0
BACK = "const element* dy, const float* x, const float* gain, const float* rstd, const float* residual, float* dx, element* narrow, "
ROUTER = "const float* scores, const int* selected, int entered, const float* scale, float weight, const float* w, float* partials, float* router_partials, Rows rows"
ENTERED = ("const element* dy, const float* x, const float* gain, const float* rstd, const float* residual, const int* selected, const float* gates, const float* dgates, const float* scores, "
           "const float* scale, float weight, const float* w, float* dx, element* narrow, float* partials, float* router_partials, Rows rows")


class Case:
    def __init__(self, sequences, length, k, width, float32=False):
        self.sequences, self.length, self.k, self.width, self.rows, self.compact = sequences, length, k, width, sequences * length, sequences * k
        self.family = Family("elementwise routing rms_norm rms_norm_routed", [
            entry("back", BACK + "float* partials, Rows rows", f"rms_norm_bwd<{width}, element, true, true>(dy, x, gain, rstd, residual, dx, narrow, partials, rows)"),
            entry("passing", BACK + ROUTER,
                  f"rms_norm_bwd_passing<{width}, element, true, true, {length}>(dy, x, gain, rstd, residual, dx, narrow, scores, selected, entered, scale, weight, w, partials, router_partials, rows)"),
            entry("entered", ENTERED,
                  f"rms_norm_bwd_entered<{width}, element, Gate::Sigmoid, {length}, {k}, true, true>(dy, x, gain, rstd, residual, selected, gates, dgates, scores, scale, weight, w, dx, narrow, partials, router_partials, rows)"),
            entry("sums", "const float* partials, float* gradient, int width, int blocks, int add", "add_column_partials(partials, gradient, width, blocks, add)")], float32)

    def tensors(self):
        rows, few, w, f = self.rows, self.compact, self.width, self.family
        return dict(x=floats(rows, w), dy=f.elements(rows, w), gain=floats(w, deviation=0.1, mean=1.0), rstd=floats(rows, deviation=0.1, mean=1.0), dx=floats(rows, w), narrow=f.unwritten(rows, w),
                    scores=floats(rows, deviation=3.0), selected=selection(self.sequences, self.length, self.k), scale=floats(1), w=floats(w), gathered=floats(few, w), dgathered=f.elements(few, w),
                    residual=floats(few, w), gates=torch.rand(few, device="cuda"), dgates=floats(few), partials=nans(PROCESSORS, w), router_partials=nans(PROCESSORS, w), gradient=floats(w), dw=floats(w))

    def sums(self, t, *names):
        for partials, gradient in names:
            self.family.sums(-(-self.width // 32), t[partials], t[gradient], self.width, PROCESSORS, 1)

    def back(self, t):
        self.family.back(PROCESSORS, t["dy"], t["x"], t["gain"], t["rstd"], t["dx"], t["dx"], t["narrow"], t["partials"], known(self.rows))
        self.sums(t, ("partials", "gradient"))

    def passing(self, t):
        self.family.passing(PROCESSORS, t["dy"], t["x"], t["gain"], t["rstd"], t["dx"], t["dx"], t["narrow"], t["scores"], t["selected"], self.k, t["scale"], WEIGHT, t["w"],
                            t["partials"], t["router_partials"], known(self.rows))
        self.sums(t, ("partials", "gradient"), ("router_partials", "dw"))

    def entered(self, t):
        self.family.entered(PROCESSORS, t["dgathered"], t["gathered"], t["gain"], t["rstd"], t["residual"], t["selected"], t["gates"], t["dgates"], t["scores"], t["scale"], WEIGHT, t["w"],
                            t["dx"], t["narrow"], t["partials"], t["router_partials"], known(self.compact))
        self.sums(t, ("partials", "gradient"), ("router_partials", "dw"))


def norm_back(t, dy, x, rstd):
    u, n = t[dy].double() * t["gain"].double(), t[x].double() * rstd
    return rstd * (u - n * (u * n).mean(1, keepdim=True)), (t[dy].double() * n).sum(0)


def verify(case):
    t, f = case.tensors(), case.family
    at, rstd = stream_rows(t["selected"], case.length), t["rstd"].double()[:, None]
    sigmoid, each = torch.sigmoid(t["scores"].double()), t["scale"].double() * WEIGHT / case.rows
    outside = (sigmoid * each).index_fill(0, at, 0.0)
    change, gain = norm_back(t, "dy", "x", rstd)
    start = {name: t[name].clone() for name in ("dx", "gradient", "dw")}
    outputs = []
    for _ in range(2):
        for name, value in start.items():
            t[name].copy_(value)
        poison(t["narrow"], t["partials"], t["router_partials"])
        case.passing(t)
        outputs.append([t[name].clone() for name in ("dx", "narrow", "gradient", "dw")])
    for first, second in zip(*outputs):
        check_equal("passing, repeated", second, first)
    want = start["dx"].double() + change + outside[:, None] * t["w"].double()
    check("passing", t["dx"], want, 2e-6)
    check("passing, narrow", t["narrow"], want, f.tolerance())
    check("passing, gain", t["gradient"], start["gradient"].double() + gain, 2e-6)
    check("passing, router", t["dw"], start["dw"].double() + outside @ t["x"].double(), 2e-6)

    start = {name: t[name].clone() for name in ("dx", "gradient", "dw", "narrow")}
    change, gain = norm_back(t, "dgathered", "gathered", rstd[:case.compact])
    gates = t["gates"].double()
    inside = t["dgates"].double() * gates * (1 - gates) + (sigmoid[at] - 1) * each
    case.entered(t)
    want = start["dx"].double().index_add(0, at, t["residual"].double() + change + inside[:, None] * t["w"].double())
    check("entered", t["dx"], want, 2e-6)
    check("entered, narrow", t["narrow"][at], want[at], f.tolerance())
    check("entered, gain", t["gradient"], start["gradient"].double() + gain, 2e-6)
    check("entered, router", t["dw"], start["dw"].double() + inside @ t["gathered"].double(), 2e-6)
    others = torch.ones(case.rows, device="cuda", dtype=torch.bool).index_fill(0, at, False)
    check_equal("entered, rows that passed by", t["dx"][others], start["dx"][others])
    check_equal("entered, their rounding", t["narrow"][others], start["narrow"][others])


def verify_small():
    for float32 in (False, True):
        for shape in ((2, 37, 5, 1024), (3, 21, 1, 33)):
            verify(Case(*shape, float32=float32))


def verify_all():
    for float32 in (False, True):
        for shape in ((3, 301, 40, 1024), (2, 37, 37, 192), (5, 64, 7, 250), (3, 21, 1, 33), (2, 40, 5, 4096)):
            verify(Case(*shape, float32=float32))


def run(explore):
    record, case = [], Case(16, 2048, 256, 1024)
    sets = [case.tensors() for _ in range(rotations(case.rows * case.width * 6, most=3))]
    times = race({name: [lambda t=t, c=c: c(t) for t in sets] for name, c in (("back", case.back), ("passing", case.passing), ("entered", case.entered))})
    for name, rows, bytes_an_element in (("back", case.rows, 16), ("passing", case.rows, 16), ("entered", case.compact, 20)):
        record.append(report(f"{name} {rows} x {case.width}", times[name], rows * case.width * bytes_an_element))
    return record
