"""Matrix products of the yardstick on the Hopper family, tile by tile, against cuBLAS."""
from .linear import YARDSTICK, Tile, choose, compare, verify
from .measure import geometric_mean

KINDS = ("forward", "input", "weight")


SLICED = [Tile(256, slices=1), Tile(128, stages=6, slices=1), Tile(128, stages=6, slices=2)] + [
    Tile(128, stages=5, slices=s, consumers=3, cluster=c) for s, c in ((1, 2), (1, 1), (2, 2))]


def explore_tiles():
    """Every tile on a few telling shapes; for choosing constants, not for the record."""
    def table(tiles, shapes):
        print(f"   {'':24}{'cuBLAS':>7}" + "".join(f"{str(t):>15}" for t in tiles))
        for kind, rows, outputs, inputs in shapes:
            rates = compare(kind, rows, outputs, inputs, tiles)
            print(f"   {kind:8}{rows:6}{outputs:6}{inputs:5}" + "".join(f"{v:>{6 if k == 'cublas' else 15}.0f}" for k, v in rates.items()), flush=True)
    table(SLICED, [("weight", rows, *shape) for rows in (4096, 32768) for shape in YARDSTICK.values() if shape[0] < 32768])


CHECKED = [Tile(128, slices=2, consumers=3), Tile(256), Tile(256, cluster=1), Tile(192, slices=2), Tile(128, stages=6, slices=3), Tile(128, stages=6, cluster=1)]


def verify_all():
    for kind in KINDS:
        for tile in CHECKED:
            verify(kind, 1000, 768, 512, tile, ["-DMODGEN_BOUNDED_WAITS"])
            verify(kind, 4096, 1024, 64, tile, ["-DMODGEN_BOUNDED_WAITS"])
        for shape in ((32768, 3072, 1024), (4096, 1024, 1024)):
            verify(kind, *shape, choose(kind, *shape))


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
