"""Cross-entropy of a chunk of logits: loss, and gradient in place, in one read and one write."""
import torch

from .measure import check, poison, race, rotations
from .roofline import report
from .streaming import Family, by_warps, entry

ARGUMENTS = "element* logits, const int* targets, float* losses, const float* scale, int rows"


class Case:
    """A block a row, or a warp a row where the vocabulary allows and `short` asks."""

    def __init__(self, rows, vocabulary, float32=False, short=False):
        self.rows, self.vocabulary, self.short, self.threads = rows, vocabulary, short, 256 if vocabulary <= 2048 else 512 if vocabulary <= 32768 else 1024
        call = f"cross_entropy_rows<{vocabulary}, true>(logits, targets, losses, scale, rows)" if short else f"cross_entropy<{vocabulary}, {self.threads}, true>(logits, targets, losses, scale)"
        self.family = Family("cross_entropy", [entry("loss", ARGUMENTS, call, threads=256 if short else self.threads, least=2 if self.threads == 512 else 1)], float32)

    def tensors(self):
        logits = self.family.elements(self.rows, self.vocabulary, deviation=3.0)
        targets = torch.randint(0, self.vocabulary, (self.rows,), device="cuda", dtype=torch.int32)
        targets[::7] = -1
        return dict(logits=logits, targets=targets, losses=torch.empty(self.rows, device="cuda"))

    def bind(self, t, scale=1e-3):
        blocks, threads, factor = by_warps(self.rows) if self.short else self.rows, 256 if self.short else self.threads, torch.tensor([scale], device="cuda")
        return lambda: self.family.loss(blocks, t["logits"], t["targets"], t["losses"], factor, self.rows, threads=threads)


def verify(case):
    t = case.tensors()
    logits = t["logits"].double().requires_grad_()
    targets = t["targets"].long().where(t["targets"] >= 0, -100)
    loss = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    (gradient,) = torch.autograd.grad(loss.sum() * 0.5, logits)
    poison(t["losses"])
    case.bind(t, 0.5)()
    check("cross_entropy loss", t["losses"], loss.detach(), 1e-6 if case.family.float32 else 1e-5)
    check("cross_entropy gradient", t["logits"], gradient, 2e-6 if case.family.float32 else 4e-3)


def verify_small():
    for rows, vocabulary in ((5, 1000), (3, 4101), (2, 32768), (2, 50257), (9, 2)):
        verify(Case(rows, vocabulary))
    verify(Case(40, 257, short=True))


def verify_all():
    for float32 in (False, True):
        for rows, vocabulary in ((301, 32768), (64, 256), (33, 50304), (33, 50257), (7, 128256), (16, 1000), (9, 2)):
            verify(Case(rows, vocabulary, float32))
        for rows, vocabulary in ((301, 256), (40, 257), (3, 1000)):
            verify(Case(rows, vocabulary, float32, short=True))


def run(explore):
    record = []
    for rows, vocabulary, short in ((4096, 32768, False), (4096, 50257, False), (1024, 128256, False), (32768, 256, False), (32768, 256, True)):
        case = Case(rows, vocabulary, short=short)
        moved = 4 * rows * vocabulary
        sets = [case.tensors() for _ in range(rotations(moved, most=4))]
        times = race({"loss": [case.bind(t) for t in sets]})
        record.append(report(f"cross-entropy {rows} x {vocabulary}{', a warp a row' if short else ''}", times["loss"], moved))
    return record
