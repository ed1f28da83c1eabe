"""The head with cross-entropy in chunks of 4096 rows: logits, loss and gradient in place, both gradient products."""
import torch

from .bench_cross_entropy import Case
from .linear import build, choose, operands
from .measure import check, race

ROWS, WIDTH, VOCABULARY, CHUNK = 32768, 1024, 32768, 4096


class Head:
    def __init__(self, rows, vocabulary, chunk):
        make = lambda *s: torch.randn(*s, device="cuda").bfloat16()
        self.rows, self.vocabulary, self.chunk = rows, vocabulary, chunk
        self.x, self.w = make(rows, WIDTH), (make(vocabulary, WIDTH) * WIDTH ** -0.5)
        self.targets = torch.randint(0, vocabulary, (rows,), device="cuda", dtype=torch.int32)
        self.losses, self.logits = torch.full((rows,), float("nan"), device="cuda"), make(chunk, vocabulary)
        self.d_x, self.d_w = make(rows, WIDTH), torch.full((vocabulary, WIDTH), float("nan"), device="cuda")
        turns, loss = torch.zeros(65536, device="cuda", dtype=torch.int32), Case(chunk, vocabulary)
        forward, inputs, weights = (build(kind, vocabulary, WIDTH, choose(kind, chunk, vocabulary, WIDTH)) for kind in ("forward", "input", "weight"))
        self.calls, self.keep = [], turns
        for at in range(0, rows, chunk):
            part = slice(at, at + chunk)
            self.calls += [forward(self.x[part], self.w, self.logits),
                           loss.bind(dict(logits=self.logits, targets=self.targets[part], losses=self.losses[part]), 1.0 / rows),
                           inputs(self.logits, self.w, self.d_x[part]), weights(self.logits, self.x[part], self.d_w, turns, add=at > 0)]

    def run(self):
        for call in self.calls:
            call()

    def extra_bytes(self):
        return 2 * self.logits.numel()


def verify_small():
    verify_all(260, 264, 130)


def verify_all(rows=512, vocabulary=1024, chunk=256):
    head = Head(rows, vocabulary, chunk)
    head.run()
    x, w = head.x.double().requires_grad_(), head.w.double().requires_grad_()
    losses = torch.nn.functional.cross_entropy(x @ w.T, head.targets.long(), reduction="none")
    d_x, d_w = torch.autograd.grad(losses.mean(), (x, w))
    check("head losses", head.losses, losses.detach(), 4e-3)
    check("head d_x", head.d_x, d_x, 1e-2)
    check("head d_w", head.d_w, d_w, 1e-2)


def run(explore):
    head = Head(ROWS, VOCABULARY, CHUNK)
    us = race({"head": [head.run]}, repeats=1, rounds=7)["head"]
    rate = 6.0 * ROWS * WIDTH * VOCABULARY / us / 1e6
    print(f"   head and cross-entropy {ROWS} x {WIDTH} x {VOCABULARY}: {us:.0f} us, {rate:.0f} TFLOP/s, {head.extra_bytes() / 1e6:.0f} MB of logits")
    return [dict(rows=ROWS, width=WIDTH, vocabulary=VOCABULARY, us=us, tflops=rate, extra_bytes=head.extra_bytes())]
