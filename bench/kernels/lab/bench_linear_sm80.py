"""Matrix products of the portable family (mma.sync) against cuBLAS on the card at hand."""
import concurrent.futures
import functools
import os

import torch

from .device import PROCESSORS, Module, Rejected, sources
from .linear import YARDSTICK, expected, operands, peer
from .measure import check, check_equal, race, rotations

ENTRY = """
struct StoreByPairs : StoreElement {
    static constexpr bool Packs = false;
    __device__ StoreByPairs(bf16* y_, int n_) : StoreElement(y_, n_) { }
};
extern "C" __global__ void __launch_bounds__(%(threads)d, %(blocks)d) linear(const bf16* a, const bf16* b, %(type)s out, u32* turns, int rows, int add) {
    linear_sm80<LinearTile80<%(columns)d, %(flags)s, %(stages)d, %(group)d, %(threads)d%(lead)s>>(a, %(pitch_a)s, b, %(pitch_b)s, %(m)s, %(n)s, %(k)s, %(store)s, %(slices)d, turns);
}
"""


class Tile:
    """The constants of LinearTile80 and how many blocks are launched: `resident`, as many as run at once, else one a tile.
    Slices of 0 divide all steps evenly among the blocks; `lead` is the steps by which each of those that run at once is longer than the one before."""

    def __init__(self, columns=256, stages=4, group=8, threads=256, resident=True, packed=True, slices=1, lead=None):
        self.columns, self.stages, self.group, self.threads = columns, stages, group, threads
        self.resident, self.packed, self.slices, self.lead = resident, packed, slices, lead

    def __repr__(self):
        marks = ("" if self.resident else "t") + ("" if self.packed else "p") + ("" if self.slices == 1 else f"/{self.slices}" if self.slices else "e")
        return f"{self.columns}x{self.threads}s{self.stages}g{self.group}{marks}" + ("" if self.lead is None else f"l{self.lead}")

    def shared(self):
        return self.stages * (128 + self.columns) * 128 + self.threads // 32 * 2048

    def grid(self, m, n):
        resident = PROCESSORS * (256 // self.threads)
        if self.slices == 0:
            return resident
        units = -(-m // 128) * -(-n // self.columns) * self.slices
        return min(units, resident) if self.resident else units


@functools.lru_cache(maxsize=None)
def module(text):
    torch.zeros(1, device="cuda")  # the thread that compiles needs the context
    return Module(sources("prelude", "sm80", "linear_stores", "linear_sm80") + text)


def entry(kind, outputs, inputs, tile):
    m, n, k = {"forward": ("rows", outputs, inputs), "input": ("rows", inputs, outputs), "weight": (outputs, inputs, "rows")}[kind]
    flags = {"forward": "false, false", "input": "false, true", "weight": "true, true"}[kind]
    weight = kind == "weight"
    store = f"Accumulate{{out, {n}, add != 0}}" if weight else f"{'StoreElement' if tile.packed else 'StoreByPairs'}(out, {n})"
    return ENTRY % dict(type="float*" if weight else "bf16*", columns=tile.columns, stages=tile.stages, group=tile.group, threads=tile.threads,
                        lead="" if tile.lead is None else f", {tile.lead}", blocks=256 // tile.threads, flags=flags, m=m, n=n, k=k, store=store, slices=tile.slices, pitch_a=inputs if kind == "forward" else outputs, pitch_b=inputs)


def build(kind, outputs, inputs, tile):
    weight = kind == "weight"
    launch = module(entry(kind, outputs, inputs, tile)).kernel("linear", tile.shared())
    turns = torch.zeros(4096, device="cuda", dtype=torch.int32)

    def bind(a, b, out, add=False):
        m, n = (outputs, inputs) if weight else (a.shape[0], outputs if kind == "forward" else inputs)
        grid = tile.grid(m, n)
        return lambda: launch(grid, tile.threads, a, b, out, turns, a.shape[0], int(add))
    return bind


def prepare(texts):
    """Compiles on every core at once; module() then finds what it is asked for."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in [pool.submit(module, text) for text in set(texts)]:
            done.exception()  # who builds with a source that was rejected is told


def verify(kind, rows, outputs, inputs, tile):
    a, b, out = operands(kind, rows, outputs, inputs)
    bind = build(kind, outputs, inputs, tile)
    want = expected(kind, a, b, torch.arange(out.shape[0], device="cuda"))
    start = torch.randn_like(out) if kind == "weight" else torch.full_like(out, float("nan"))
    results = []
    for _ in range(2):
        out.copy_(start)
        bind(a, b, out, kind == "weight")()
        torch.cuda.synchronize()
        results.append(out.clone())
    check(f"sm80 {kind} {rows}x{outputs}x{inputs} {tile}", out, want + start.double() if kind == "weight" else want, 1e-5 if kind == "weight" else 4e-3)
    check_equal("sm80 repeated", results[1], results[0])


FOUR_WARPS = dict(columns=128, threads=128, stages=3)


def tiles(kind, name, explore):
    """What goes on record, or variants of it for choosing constants."""
    if kind != "weight":
        return [Tile()] + ([Tile(packed=False), Tile(group=4), Tile(group=16), Tile(**FOUR_WARPS)] if explore else [])
    if name == "square512":
        return [Tile(**shape, slices=slices, lead=lead) for shape in ({}, FOUR_WARPS) for slices in (6, 12) for lead in (0, None)]
    some = [Tile(slices=slices) for slices in (0, 1, 2, 3, 4)] + [Tile(**FOUR_WARPS, slices=2)]
    return some + [Tile(slices=4, lead=lead) for lead in (0, 12)] + [Tile(**FOUR_WARPS, slices=slices) for slices in (0, 3, 4)] + [Tile(**FOUR_WARPS, slices=2, lead=0)] if explore else some


def products(explore):
    """Rows, kind, name and sizes of the matrices to time."""
    names = ("qkv", "o", "up", "down") if explore else YARDSTICK
    for rows, kind in ((rows, kind) for rows in (32768, 4096) for kind in ("forward", "input", "weight")):
        for name in names:
            if name != "head" or rows != 32768:  # logits are made in chunks of tokens
                yield rows, kind, name, YARDSTICK[name]
        if explore and kind == "weight":
            yield rows, kind, "square512", (512, 512)


def verify_all():
    shapes = [(kind, rows, 768, 520, tile) for kind in ("forward", "input", "weight") for rows in (1000, 4095)
              for tile in (Tile(slices=3 if kind == "weight" else 1), Tile(128), Tile(64), Tile(**FOUR_WARPS, resident=False))]
    shapes += [("weight", rows, 776, 520, Tile(columns, slices=0)) for rows in (40, 1000, 4096) for columns in (64, 128, 256)] + [("weight", 1000, 776, 520, Tile(**FOUR_WARPS, slices=0))]
    shapes += [(kind, 77, 200, 64, Tile(columns)) for kind in ("forward", "input", "weight") for columns in (64, 128, 256)]
    verify_shapes(shapes)


def verify_shapes(shapes):
    prepare([entry(kind, outputs, inputs, tile) for kind, _, outputs, inputs, tile in shapes])
    for shape in shapes:
        verify(*shape)


def verify_small():
    kinds = ("forward", "input", "weight")
    verify_shapes([(kind, 133, 200, 136, Tile(columns)) for kind in kinds for columns in (64, 128, 256)] + [(kind, 260, 200, 136, Tile(**FOUR_WARPS)) for kind in kinds]
                  + [("weight", rows, 264, 136, Tile(128, slices=slices)) for rows, slices in ((300, 3), (300, 0), (1000, 0))])


def run(explore):
    prepare([entry(kind, *sizes, tile) for _, kind, name, sizes in products(explore) for tile in tiles(kind, name, explore)])
    record = []
    for rows, kind, name, (outputs, inputs) in products(explore):
        sets = [operands(kind, rows, outputs, inputs) for _ in range(rotations(2 * rows * (inputs + outputs), most=3))]
        contestants = {"cublas": [peer(kind, *s) for s in sets]}
        for tile in tiles(kind, name, explore):
            try:
                bind = build(kind, outputs, inputs, tile)
            except Rejected as reason:
                if not explore:
                    raise
                print(f"   {kind} {name} {tile}: {str(reason).splitlines()[0]}", flush=True)
                continue
            contestants[str(tile)] = [bind(*s) for s in sets]
        rates = {n: 2.0 * rows * outputs * inputs / t / 1e6 for n, t in race(contestants, repeats=6, rounds=5).items()}
        print(f"   {kind:8}{name:6}{rows:6} " + "  ".join(f"{n} {r:.0f}" for n, r in rates.items()), flush=True)
        record.append(dict(rows=rows, kind=kind, matrix=name, tflops=rates))
    return record
