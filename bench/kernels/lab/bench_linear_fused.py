"""Matrix products with fused epilogues (rotary, SwiGLU both ways, residual and routed sums) against float64, and what each
epilogue costs over the plain bfloat16 store of the same product."""
import torch

from .device import PROCESSORS, Module, sources, tensor_map
from .linear import FAMILIES, Tile, choose
from .measure import check, race, rotations

LENGTH, HEAD = 2048, 64
MAP = "const __grid_constant__ TensorMap "
# name: (kind, outputs, inputs, parameters, epilogue); n is the number of columns of the product
CASES = {
    "plain qkv": ("forward", 3072, 1024, MAP + "y", "StoreBf16{y}"),
    "rotary": ("forward", 3072, 1024, MAP + "y, const float4* table, const int* selected", "RotaryStore<64, 2048, 2048, %(routed)s>{y, table, selected, m}"),
    "plain up": ("forward", 5632, 1024, MAP + "y", "StoreBf16{y}"),
    "swiglu": ("forward", 5632, 1024, MAP + "h", "SwiGluStore<false>{h, h}"),
    "swiglu, kept": ("forward", 5632, 1024, MAP + "h, " + MAP + "branches", "SwiGluStore<true>{h, branches}"),
    "plain d_h": ("input", 1024, 2816, MAP + "y", "StoreBf16{y}"),
    "swiglu gradient": ("input", 1024, 2816, MAP + "y, " + MAP + "branches", "SwiGluGradientStore{y, branches}"),
    "plain down": ("forward", 1024, 2816, MAP + "y", "StoreBf16{y}"),
    "residual": ("forward", 1024, 2816, "float* x, const bf16* attention, bf16* added, const int* selected, const float* scores",
                 "ResidualAdd<%(gate)s, %(routed)s>{x, attention, added, selected, scores, m, n}"),
}
ENTRY = """
extern "C" __global__ void __cluster_dims__(%(cluster)d, 1, 1) __launch_bounds__(384, 1)
linear(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, int m, %(parameters)s) {
    constexpr int n = %(n)d;
    (void)n;
    linear_sm90<%(tile)s>(a, b, m, n, %(k)d, 1, %(epilogue)s);
}
"""


def interleave(gate, up):
    """Columns (or rows of a weight, on the last axis) of two branches, alternating in eights."""
    return torch.stack([gate.unflatten(-1, (-1, 8)), up.unflatten(-1, (-1, 8))], -2).flatten(-3)


def separate(both):
    x = both.unflatten(-1, (-1, 2, 8))
    return x[..., 0, :].flatten(-2), x[..., 1, :].flatten(-2)


class Case:
    def __init__(self, name, rows, routed):
        self.name, self.rows, self.routed = name, rows, routed
        self.kind, outputs, inputs, parameters, epilogue = CASES[name]
        self.n, self.k = (outputs, inputs) if self.kind == "forward" else (inputs, outputs)
        tile = choose(self.kind, rows, outputs, inputs)
        if name == "swiglu gradient":  # its scratch takes the place of a stage
            tile = Tile(256, stages=3, cluster=tile.cluster)
        gate = "Gate::Sigmoid" if routed else "Gate::None"
        fields = dict(cluster=tile.cluster, parameters=parameters, n=self.n, k=self.k, tile=tile.text(False, self.kind == "input"),
                      epilogue=epilogue % dict(routed=str(routed).lower(), gate=gate))
        self.module = Module(sources(*FAMILIES, "linear_fused_epilogues_sm90") + ENTRY % fields)
        self.launch = self.module.kernel("linear", tile.shared(store=True) + (2 * 17408 if name == "swiglu gradient" else 0))
        self.tile, self.grid = tile, PROCESSORS // tile.cluster * tile.cluster

    def tensors(self):
        make = lambda *s: torch.randn(*s, device="cuda").bfloat16()
        stream = 3 * self.rows if self.routed else self.rows
        t = dict(a=make(self.rows, self.k), b=(make(self.n, self.k) if self.kind == "forward" else make(self.k, self.n)) * self.k ** -0.5,
                 y=make(self.rows, self.n), x=torch.randn(stream, self.n, device="cuda") if self.n == 1024 else torch.empty(1, device="cuda"),
                 scores=torch.randn(stream, device="cuda"), selected=torch.randperm(stream, device="cuda")[:self.rows].sort().values.int())
        if self.name.startswith("swiglu"):
            t["branches"] = make(self.rows, 2 * self.n if self.kind == "input" else self.n)
            t["h"] = make(self.rows, self.n // 2)
            t["y"] = make(self.rows, 2 * self.n) if self.kind == "input" else t["y"]
        if self.name == "residual":
            t["attention"], t["added"] = make(self.rows, self.n), make(self.rows, self.n)
        if self.name == "rotary":
            angle = torch.outer(torch.arange(LENGTH).double(), 10000.0 ** (-torch.arange(0, HEAD, 2).double() / HEAD))
            t["table"] = torch.stack([angle.cos(), angle.sin()], -1).float().cuda().contiguous()
        return t

    def bind(self, t):
        boxes_b = (64, 64 // self.tile.cluster) if self.kind == "input" else (64, self.tile.columns // self.tile.cluster)
        maps = tensor_map(t["a"], (64, 128)), tensor_map(t["b"], boxes_b)
        store = lambda name: tensor_map(t[name], (64, 64))
        rest = {"rotary": lambda: [store("y"), t["table"], t["selected"]], "swiglu": lambda: [store("h")],
                "swiglu, kept": lambda: [store("h"), store("branches")], "swiglu gradient": lambda: [store("y"), store("branches")],
                "residual": lambda: [t["x"], t["attention"], t["added"], t["selected"], t["scores"]]}.get(self.name, lambda: [store("y")])()
        return lambda: self.launch(self.grid, 384, *maps, self.rows, *rest)

    def expected(self, t):
        """(what, got, want) of every output; call before the kernel runs for what it adds to."""
        c = t["a"].double() @ (t["b"].double().T if self.kind == "forward" else t["b"].double())
        if self.name == "rotary":
            position = (t["selected"].long() if self.routed else torch.arange(self.rows, device="cuda")) % LENGTH
            cos, sin = (t["table"][position, None, :, i].double() for i in (0, 1))
            heads = c.view(self.rows, -1, HEAD)
            lower, upper = heads[..., :HEAD // 2], heads[..., HEAD // 2:]
            turned = torch.cat([lower * cos - upper * sin, upper * cos + lower * sin], -1)
            return [("y", torch.cat([turned[:, :2048 // HEAD], heads[:, 2048 // HEAD:]], 1).flatten(1))]
        if self.name == "swiglu gradient":
            gate, up = separate(t["branches"].double())
            s = gate.sigmoid()
            return [("y", interleave(c * up * s * (1 + gate * (1 - s)), c * gate * s))]
        if self.name.startswith("swiglu"):
            gate, up = separate(c)
            return [("h", gate * gate.sigmoid() * up)] + ([("branches", c)] if "kept" in self.name else [])
        if self.name == "residual":
            f = c + t["attention"].double()
            if not self.routed:
                return [("x", t["x"].double() + f)]
            rows = t["selected"].long()
            return [("x", t["x"].double().index_add(0, rows, f * t["scores"].double().sigmoid()[rows, None])), ("added", f)]
        return [("y", c)]


def verify_all():
    for name in CASES:
        for rows, routed in ((1000, False), (1000, True), (4096, True)):
            if name == "residual" or name == "rotary" or not routed:
                case = Case(name, rows, routed)
                t = case.tensors()
                expected = case.expected(t)
                for what, _ in expected:
                    if what != "x":
                        t[what].fill_(float("nan"))
                case.bind(t)()
                for what, want in expected:
                    check(f"{name} {rows} routed {routed}: {what}", t[what], want, 1e-5 if what == "x" else 4e-3)


def run(explore):
    record = []
    for rows in (32768, 4096):
        for plain, fused in (("plain qkv", ("rotary",)), ("plain up", ("swiglu", "swiglu, kept")), ("plain d_h", ("swiglu gradient",)), ("plain down", ("residual",))):
            cases = [Case(name, rows, rows == 4096 and name in ("rotary", "residual")) for name in (plain, *fused)]
            contestants = {}
            for case in cases:
                sets = [case.tensors() for _ in range(rotations(4 * rows * case.n, most=3))]
                contestants[case.name] = [case.bind(t) for t in sets]
            times = race(contestants, repeats=6)
            for name in fused:
                cost = times[name] / times[plain] - 1
                record.append(dict(rows=rows, epilogue=name, us=times[name], plain_us=times[plain], cost=cost))
                print(f"   {rows:6} {name:18}{times[name]:>9.1f} us, plain {times[plain]:.1f} us, cost {cost:+.1%}", flush=True)
    return record
