"""Choosing tokens on the device, against the same choice in float64, and how long it takes beyond a copy of its logits."""
import ctypes as C

import torch

from .measure import race
from .streaming import Family, entry, integers, known

ARGUMENTS = "float* logits, const int* slots, const SamplingSettings* settings, const int* counts, u32* seen, int* chosen, Rows rows"
GOLDEN, MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1
SETTINGS = {"greedy": dict(temperature=0.0), "all": dict(), "penalty": dict(repetition_penalty=1.3), "top-k": dict(top_k=50, temperature=0.8), "top-p": dict(top_p=0.9),
            "top-k and top-p": dict(top_k=50, top_p=0.9, repetition_penalty=1.1)}

EDGE = 4e-6  # of the sum of all weights


class Settings(C.Structure):
    _fields_ = [("temperature", C.c_float), ("top_k", C.c_int), ("top_p", C.c_float), ("repetition_penalty", C.c_float), ("seed", C.c_uint64), ("row", C.c_int)]


def mix(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def draw(seed, row, position):
    """CounterRandom of the CPU."""
    stream = mix(row ^ mix((position + GOLDEN & MASK) ^ mix(0xD1B54A32D192ED03)))
    return (mix(mix(seed ^ mix(stream + GOLDEN & MASK)) + GOLDEN & MASK) >> 11) * 2.0 ** -53


class Case:
    def __init__(self, rows, vocabulary, **settings):
        self.rows, self.vocabulary = rows, vocabulary
        self.settings = Settings(**{**dict(temperature=1.0, top_k=0, top_p=1.0, repetition_penalty=1.0, seed=7, row=0), **settings})
        self.family = Family("routing sampling_rows sampling_weights sampling_head sampling_search sample_tokens", [entry("sample", ARGUMENTS, f"sample_tokens<{vocabulary}>(logits, slots, settings, counts, seen, chosen, rows)", threads=512)])
        raw = b"".join(bytes(Settings.from_buffer_copy(self.settings)) for _ in range(rows))
        self.raw = torch.frombuffer(bytearray(raw), dtype=torch.uint8).cuda()
        self.logits = 3 * torch.randn(rows, vocabulary, device="cuda")
        self.slots, self.counts, self.chosen = integers(torch.arange(rows)), integers(torch.arange(rows) + 5), integers([-7] * rows)
        self.seen = integers(torch.randint(0, 1 << 31, (rows, -(-vocabulary // 32)))) & integers([0x11111111])

    def run(self, logits=None):
        self.family.sample(self.rows, self.logits if logits is None else logits, self.slots, self.raw, self.counts, self.seen, self.chosen, known(self.rows), threads=512)


def expected(case):
    """For every row the tokens that may be drawn in their order, and the first and the last place there on which the draw falls, as far as sums in float32 tell."""
    s, bits = case.settings, torch.arange(case.vocabulary, device="cuda")
    seen = (case.seen[:, bits // 32] >> (bits % 32)) & 1
    x = case.logits
    penalised = torch.where(x > 0, x / s.repetition_penalty, x * s.repetition_penalty)
    x = torch.where(seen != 0, penalised, x)
    if s.temperature == 0:
        likeliest = x.argmax(dim=1)[:, None]
        return torch.arange(case.vocabulary, device="cuda").expand_as(x), likeliest, likeliest
    weights = ((x.double() - x.max(dim=1, keepdim=True).values.double()) / s.temperature).exp()
    order = torch.arange(case.vocabulary, device="cuda").expand_as(x)
    if s.top_k or s.top_p < 1:
        order = x.sort(dim=1, descending=True, stable=True).indices
        weights = weights.gather(1, order)
        if s.top_k:
            weights[:, s.top_k:] = 0.0
        if s.top_p < 1:
            before = weights.cumsum(1) - weights
            weights[before >= s.top_p * weights.sum(1, keepdim=True)] = 0.0
    sums = weights.cumsum(1)
    at = torch.tensor([draw(s.seed, s.row, 5 + i) for i in range(case.rows)], device="cuda", dtype=torch.float64)[:, None] * sums[:, -1:]
    kept = (weights > 0).sum(1, keepdim=True)
    edge = torch.full_like(at, EDGE) * sums[:, -1:]
    if s.top_p < 1:  # the last token of the nucleus may be in or out, and the next
        edge += weights.gather(1, kept - 1)
        kept = (kept + 1).clamp(max=case.vocabulary)
    place = lambda at: torch.minimum(torch.searchsorted(sums, at.clamp(min=0), right=True), kept - 1)
    return order, place(at - edge), place(at + edge)


def verify(case):
    order, first, last = expected(case)
    case.run(case.logits.clone())
    place = (order == case.chosen[:, None]).int().argmax(dim=1, keepdim=True)
    right = (order.gather(1, place)[:, 0] == case.chosen) & ((place >= first) & (place <= last))[:, 0]
    wrong = case.rows - right.sum().item()
    if wrong != 0:
        raise AssertionError(f"{wrong} of {case.rows} tokens differ, vocabulary {case.vocabulary}, {[getattr(case.settings, n) for n, _ in Settings._fields_]}")


def verify_small():
    for settings in SETTINGS.values():
        verify(Case(3, 257, **settings))


def verify_all():
    for vocabulary in (257, 32768, 128256):
        for settings in SETTINGS.values():
            verify(Case(1000 if vocabulary < 50000 else 200, vocabulary, **settings))


def run(explore):
    record = []
    for rows, vocabulary in ((1, 32768), (32, 32768), (1, 128256)):
        for name, settings in SETTINGS.items():
            case = Case(rows, vocabulary, **settings)
            fresh = torch.empty_like(case.logits)  # a run uses its logits up; what it leaves is flat, and slow to choose from
            copy = lambda: fresh.copy_(case.logits)
            times = race({"copy": [copy], "both": [lambda: (copy(), case.run(fresh))]})
            us = times["both"] - times["copy"]
            print(f"   {rows} x {vocabulary}, {name:38}{us:>9.1f} us")
            record.append(dict(name=f"{rows} x {vocabulary}, {name}", us=us))
    return record
