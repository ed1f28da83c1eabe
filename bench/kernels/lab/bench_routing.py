"""Router scores and gradient, gates, routing losses, random scores and causal entering, against float64."""
import torch

from .device import PROCESSORS
from .measure import check, check_equal, poison, race
from .roofline import report
from .streaming import Family, by_threads, by_warps, entry, floats, integers, known, nans, selection, stream_rows

ROUTER_BACK = "const float* x, const float* w, const float* d, float* dx, element* narrow, float* partials, Rows rows"
SELECT = "const float* logits, const int* p, const int* s, const int* use, const int* forced, int* e, int* ep, int* es, int* active, int* flags, Rows rows"


class Case:
    def __init__(self, sequences, length, k, width):
        self.sequences, self.length, self.k, self.width, self.rows, self.compact = sequences, length, k, width, sequences * length, sequences * k
        shape = f"{length}, {k}"
        self.family = Family("elementwise routing sampling_rows", [
            entry("router", "const float* x, const float* w, float* r, Rows rows", f"router_scores<{width}>(x, w, r, rows)"),
            entry("router_back", ROUTER_BACK, f"router_bwd<{width}, false>(x, w, d, dx, nullptr, partials, rows)"),
            entry("router_back_narrow", ROUTER_BACK, f"router_bwd<{width}, true>(x, w, d, dx, narrow, partials, rows)"),
            entry("partials", "const float* p, float* g, int width, int blocks, int add", "add_column_partials(p, g, width, blocks, add)"),
            entry("gate", "const float* r, const int* selected, float* g, Rows rows", f"gates<Gate::Sigmoid, {shape}>(r, selected, g, rows)"),
            entry("gate_back", "const float* g, const float* dg, const int* selected, float* dr, Rows rows", f"gate_bwd<Gate::Sigmoid, {shape}>(g, dg, selected, dr, rows)"),
            entry("loss", "const float* r, const int* selected, float* partials, Rows rows", f"routing_loss<{shape}>(r, selected, partials, rows)"),
            entry("loss_back", "const float* r, const int* selected, const float* scale, float* dr, int rows", f"routing_loss_bwd<{shape}, true>(r, selected, scale, 0.5f, dr, rows)"),
            entry("chance", "const int* positions, float* r, const u64* draw, Rows rows", f"random_scores<{length}>(positions, r, draw, 3, 0.875f, rows)"),
            entry("enter", SELECT, "causal_select(logits, p, s, use, forced, e, ep, es, active, flags, rows)", threads=1024)])

    def tensors(self):
        rows, few, w = self.rows, self.compact, self.width
        return dict(x=floats(rows, w), w=floats(w), r=nans(rows), d=floats(rows), dx=floats(rows, w), narrow=self.family.unwritten(rows, w), partials=nans(PROCESSORS, w), gradient=floats(w),
                    logits=floats(rows, deviation=2.0), selected=selection(self.sequences, self.length, self.k), gates=nans(few), dgates=floats(few), dr=nans(rows),
                    loss=nans(1), scale=floats(1), positions=integers(torch.arange(rows) % self.length), draw=torch.tensor([81985529216486895], device="cuda"))

    def calls(self):
        f, rows, few = self.family, known(self.rows), known(self.compact)
        sums = lambda t: f.partials(-(-self.width // 32), t["partials"], t["gradient"], self.width, PROCESSORS, 1)
        back = lambda kernel, t: (kernel(PROCESSORS, t["x"], t["w"], t["d"], t["dx"], t["narrow"], t["partials"], rows), sums(t))
        return dict(router=lambda t: f.router(by_warps(self.rows), t["x"], t["w"], t["r"], rows),
                    router_back=lambda t: back(f.router_back, t), router_back_narrow=lambda t: back(f.router_back_narrow, t),
                    gate=lambda t: f.gate(by_threads(self.compact), t["logits"], t["selected"], t["gates"], few),
                    gate_back=lambda t: f.gate_back(by_threads(self.rows), t["gates"], t["dgates"], t["selected"], t["dr"], rows),
                    loss=lambda t: (f.loss(PROCESSORS, t["logits"], t["selected"], t["partials"], rows), f.partials(1, t["partials"], t["loss"], 1, PROCESSORS, 0)),
                    loss_back=lambda t: f.loss_back(by_threads(self.rows), t["logits"], t["selected"], t["scale"], t["dr"], self.rows),
                    chance=lambda t: f.chance(by_threads(self.rows), t["positions"], t["r"], t["draw"], rows))


def verify(case):
    t, call = case.tensors(), case.calls()
    x, w, d, at = t["x"].double(), t["w"].double(), t["d"].double(), stream_rows(t["selected"], case.length)
    dx, gradient, logits = t["dx"].double(), t["gradient"].double(), t["logits"].double()
    call["router"](t)
    check("router", t["r"], x @ w, 1e-6)
    call["router_back"](t)
    check("router back", t["dx"], dx + d[:, None] * w, 1e-6)
    check("router back, weight", t["gradient"], gradient + d @ x, 2e-6)
    t["dx"].copy_(dx), t["gradient"].copy_(gradient), poison(t["narrow"])
    call["router_back_narrow"](t)
    check("router back, both", t["dx"], dx + d[:, None] * w, 1e-6)
    check("router back, narrow", t["narrow"], dx + d[:, None] * w, case.family.tolerance())
    call["gate"](t)
    gate = torch.sigmoid(logits[at])
    check("gate", t["gates"], gate, 5e-7)
    call["gate_back"](t)
    back = torch.zeros_like(logits).index_add(0, at, t["dgates"].double() * gate * (1 - gate))
    check("gate back", t["dr"], back, 2e-6)
    member = torch.zeros_like(logits).index_fill(0, at, 1.0)
    call["loss"](t)
    check("routing loss", t["loss"], torch.nn.functional.binary_cross_entropy_with_logits(logits, member)[None], 1e-6)
    call["loss_back"](t)
    check("routing loss back", t["dr"], back + (torch.sigmoid(logits) - member) * t["scale"].double() * 0.5 / case.rows, 2e-6)
    call["chance"](t)
    check_equal("random scores", t["r"].cpu(), chances(81985529216486895, 3, case.sequences, case.length))
    enter(case, t)


def chances(draw, layer, sequences, length):
    """The scores of RandomRouter on the CPU."""
    mask, golden = (1 << 64) - 1, 0x9E3779B97F4A7C15

    def mix(z):
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        return z ^ (z >> 31)
    keys = [mix(mix(draw + layer * golden & mask) + s & mask) for s in range(sequences)]
    return torch.tensor([(mix(key + i * golden & mask) >> 40) * 2.0 ** -24 - 0.875 for key in keys for i in range(length)], dtype=torch.float64).float()


def enter(case, t):
    rows, unset = case.rows, lambda n: integers([-7] * n)
    sequences, forced = integers(torch.randint(0, 9, (rows,))), integers(torch.randint(0, 2, (rows,)))
    for use in (0, 1):
        entered, positions, of, active, flags = unset(rows), unset(rows), unset(rows), unset(1), unset(rows)
        case.family.enter(1, t["logits"], t["positions"], sequences, integers([use]), forced, entered, positions, of, active, flags, known(rows), threads=1024)
        member = forced != 0 if use else t["logits"] > 0
        which = member.nonzero()[:, 0]
        count = which.numel()
        check_equal("entering rows", entered[:count], which.int())
        check_equal("entering positions", positions[:count], t["positions"][which])
        check_equal("entering sequences", of[:count], sequences[which])
        check_equal("entering count", active, integers([count]))
        check_equal("entering flags", flags, member.int())


def verify_small():
    for shape in ((2, 301, 40, 1024), (2, 37, 37, 33)):
        verify(Case(*shape))


def verify_all():
    for shape in ((3, 301, 40, 1024), (2, 37, 37, 33), (2, 1500, 1100, 250), (2, 40, 5, 4096)):
        verify(Case(*shape))


def run(explore):
    record, case = [], Case(16, 2048, 256, 1024)
    sets = [case.tensors() for _ in range(2)]
    times = race({name: [lambda t=t, c=c: c(t) for t in sets] for name, c in case.calls().items()})
    for name, bytes_a_row in (("router", 4 * case.width), ("router_back", 12 * case.width), ("router_back_narrow", 14 * case.width)):
        record.append(report(f"{name} {case.rows} x {case.width}", times[name], case.rows * bytes_a_row))
    for name in ("gate", "gate_back", "loss", "loss_back", "chance"):
        print(f"   {name:44}{times[name]:>9.1f} us")
        record.append(dict(name=name, us=times[name]))
    return record
