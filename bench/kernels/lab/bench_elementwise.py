"""Arithmetic value by value, rotary embedding and column sums, against float64 in both precisions."""
import torch

from .device import PROCESSORS
from .measure import check, race, rotations
from .roofline import report
from .streaming import Family, entry, flat, floats, integers, known, nans

HEADS, HEAD_WIDTH, CONTEXT = 6, 64, 2048


class Case:
    def __init__(self, rows, width, float32=False, heads=HEADS, head=HEAD_WIDTH, stride=512):
        self.rows, self.width, self.heads, self.head, self.stride = rows, width, heads, head, stride
        self.family = Family("elementwise", [
            entry("sum", "const float* a, const element* b, float* c, Rows rows", f"add<{width}>(a, b, c, rows)"),
            entry("sum_elements", "const element* a, const element* b, element* c, Rows rows", f"add<{width}>(a, b, c, rows)"),
            entry("cast", "const float* x, element* y, Rows rows", f"narrow<{width}>(x, y, rows)"),
            entry("silu", "const element* x, element* y, Rows rows", f"silu_fwd<{width}>(x, y, rows)"),
            entry("silu_back", "const element* x, const element* dy, element* dx, Rows rows", f"silu_bwd<{width}>(x, dy, dx, rows)"),
            entry("swiglu", "const element* x, element* y, Rows rows", f"swiglu_fwd<{width}>(x, y, rows)"),
            entry("swiglu_back", "const element* x, const element* dy, element* dx, Rows rows", f"swiglu_bwd<{width}>(x, dy, dx, rows)"),
            entry("turn", "element* x, const int* positions, const float2* table, Rows rows", f"rotary<{heads}, {head}, {stride}, false>(x, positions, table, rows)"),
            entry("turn_back", "element* x, const int* positions, const float2* table, Rows rows", f"rotary<{heads}, {head}, {stride}, true>(x, positions, table, rows)"),
            entry("sums", "const element* dy, float* partials, Rows rows", f"column_sums<{width}>(dy, partials, rows)"),
            entry("partials", "const float* partials, float* gradient, int width, int blocks, int add", "add_column_partials(partials, gradient, width, blocks, add)")], float32)
        angle = torch.outer(torch.arange(CONTEXT).double(), 10000.0 ** (-torch.arange(0, head, 2).double() / head))
        self.table = torch.stack([angle.cos(), angle.sin()], -1).float().cuda().contiguous()

    def tensors(self):
        f, rows, w = self.family, self.rows, self.width
        return dict(a=floats(rows, w), b=f.elements(rows, w), c=nans(rows, w), e=f.elements(rows, w, deviation=2.0), z=f.unwritten(rows, w), gate_up=f.elements(rows, 2 * w),
                    d_gate_up=f.unwritten(rows, 2 * w), qkv=f.elements(rows, self.stride), positions=integers(torch.randint(0, CONTEXT, (rows,))),
                    partials=nans(2 * PROCESSORS, w), gradient=floats(w))

    def calls(self):
        """Name, call on a set of tensors, bytes moved."""
        f, rows, w, all_rows, size = self.family, self.rows, self.width, known(self.rows), torch.finfo(self.family.dtype).bits // 8
        pairs, n = self.heads * self.head // 2, rows * w
        return [("sum", lambda t: f.sum(flat(rows, w), t["a"], t["b"], t["c"], all_rows), n * (8 + size)),
                ("sum_elements", lambda t: f.sum_elements(flat(rows, w), t["b"], t["e"], t["z"], all_rows), n * 3 * size),
                ("cast", lambda t: f.cast(flat(rows, w), t["a"], t["z"], all_rows), n * (4 + size)),
                ("silu", lambda t: f.silu(flat(rows, w), t["e"], t["z"], all_rows), n * 2 * size),
                ("silu_back", lambda t: f.silu_back(flat(rows, w), t["e"], t["b"], t["z"], all_rows), n * 3 * size),
                ("swiglu", lambda t: f.swiglu(flat(rows, w), t["gate_up"], t["z"], all_rows), n * 3 * size),
                ("swiglu_back", lambda t: f.swiglu_back(flat(rows, w), t["gate_up"], t["b"], t["d_gate_up"], all_rows), n * 5 * size),
                ("turn", lambda t: f.turn(flat(rows, pairs), t["qkv"], t["positions"], self.table, all_rows), rows * pairs * 4 * size),
                ("turn_back", lambda t: f.turn_back(flat(rows, pairs), t["qkv"], t["positions"], self.table, all_rows), rows * pairs * 4 * size),
                ("sums", lambda t: (f.sums(2 * PROCESSORS, t["b"], t["partials"], all_rows), f.partials(-(-w // 32), t["partials"], t["gradient"], w, 2 * PROCESSORS, 1)), n * size)]


def turned(case, t, sign):
    x = t["qkv"].double().clone()
    heads = x[:, :case.heads * case.head].view(case.rows, case.heads, case.head)
    angles = case.table.double()[t["positions"].long()][:, None]
    first, second, half = heads[..., :case.head // 2].clone(), heads[..., case.head // 2:].clone(), case.head // 2
    heads[..., :half] = first * angles[..., 0] - second * sign * angles[..., 1]
    heads[..., half:] = second * angles[..., 0] + first * sign * angles[..., 1]
    return x


def verify(case):
    t, tolerance, call = case.tensors(), case.family.tolerance(), {name: c for name, c, _ in case.calls()}
    wide = {k: v.double() for k, v in t.items()}
    g = wide["gate_up"].clone().requires_grad_()
    e = wide["e"].clone().requires_grad_()
    silu, hidden = torch.nn.functional.silu(e), torch.nn.functional.silu(g[:, :case.width]) * g[:, case.width:]
    (d_silu,), (d_gate_up,) = torch.autograd.grad(silu, e, wide["b"]), torch.autograd.grad(hidden, g, wide["b"])
    expected = dict(sum=("c", wide["a"] + wide["b"], 1e-7), sum_elements=("z", wide["b"] + wide["e"], tolerance), cast=("z", wide["a"], tolerance), silu=("z", silu.detach(), tolerance),
                    silu_back=("z", d_silu, tolerance), swiglu=("z", hidden.detach(), tolerance), swiglu_back=("d_gate_up", d_gate_up, tolerance),
                    sums=("gradient", wide["gradient"] + wide["b"].sum(0), 2e-6), turn=("qkv", turned(case, t, 1), tolerance))
    for name, (out, value, bound) in expected.items():
        if name not in ("sums", "turn"):
            t[out].fill_(float("nan"))
        call[name](t)
        check(name, t[out], value, bound)
    call["turn_back"](t)
    check("turn_back", t["qkv"], wide["qkv"], 2 * tolerance)


def verify_small():
    verify(Case(37, 1024))
    verify(Case(20, 250, False, 3, 6, 27))


def verify_all():
    for float32 in (False, True):
        verify(Case(301, 1024, float32))
        verify(Case(77, 250, float32, 3, 6, 27))
        verify(Case(1000, 33, float32, 1, 24, 28))


def run(explore):
    record, case = [], Case(32768, 1024, heads=32, stride=3072)
    sets = [case.tensors() for _ in range(rotations(case.rows * case.width * 4, most=2))]
    times = race({name: [lambda t=t, c=c: c(t) for t in sets] for name, c, _ in case.calls()})
    for name, _, moved in case.calls():
        record.append(report(f"{name} {case.rows} x {case.width}", times[name], moved))
    return record
