"""Matrix products: forward, input gradient and weight gradient against cuBLAS over the yardstick's shapes."""
import concurrent.futures
import functools
import os

import torch

from .device import PROCESSORS, Module, sources, tensor_map
from .measure import check, check_equal, race, rotations

FAMILIES = ("prelude", "sm90", "wgmma", "linear_stores", "linear_sm90", "linear_epilogues_sm90")
YARDSTICK = {"qkv": (3072, 1024), "o": (1024, 1024), "up": (5632, 1024), "down": (1024, 2816), "head": (32768, 1024)}


class Tile:
    """The constants of LinearTile, and what the host must know of them. `lead`: of AccumulateF32, steps."""

    def __init__(self, columns=256, stages=4, cluster=2, group=8, slices=None, consumers=2, lead=None):
        self.consumers, self.rows, self.threads, self.lead = consumers, 64 * consumers, 128 * (consumers + 1), lead
        self.columns, self.stages, self.cluster, self.group, self.slices = columns, stages, cluster, group, slices

    def __repr__(self):
        return f"{self.rows}x{self.columns}s{self.stages}c{self.cluster}g{self.group}" + (f"/{self.slices}" if self.slices else "") + ("" if self.lead is None else f"l{self.lead}")

    def shared(self, store):
        stage = self.rows * 128 + self.columns * 128
        return 1024 + self.stages * stage + self.consumers * (16384 if store else 8192) + 1024

    def text(self, a_mn, b_mn):
        flags = ", ".join(str(x).lower() for x in (a_mn, b_mn))
        return f"LinearTile<{self.columns}, {flags}, {self.stages}, {self.cluster}, {self.group}, {self.consumers}>"


# (rows, columns): stages, and microseconds of one 64-deep step of a wave, of handing over a tile of float32, of waiting for a turn.
TILES = {(128, 256): (4, 0.66, 4.5, 7.7), (128, 192): (4, 0.53, 4.5, 5.0), (128, 128): (6, 0.37, 4.5, 4.0), (192, 128): (5, 0.52, 5.0, 5.0)}


LEAD = 10


def pairs(m, n, tile):
    return -(-m // (tile.rows * tile.cluster)) * -(-n // tile.columns)


def estimate(m, n, k, tile, slices):
    _, step, store, turn = TILES[tile.rows, tile.columns]
    step *= 1.25 if tile.cluster == 1 and tile.columns == 128 else 1
    steps, at_once = -(-k // 64), PROCESSORS // tile.cluster
    rest = pairs(m, n, tile) % at_once if slices > 1 else pairs(m, n, tile)
    time = (pairs(m, n, tile) - rest) // at_once * (steps * step + store)
    if rest:
        waves = -(-rest * slices // at_once)
        lead = min(LEAD, steps // slices ** 2) * step if waves == 1 else 0
        time += waves * (-(-steps // slices) * step + store) + (slices - 1) * (lead / 2 + max(0, turn - lead))
    covered = -(-m // (tile.rows * tile.cluster)) * tile.rows * tile.cluster * -(-n // tile.columns) * tile.columns
    return time * (1 + covered / (m * n)) / 2


def choose(kind, rows, outputs, inputs):
    """The tile an emitter should take: for stores the widest, alone in a single wave and in pairs otherwise; for weight
    gradients whatever tile and slicing the estimate above puts first."""
    m, n, k = {"forward": (rows, outputs, inputs), "input": (rows, inputs, outputs), "weight": (outputs, inputs, rows)}[kind]
    if kind != "weight":
        alone = Tile(256, cluster=1)
        return alone if pairs(m, n, alone) <= PROCESSORS else Tile(256)
    candidates = [Tile(c, TILES[r, c][0], cluster, slices=s, consumers=r // 64) for r, c in TILES for cluster in (2, 1) for s in range(1, 7)]
    return min(candidates, key=lambda t: estimate(m, n, k, t, t.slices))


ENTRY = """
template <int Steps> struct Led : AccumulateF32 {
    static constexpr int Lead = Steps;
    using AccumulateF32::AccumulateF32;
};
extern "C" __global__ void __cluster_dims__(%(cluster)d, 1, 1) __launch_bounds__(%(threads)d, 1)
linear(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, %(out)s, int rows, int slices) {
    linear_sm90<%(tile)s>(a, b, %(m)s, %(n)s, %(k)s, slices, %(epilogue)s);
}
"""


@functools.lru_cache(maxsize=None)
def module(text, options):
    torch.zeros(1, device="cuda")  # the thread that compiles needs the context
    return Module(sources(*FAMILIES) + text, options)


def prepare(products):
    """Compiles (kind, outputs, inputs, tile, options) on every core at once; build() then finds what it is asked for."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in [pool.submit(module, text, tuple(options)) for text, options in {(entry(*p), tuple(options)) for *p, options in products}]:
            done.exception()  # who builds with a source that was rejected is told


def entry(kind, outputs, inputs, tile):
    a_mn, b_mn = {"forward": (False, False), "input": (False, True), "weight": (True, True)}[kind]
    m, n, k = {"forward": ("rows", outputs, inputs), "input": ("rows", inputs, outputs), "weight": (outputs, inputs, "rows")}[kind]
    weight = kind == "weight"
    fields = dict(threads=tile.threads, cluster=tile.cluster, tile=tile.text(a_mn, b_mn), m=m, n=n, k=k,
                  out="float* gradient, u32* turns, int add" if weight else "const __grid_constant__ TensorMap y",
                  epilogue=f"{'AccumulateF32' if tile.lead is None else f'Led<{tile.lead}>'}{{gradient, turns, {m}, {n}, add != 0}}" if weight else "StoreBf16{y}")
    return ENTRY % fields


def build(kind, outputs, inputs, tile, options=()):
    """kind: 'forward' (rows, outputs), 'input' (rows, inputs) or 'weight' (outputs, inputs)."""
    a_mn, b_mn = {"forward": (False, False), "input": (False, True), "weight": (True, True)}[kind]
    weight, made = kind == "weight", module(entry(kind, outputs, inputs, tile), tuple(options))
    launch = made.kernel("linear", tile.shared(store=not weight))
    grid = PROCESSORS // tile.cluster * tile.cluster

    def bind(a, b, out, turns=None, add=False):
        boxes_a = (64, 64) if a_mn else (64, tile.rows)
        boxes_b = (64, 64 // tile.cluster) if b_mn else (64, tile.columns // tile.cluster)
        map_a, map_b = tensor_map(a, boxes_a), tensor_map(b, boxes_b)
        rows = a.shape[0]
        if weight:
            return lambda: launch(grid, tile.threads, map_a, map_b, out, turns, int(add), rows, tile.slices or 1)
        map_y = tensor_map(out, (64, 64))
        return lambda: launch(grid, tile.threads, map_a, map_b, map_y, rows, 1)

    bind.module = made
    return bind


def operands(kind, rows, outputs, inputs):
    make = lambda *s: torch.randn(*s, device="cuda", dtype=torch.bfloat16)
    if kind == "forward":
        return make(rows, inputs), make(outputs, inputs), torch.empty(rows, outputs, device="cuda", dtype=torch.bfloat16)
    if kind == "input":
        return make(rows, outputs), make(outputs, inputs), torch.empty(rows, inputs, device="cuda", dtype=torch.bfloat16)
    return make(rows, outputs), make(rows, inputs), torch.zeros(outputs, inputs, device="cuda")


def expected(kind, a, b, some):
    """float64 result for the rows `some` of the output."""
    if kind == "forward":
        return a[some].double() @ b.double().T
    if kind == "input":
        return a[some].double() @ b.double()
    return a[:, some].double().T @ b.double()


def peer(kind, a, b, out):
    if kind == "forward":
        return lambda: torch.matmul(a, b.T, out=out)
    if kind == "input":
        return lambda: torch.matmul(a, b, out=out)
    low = torch.empty_like(out, dtype=torch.bfloat16)
    return lambda: torch.matmul(a.T, b, out=low)


def verify(kind, rows, outputs, inputs, tile, options=()):
    bind = build(kind, outputs, inputs, tile, options)
    a, b, out = operands(kind, rows, outputs, inputs)
    turns = torch.zeros(4096, device="cuda", dtype=torch.int32)
    n = out.shape[0]
    some = torch.unique(torch.cat([torch.arange(min(n, 300)), torch.arange(max(0, n - 300), n)])).cuda()
    want = expected(kind, a, b, some)
    for add in (False, True) if kind == "weight" else (False,):
        start = torch.randn_like(out) if add else torch.full_like(out, float("nan"))
        results = []
        for _ in range(2):
            out.copy_(start)
            bind(a, b, out, turns, add)()
            torch.cuda.synchronize()
            results.append(out.clone())
        what = f"{kind} {rows}x{outputs}x{inputs} {tile}{' adding' if add else ''}"
        # The tensor cores round each of a reduction's 16-deep sums towards zero.
        tolerance = max(1e-5, rows / 16 * 2 ** -24) if kind == "weight" else 4e-3
        check(what, out[some], want + start[some].double() if add else want, tolerance)
        check_equal(what + ", repeated", results[1], results[0])


def compare(kind, rows, outputs, inputs, tiles):
    """Times every tile against cuBLAS; returns a record with TFLOP/s of each."""
    size = 2 * (rows * inputs + rows * outputs + outputs * inputs)
    sets = [operands(kind, rows, outputs, inputs) for _ in range(rotations(size, most=4))]
    turns = torch.zeros(4096, device="cuda", dtype=torch.int32)
    contestants = {"cublas": [peer(kind, *s) for s in sets]}
    for tile in tiles:
        bind = build(kind, outputs, inputs, tile)
        contestants[str(tile)] = [bind(*s, turns) for s in sets]
    flops = 2.0 * rows * outputs * inputs
    times = race(contestants, repeats=8 if flops < 1e12 else 3, rounds=7)
    return {name: flops / t / 1e6 for name, t in times.items()}
