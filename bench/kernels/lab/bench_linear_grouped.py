"""Products of experts, each with its own weights and its own rows of the batch, against one matrix product of as many rows."""
import torch

from .device import PROCESSORS, Module, sources, tensor_map
from .bench_linear_sm80 import Tile as Tile80
from .linear import FAMILIES, Tile, expected
from .linear import operands as whole_operands
from .measure import check, check_equal, race, rotations

EXPERTS, ROWS = 8, 32768
MATRICES = {"up": (2816, 1024), "down": (1024, 2816)}
KINDS = {"forward": (False, False), "input": (False, True), "weight": (True, True)}
ENTRY = """
extern "C" __global__ void __cluster_dims__(%(cluster)d, 1, 1) __launch_bounds__(%(threads)d, 1)
grouped(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, const int* starts, %(out)s) {
    %(call)s;
}
"""


ENTRY80 = """
extern "C" __global__ void __launch_bounds__(256, 1) grouped(const bf16* a, const bf16* b, const int* starts, %(out)s) {
    %(call)s;
}
"""


def build80(kind, experts, outputs, inputs, tile):
    n, k = (outputs, inputs) if kind == "forward" else (inputs, outputs)
    weight, text = kind == "weight", f"LinearTile80<{tile.columns}, {', '.join(str(x).lower() for x in KINDS[kind])}>"
    call = (f"linear_grouped_wgrad_sm80<{text}, {experts}>(a, b, starts, gradient, {outputs}, {inputs}, add != 0)" if weight
            else f"linear_grouped_sm80<{text}, {experts}>(a, {k}, b, {inputs}, starts, {n}, {k}, {outputs}, StoreElement{{y, {n}}})")
    module = Module(sources("prelude", "sm80", "linear_stores", "linear_sm80", "linear_groups", "linear_grouped_sm80")
                    + ENTRY80 % dict(out="float* gradient, int add" if weight else "bf16* y", call=call))
    launch = module.kernel("grouped", tile.shared())

    def bind(a, b, out, starts, add=False):
        return lambda: launch(PROCESSORS, 256, a, b, starts, out, *([int(add)] if weight else []))
    return bind


def build(kind, experts, outputs, inputs, tile):
    if isinstance(tile, Tile80):
        return build80(kind, experts, outputs, inputs, tile)
    n, k = (outputs, inputs) if kind == "forward" else (inputs, outputs)
    weight, text = kind == "weight", tile.text(*KINDS[kind])
    call = (f"linear_grouped_wgrad_sm90<{text}, {experts}>(a, b, starts, gradient, {outputs}, {inputs}, add != 0)" if weight
            else f"linear_grouped_sm90<{text}, {experts}>(a, b, starts, {n}, {k}, {outputs}, StoreBf16{{y}})")
    module = Module(sources(*FAMILIES, "linear_groups", "linear_grouped_sm90") + ENTRY % dict(
        cluster=tile.cluster, threads=tile.threads, out="float* gradient, int add" if weight else "const __grid_constant__ TensorMap y", call=call))
    launch, grid = module.kernel("grouped", tile.shared(store=not weight)), PROCESSORS // tile.cluster * tile.cluster

    def bind(a, b, out, starts, add=False):
        """b: the weights (experts, outputs, inputs), or the batch of the weight gradient."""
        a_mn, b_mn = KINDS[kind]
        map_a = tensor_map(a, (64, 64) if a_mn else (64, tile.rows))
        map_b = tensor_map(b.flatten(0, -2), (64, 64 // tile.cluster) if b_mn else (64, tile.columns // tile.cluster))
        if weight:
            return lambda: launch(grid, tile.threads, map_a, map_b, starts, out, int(add))
        map_y = tensor_map(out, (64, 64))
        return lambda: launch(grid, tile.threads, map_a, map_b, starts, map_y)
    return bind


def padding(kind, tile):
    """What a segment's rows are a multiple of: those of a tile, or a step of the reduction."""
    return 64 if kind == "weight" else 128 if isinstance(tile, Tile80) else tile.rows * tile.cluster


def starts_of(counts, each):
    """Where the segments of padded rows start."""
    starts = [0]
    for count in counts:
        starts.append(starts[-1] + -(-count // each) * each)
    return starts


def operands(kind, counts, outputs, inputs, each, behind=0):
    """A, B and C of the kernel; rows that pad are zero, rows behind the last segment are not numbers."""
    make = lambda *s: torch.randn(*s, device="cuda", dtype=torch.bfloat16)
    starts, experts = starts_of(counts, each), len(counts)
    rows = starts[-1] + behind

    def batch(width):
        x = make(rows, width)
        for e, count in enumerate(counts):
            x[starts[e] + count:starts[e + 1]] = 0
        x[starts[-1]:] = float("nan")
        return x
    if kind == "weight":
        return batch(outputs), batch(inputs), torch.full((experts, outputs, inputs), float("nan"), device="cuda"), starts
    return (batch(inputs if kind == "forward" else outputs), make(experts, outputs, inputs) * inputs ** -0.5,
            torch.full((rows, outputs if kind == "forward" else inputs), float("nan"), device="cuda", dtype=torch.bfloat16), starts)


def verify(kind, counts, outputs, inputs, tile):
    a, b, out, starts = operands(kind, counts, outputs, inputs, padding(kind, tile), behind=256)
    on_device = torch.tensor(starts, device="cuda", dtype=torch.int32)
    bind, what = build(kind, len(counts), outputs, inputs, tile), f"grouped {kind} {counts} x {outputs} x {inputs} {tile}"
    for add in (False, True) if kind == "weight" else (False,):
        start = torch.randn_like(out) if add else torch.full_like(out, float("nan"))
        results = []
        for _ in range(2):
            out.copy_(start)
            bind(a, b, out, on_device, add)()
            torch.cuda.synchronize()
            results.append(out.clone())
        for e, (first, last) in enumerate(zip(starts, starts[1:])):
            if kind == "weight":
                want = a[first:last].double().T @ b[first:last].double() + (start[e].double() if add else 0)
                check(f"{what}, group {e}", out[e], want, 1e-5) if last > first or add else check_equal(f"{what}, empty group {e}", out[e], torch.zeros_like(out[e]))
            elif last > first:
                some = torch.arange(first, last, device="cuda")
                check(f"{what}, group {e}", out[first:last], expected(kind, a, b[e], some), 4e-3)
        if kind != "weight" and not torch.isnan(out[starts[-1]:].float()).all():
            raise AssertionError(f"{what}: rows behind the last group were written")
        check_equal(what + ", repeated", torch.nan_to_num(results[1]), torch.nan_to_num(results[0]))


def verify_small():
    for kind in KINDS:
        for tile in tiles(kind):
            verify(kind, (0, 77, 130, 0), 264, 136, tile)


def verify_all():
    for kind in KINDS:
        for tile in tiles(kind):
            verify(kind, (300, 0, 256, 1, 1000), 768, 520, tile)
            verify(kind, (0, 77, 0), 264, 64, tile)


def tiles(kind):
    some = [Tile(256), Tile(256, cluster=1), Tile80()]
    return some + [Tile(128, stages=5, consumers=3)] if kind == "weight" else some


def peers(kind, a, b, out, starts):
    """What there is besides: a product an expert, all of them as one batch, PyTorch's own grouped product, and one product of all rows."""
    experts, weight = len(starts) - 1, kind == "weight"
    parts = [(a[x:y], b[x:y] if weight else b[e]) for e, (x, y) in enumerate(zip(starts, starts[1:]))]
    low = torch.empty(out.shape, device="cuda", dtype=torch.bfloat16)
    each = [low[e] if weight else low[x:y] for e, (x, y) in enumerate(zip(starts, starts[1:]))]
    turn = {"forward": lambda p, q: (p, q.mT), "input": lambda p, q: (p, q), "weight": lambda p, q: (p.mT, q)}[kind]

    def loop():
        for (p, q), y in zip(parts, each):
            torch.mm(*turn(p, q), out=y)
    split = lambda t: t.view(experts, -1, t.shape[-1])
    left, right = turn(split(a), split(b) if weight else b)
    all_low = low.view(experts, *((out.shape[1:]) if weight else (-1, out.shape[-1])))
    found = {"mm each": loop, "bmm": lambda: torch.bmm(left, right, out=all_low)}
    if hasattr(torch, "_grouped_mm"):
        ends = torch.tensor(starts[1:], device="cuda", dtype=torch.int32)
        grouped = lambda: torch._grouped_mm(*turn(a, b), offs=ends)
        try:
            grouped()
            found["_grouped_mm"] = grouped
        except (RuntimeError, TypeError) as error:
            print(f"   _grouped_mm {kind}: {str(error).splitlines()[0][:100]}")
    return found


def run(explore):
    record = []
    uneven = [ROWS // EXPERTS // 4 * part for part in (1, 2, 3, 4, 4, 5, 6, 7)]
    for name, (outputs, inputs) in MATRICES.items():
        for kind in KINDS:
            bound = {str(tile): build(kind, EXPERTS, outputs, inputs, tile) for tile in tiles(kind)}
            for split, counts in (("equal", [ROWS // EXPERTS] * EXPERTS), ("uneven", uneven)):
                sets = [operands(kind, counts, outputs, inputs, 256) for _ in range(2)]
                on_device = torch.tensor(sets[0][3], device="cuda", dtype=torch.int32)
                contestants = {tile: [bind(*s[:3], on_device) for s in sets] for tile, bind in bound.items()}
                for s in sets if split == "equal" else []:
                    for peer, call in peers(kind, *s).items():
                        contestants.setdefault(peer, []).append(call)
                a, b, out = whole_operands(kind, ROWS, outputs, inputs)
                whole = {"forward": lambda: torch.mm(a, b.T, out=out), "input": lambda: torch.mm(a, b, out=out), "weight": lambda: torch.mm(a.T, b)}[kind]
                contestants["one mm of all rows"] = [whole]
                rates = {n: 2.0 * ROWS * outputs * inputs / t / 1e6 for n, t in race(contestants, repeats=4, rounds=5).items()}
                print(f"   {kind:8}{name:6}{split:8}" + "  ".join(f"{n} {r:.0f}" for n, r in rates.items()), flush=True)
                record.append(dict(kind=kind, matrix=name, segments=split, tflops=rates))
    return record
