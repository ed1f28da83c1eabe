"""Exact top-k with sorted positions, against a stable sort and torch.topk."""
import torch

from .device import Module, sources
from .measure import check, check_equal, poison, race

ENTRY = """extern "C" __global__ void __launch_bounds__(1024) top(const float* scores, int* selected) { top_k<%d, %d>(scores, selected); }"""


class Case:
    def __init__(self, batch, length, k):
        self.batch, self.length, self.k = batch, length, k
        self.kernel = Module(sources("prelude", "top_k") + ENTRY % (length, k)).kernel("top", shared=4 * length)

    def tensors(self, scores=None):
        scores = torch.randn(self.batch, self.length, device="cuda") if scores is None else scores
        return dict(scores=scores, selected=torch.empty(self.batch, self.k, device="cuda", dtype=torch.int32))

    def bind(self, t):
        return lambda: self.kernel(self.batch, 1024, t["scores"], t["selected"], dependent=True)


def verify(case, scores=None):
    t = case.tensors(scores)
    poison(t["selected"])
    case.bind(t)()
    s = t["scores"]
    keys = s.double().clamp_min(-1e300).masked_fill(s.isnan(), float("-inf"))  # NaN below -infinity
    order = torch.sort(keys, dim=1, descending=True, stable=True).indices
    check_equal("top_k selected", t["selected"].long(), order[:, :case.k].sort(dim=1).values)


def awkward(batch, length):
    """Ties everywhere, infinities, both zeros, denormals, negatives, NaN."""
    values = torch.tensor([0.0, -0.0, 1.0, 1.0, -1.0, float("inf"), float("-inf"), 1e-40, -1e-40, 3.5, float("nan")], device="cuda")
    yield values[torch.randint(0, 11, (batch, length), device="cuda")]
    yield torch.zeros(batch, length, device="cuda")
    yield torch.full((batch, length), float("-inf"), device="cuda")
    yield torch.randint(-3, 3, (batch, length), device="cuda").float()
    yield -torch.rand(batch, length, device="cuda")


def verify_small():
    for batch, length, k in ((3, 2048, 256), (5, 1000, 125), (2, 64, 8), (2, 300, 300)):
        case = Case(batch, length, k)
        verify(case)
        for scores in awkward(batch, length):
            verify(case, scores)


def verify_all():
    for batch, length, k in ((64, 2048, 256), (16, 32768, 4096), (3, 2048, 1), (3, 2048, 2048), (5, 1000, 125), (2, 64, 8), (7, 4096, 2048), (1, 57000, 1000)):
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
