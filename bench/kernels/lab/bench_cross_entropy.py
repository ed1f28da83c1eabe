"""Cross-entropy of a chunk of logits: loss, and gradient in place, in one read and one write."""
import ctypes as C

import torch

from .device import Module, sources
from .measure import check, check_equal, poison, race, rotations
from .roofline import report

ENTRY = """extern "C" __global__ void __launch_bounds__(%(t)d) loss(CrossEntropy p) { cross_entropy<%(v)d, %(t)d, true>(p); }"""


class CrossEntropy(C.Structure):
    _fields_ = [(n, C.c_void_p) for n in ("logits", "targets", "losses")] + [("scale", C.c_float)]


class Case:
    def __init__(self, rows, vocabulary):
        self.rows, self.vocabulary = rows, vocabulary
        self.threads = max(32, min(512, -(-vocabulary // 256) * 4 // 32 * 32))
        self.kernel = Module(sources("prelude", "cross_entropy") + ENTRY % dict(v=vocabulary, t=self.threads)).kernel("loss")

    def tensors(self):
        logits = (3 * torch.randn(self.rows, self.vocabulary, device="cuda")).bfloat16()
        targets = torch.randint(0, self.vocabulary, (self.rows,), device="cuda", dtype=torch.int32)
        targets[::7] = -1
        return dict(logits=logits, targets=targets, losses=torch.empty(self.rows, device="cuda"))

    def bind(self, t, scale=1e-3):
        p = CrossEntropy(t["logits"].data_ptr(), t["targets"].data_ptr(), t["losses"].data_ptr(), scale)
        return lambda: self.kernel(self.rows, self.threads, p)


def verify(case):
    t = case.tensors()
    logits = t["logits"].double().requires_grad_()
    targets = t["targets"].long().where(t["targets"] >= 0, -100)
    loss = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    (gradient,) = torch.autograd.grad(loss.sum() * 0.5, logits)
    poison(t["losses"])
    case.bind(t, 0.5)()
    check("cross_entropy loss", t["losses"], loss.detach(), 1e-5)
    check("cross_entropy gradient", t["logits"], gradient, 4e-3)


def verify_all():
    for rows, vocabulary in ((301, 32768), (64, 256), (33, 50304), (16, 1000)):
        verify(Case(rows, vocabulary))


def run(explore):
    record = []
    for rows, vocabulary in ((4096, 32768), (32768, 256)):
        case = Case(rows, vocabulary)
        moved = 4 * rows * vocabulary
        sets = [case.tensors() for _ in range(rotations(moved, most=4))]
        times = race({"loss": [case.bind(t) for t in sets]})
        record.append(report(f"cross-entropy {rows} x {vocabulary}", times["loss"], moved))
    return record
