"""Matrix products of the yardstick on the Hopper family, tile by tile, against cuBLAS."""
from .linear import YARDSTICK, Tile, choose, compare, prepare, verify
from .measure import geometric_mean

KINDS, BOUNDED = ("forward", "input", "weight"), ("-DMODGEN_BOUNDED_WAITS",)


WIDE, NARROW = dict(columns=256), dict(columns=128, stages=6)
SLICED = [Tile(128, stages=5, slices=1, consumers=3), Tile(192, slices=1), Tile(192, slices=1, cluster=1), Tile(**WIDE, slices=1), Tile(**WIDE, slices=2), Tile(**WIDE, slices=3),
          Tile(**WIDE, slices=4), Tile(**NARROW, slices=1), Tile(**NARROW, slices=2)]
NARROWER = {"qkv512": (1536, 512), "o512": (512, 512), "up512": (2816, 512), "down512": (512, 1408)}


def unled(tile):
    """The same tile in slices of equal length, and in full waves as well."""
    return Tile(tile.columns, tile.stages, tile.cluster, tile.group, tile.slices, tile.consumers, lead=0)


def explore_tiles():
    """Every tile of weight gradients, and the chosen one without slices that lead one another; for choosing constants."""
    record = []
    shapes = [(rows, name, YARDSTICK[name], SLICED) for rows in (4096, 32768) for name in ("qkv", "o", "up", "down")] + [(32768, "head", YARDSTICK["head"], [Tile(**WIDE, slices=1)])]
    shapes += [(rows, name, sizes, []) for rows in (8192, 65536) for name, sizes in NARROWER.items()]
    products = []
    for rows, name, sizes, tiles in shapes:
        chosen = choose("weight", rows, *sizes)
        products.append((rows, name, sizes, [*tiles, chosen] + [unled(chosen)] * (chosen.slices > 1)))
    prepare([("weight", 768, 520, tile, BOUNDED) for tile in SLICED] + [("weight", *sizes, tile, ()) for _, _, sizes, tiles in products for tile in tiles])
    for tile in SLICED:
        verify("weight", 1000, 768, 520, tile, BOUNDED)
    for rows, name, sizes, tiles in products:
        rates = compare("weight", rows, *sizes, tiles)
        record.append(dict(rows=rows, kind="weight", matrix=name, tflops=rates))
        print(f"   weight {name:8}{rows:6} " + "  ".join(f"{t} {r:.0f}" for t, r in rates.items()), flush=True)
    return record


CHECKED = [Tile(128, slices=2, consumers=3), Tile(256), Tile(256, cluster=1), Tile(192, slices=2), Tile(128, stages=6, slices=3), Tile(128, stages=6, cluster=1)]


def verify_all():
    prepare([(kind, *sizes, tile, BOUNDED) for kind in KINDS for sizes in ((768, 512), (1024, 64)) for tile in CHECKED])
    for kind in KINDS:
        for tile in CHECKED:
            verify(kind, 1000, 768, 512, tile, BOUNDED)
            verify(kind, 4096, 1024, 64, tile, BOUNDED)
        for shape in ((32768, 3072, 1024), (4096, 1024, 1024), (4096, 5632, 1024)):
            verify(kind, *shape, choose(kind, *shape))
    verify("weight", 1000, 10000, 1024, Tile(**WIDE, slices=5), BOUNDED)  # two full waves, and slices that are more than run at once


def verify_small():
    prepare([(kind, 264, 136, tile, BOUNDED) for kind in KINDS for tile in CHECKED])
    for kind in KINDS:
        for tile in CHECKED:
            verify(kind, 200, 264, 136, tile, BOUNDED)


def run(explore):
    if explore:
        return explore_tiles()
    record, ratios = [], []
    print(f"   {'':26}{'cuBLAS':>8}{'ours':>8}{'ratio':>8}  tile")
    shapes = [(rows, kind, name, YARDSTICK[name]) for rows in (32768, 4096) for kind in KINDS for name in YARDSTICK]
    shapes += [(8192, kind, f"square{n}", (n, n)) for kind in KINDS for n in (8192,)]
    shapes += [(16384, kind, f"width{w}", (3 * w, w)) for kind in KINDS for w in (768, 2048)]
    for rows, kind, name, (outputs, inputs) in shapes:
        tile = choose(kind, rows, outputs, inputs)
        rates = compare(kind, rows, outputs, inputs, [tile])
        ratio = rates[str(tile)] / rates["cublas"]
        if name in YARDSTICK:
            ratios.append(ratio)
        record.append(dict(rows=rows, kind=kind, matrix=name, tflops=rates[str(tile)], cublas=rates["cublas"], ratio=ratio, tile=str(tile)))
        print(f"   {kind:8}{name:10}{rows:6}  {rates['cublas']:>8.0f}{rates[str(tile)]:>8.0f}{ratio:>8.3f}  {tile}", flush=True)
    print(f"   yardstick: geometric mean {geometric_mean(ratios):.3f}, worst {min(ratios):.3f}")
    return record
