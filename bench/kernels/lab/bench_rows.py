"""Gathering and scattering rows, the gated return of a routed block and its gradient, against float64 in both precisions."""
import torch

from .device import Rejected
from .measure import check, check_equal, race, rotations
from .roofline import report
from .streaming import Family, by_warps, entry, floats, known, nans, selection, stream_rows


IN_PLACE = ("put_back_in_place", "scatter")


class Case:
    def __init__(self, sequences, length, k, width, float32=False, least=None):
        self.sequences, self.length, self.k, self.width, self.rows, self.compact = sequences, length, k, width, sequences * length, sequences * k
        shape = f"{width}, {length}, {k}"
        self.family = Family("rows", [entry(*texts, least=least or (4 if texts[0] in IN_PLACE and width <= 1024 else 1)) for texts in (
            ("gather", "const float* x, const int* selected, float* y, Rows rows", f"gather_rows<{shape}>(x, selected, y, rows)"),
            ("put_back", "const float* x, const int* selected, const element* f, const float* gates, float* y, Rows rows",
             f"scatter_add_scaled<{shape}, element, true, false>(x, selected, f, gates, y, rows)"),
            ("put_back_in_place", "float* x, const int* selected, const element* f, const float* gates, Rows rows",
             f"scatter_add_scaled<{shape}, element, true, true>(x, selected, f, gates, x, rows)"),
            ("scatter", "const float* y, const int* selected, float* into, Rows rows", f"scatter_add<{shape}>(y, selected, into, rows)"),
            ("back", "const float* dy, const int* selected, const element* f, const float* gates, float* df, element* narrow, float* dgates, Rows rows",
             f"gather_scale_bwd<{shape}, element, false, true>(dy, selected, f, gates, df, narrow, dgates, rows)"))], float32)

    def tensors(self):
        f, w = self.family, self.width
        return dict(x=floats(self.rows, w), selected=selection(self.sequences, self.length, self.k), f=f.elements(self.compact, w), gates=floats(self.compact),
                    y=nans(self.rows, w), compact=nans(self.compact, w), g=floats(self.compact, w), narrow=f.unwritten(self.compact, w), dgates=nans(self.compact))

    def calls(self):
        """Name, call on a set of tensors, bytes moved."""
        f, rows, few, size, w = self.family, known(self.rows), known(self.compact), torch.finfo(self.family.dtype).bits // 8, self.width
        blocks, few_blocks = by_warps(self.rows), by_warps(self.compact)
        return [("gather", lambda t: f.gather(few_blocks, t["x"], t["selected"], t["compact"], few), self.compact * w * 8),
                ("put_back", lambda t: f.put_back(blocks, t["x"], t["selected"], t["f"], t["gates"], t["y"], rows), self.rows * w * 8 + self.compact * w * size),
                ("put_back_in_place", lambda t: f.put_back_in_place(few_blocks, t["x"], t["selected"], t["f"], t["gates"], few), self.compact * w * (8 + size)),
                ("scatter", lambda t: f.scatter(few_blocks, t["g"], t["selected"], t["x"], few), self.compact * w * 12),
                ("back", lambda t: f.back(few_blocks, t["x"], t["selected"], t["f"], t["gates"], t["compact"], t["narrow"], t["dgates"], few), self.compact * w * (4 + 2 * size))]


def verify(case):
    t, call = case.tensors(), {name: c for name, c, _ in case.calls()}
    x, f, gates, at = t["x"].double(), t["f"].double(), t["gates"].double()[:, None], stream_rows(t["selected"], case.length)
    call["gather"](t)
    check_equal("gather", t["compact"], t["x"][at])
    call["put_back"](t)
    check("gated return", t["y"], x.index_add(0, at, gates * f), 1e-6)
    call["back"](t)
    check("gated return back", t["narrow"], gates * x[at], case.family.tolerance())
    check("gated return back, gates", t["dgates"], (x[at] * f).sum(1), 1e-6)
    call["put_back_in_place"](t)
    check("gated return in place", t["x"], x.index_add(0, at, gates * f), 1e-6)
    call["scatter"](t)
    check("scatter", t["x"], x.index_add(0, at, gates * f + t["g"].double()), 1e-6)


def verify_small():
    for shape in ((2, 301, 40, 1024), (2, 37, 37, 192), (2, 40, 5, 33)):
        verify(Case(*shape))


def verify_all():
    for float32 in (False, True):
        for shape in ((3, 301, 40, 1024), (2, 37, 37, 192), (5, 64, 7, 250), (2, 1500, 1100, 33), (2, 40, 5, 4096)):
            verify(Case(*shape, float32=float32))


def time(case, what=""):
    record = []
    sets = [case.tensors() for _ in range(rotations(case.compact * case.width * 8, most=3))]
    times = race({name: [lambda t=t, c=c: c(t) for t in sets] for name, c, _ in case.calls()})
    for name, _, moved in case.calls():
        record.append(report(f"{name} {case.compact} of {case.rows} x {case.width}{what}", times[name], moved))
    return record


def run(explore):
    if not explore:
        return time(Case(16, 2048, 256, 1024))
    record = []
    for least in (1, 2, 3, 4, 5):  # blocks a processor that the registers should allow
        try:
            case = Case(16, 2048, 256, 1024, least=least)
        except Rejected as reason:
            print(f"   at least {least}: {str(reason).splitlines()[0]}")
            continue
        print(f"   at least {least}: {case.family.registers()}")
        record += time(case, f", at least {least}")
    return record
