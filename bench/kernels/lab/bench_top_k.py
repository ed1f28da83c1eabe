"""Exact top-k with sorted positions, inverse map and loss sums, against a stable sort and torch.topk."""
import ctypes as C

import torch

from .device import Module, sources
from .measure import check, check_equal, poison, race

ENTRY = """extern "C" __global__ void __launch_bounds__(1024) top(TopK p) { top_k<%d, %d, %s>(p); }"""


class TopK(C.Structure):
    _fields_ = [(n, C.c_void_p) for n in ("scores", "guesses", "selected", "slots", "losses")]


class Case:
    def __init__(self, batch, length, k, predictor=True):
        self.batch, self.length, self.k, self.predictor = batch, length, k, predictor
        module = Module(sources("prelude", "top_k") + ENTRY % (length, k, str(predictor).lower()))
        self.kernel = module.kernel("top", shared=4 * length)
        if 4 * length <= 48 * 1024:
            self.kernel = module.kernel("top", shared=4 * length)

    def tensors(self, scores=None):
        scores = torch.randn(self.batch, self.length, device="cuda") if scores is None else scores
        integers = lambda *s: torch.empty(*s, device="cuda", dtype=torch.int32)
        return dict(scores=scores, guesses=torch.randn_like(scores), selected=integers(self.batch, self.k),
                    slots=integers(self.batch, self.length), losses=torch.empty(self.batch, 2 if self.predictor else 1, device="cuda"))

    def bind(self, t):
        p = TopK(*[t[n].data_ptr() for n, _ in TopK._fields_])
        return lambda: self.kernel(self.batch, 1024, p)


def verify(case, scores=None):
    t = case.tensors(scores)
    poison(t["selected"], t["slots"], t["losses"])
    case.bind(t)()
    s = t["scores"]
    order = torch.sort(s, dim=1, descending=True, stable=True).indices[:, :case.k]
    positions = order.sort(dim=1).values
    base = torch.arange(case.batch, device="cuda")[:, None]
    check_equal("top_k selected", t["selected"].long(), positions + base * case.length)
    slots = torch.full_like(t["slots"], -1).long()
    slots.scatter_(1, positions, torch.arange(case.k, device="cuda")[None] + base * case.k)
    check_equal("top_k slots", t["slots"].long(), slots)
    member = (slots >= 0).double()
    for i, logits in enumerate([s, t["guesses"]][:2 if case.predictor else 1]):
        if torch.isfinite(logits).all():
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.double(), member, reduction="none").sum(1)
            check("top_k losses", t["losses"][:, i], loss, 1e-5)


def awkward(batch, length):
    """Ties everywhere, infinities, both zeros, denormals, negatives."""
    values = torch.tensor([0.0, -0.0, 1.0, 1.0, -1.0, float("inf"), float("-inf"), 1e-40, -1e-40, 3.5], device="cuda")
    yield values[torch.randint(0, 10, (batch, length), device="cuda")]
    yield torch.zeros(batch, length, device="cuda")
    yield torch.full((batch, length), float("-inf"), device="cuda")
    yield torch.randint(-3, 3, (batch, length), device="cuda").float()
    yield -torch.rand(batch, length, device="cuda")


def verify_all():
    for batch, length, k in ((64, 2048, 256), (16, 32768, 4096), (3, 2048, 1), (3, 2048, 2048), (5, 1000, 125), (2, 64, 8), (7, 4096, 2048)):
        case = Case(batch, length, k)
        verify(case)
        for scores in awkward(batch, length):
            verify(case, scores)


def run(explore):
    record = []
    for batch, length, k in ((16, 2048, 256), (64, 2048, 256), (16, 32768, 4096)):
        case = Case(batch, length, k)
        sets = [case.tensors() for _ in range(8)]
        times = race({"top_k": [case.bind(t) for t in sets], "peer": [lambda t=t: torch.topk(t["scores"], k, sorted=False).indices.sort() for t in sets]}, repeats=32)
        name = f"{batch} x {length}, k {k}"
        print(f"   {name:44}{times['top_k']:>9.1f} us{times['peer']:>30.1f} us peer (topk, sort)")
        record.append(dict(name=name, us=times["top_k"], peer_us=times["peer"]))
    return record
