"""Matrix products with fused epilogues (rotary, SwiGLU both ways, the residual) against float64, and what each epilogue costs
over the plain bfloat16 store of the same product. Beside them what the bytes alone would take at the speed of a copy, and for the
residual the same product stored as float32, and cuBLAS's with and without a float32 matrix that it adds to."""
import ctypes
import functools
import re

import torch

from .device import PROCESSORS, Module, sources, tensor_map
from .linear import Tile, choose
from .measure import check, check_equal, race, rotations
from .roofline import copy_bandwidth

LENGTH, HEAD = 2048, 64
MAP = "const __grid_constant__ TensorMap "
# name: (kind, outputs, inputs, parameters, epilogue); n is the number of columns of the product
CASES = {
    "plain qkv": ("forward", 3072, 1024, MAP + "y", "StoreBf16{y}"),
    "rotary": ("forward", 3072, 1024, MAP + "y, const int* positions, const float2* table", "RotaryStore<64, 2048>{y, positions, table, m}"),
    "plain up": ("forward", 5632, 1024, MAP + "y", "StoreBf16{y}"),
    "swiglu": ("forward", 5632, 1024, "bf16* h, bf16* branches", "OverlappedSwiGlu{h, branches, n / 2}"),
    "plain d_h": ("input", 1024, 2816, MAP + "y", "StoreBf16{y}"),
    "swiglu gradient": ("input", 1024, 2816, "const bf16* branches, bf16* d_branches", "OverlappedSwiGluGradient{branches, d_branches, n}"),
    "plain down": ("forward", 1024, 2816, MAP + "y", "StoreBf16{y}"),
    "sum": ("forward", 1024, 2816, "const bf16* residual, bf16* y", "RowStore<AddTo<bf16, bf16>>{AddTo<bf16, bf16>{residual, y, n}, m, n}"),
    "float down": ("forward", 1024, 2816, "float* x", "RowStore<StoreFloat>{StoreFloat{x, n}, m, n}"),
    "residual": ("forward", 1024, 2816, "const float* residual, float* x", "RowStore<AddTo<float, float>>{AddTo<float, float>{residual, x, n}, m, n}"),
}
ENTRY = """
extern "C" __global__ void __cluster_dims__(%(cluster)d, 1, 1) __launch_bounds__(384, 1)
linear(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, int m, %(parameters)s) {
    constexpr int n = %(n)d;
    (void)n;
    %(call)s, %(epilogue)s);
}
"""

compiled = functools.lru_cache(maxsize=None)(Module)


class Case:
    def __init__(self, name, rows):
        self.name, self.rows = name, rows
        self.kind, outputs, inputs, parameters, epilogue = CASES[name]
        self.n, self.k = (outputs, inputs) if self.kind == "forward" else (inputs, outputs)
        tile = choose(self.kind, rows, outputs, inputs)
        overlapped = name.startswith("swiglu")
        if overlapped:  # results in shared memory take the place of a stage
            tile = Tile(256, stages=3, cluster=tile.cluster, group=2 if self.kind == "input" else 8)
        self.split = self.n // 2 if overlapped and self.kind == "forward" else 0
        text = tile.text(False, self.kind == "input")
        text = text[:-1] + f", {self.split}>" if self.split else text
        call = f"linear_overlapped_sm90<{text}>(a, b, m, n, {self.k}" if overlapped else f"linear_sm90<{text}>(a, b, m, n, {self.k}, 1"
        fields = dict(cluster=tile.cluster, parameters=parameters, n=self.n, call=call, epilogue=epilogue)
        self.module = compiled(sources("prelude", "sm90", "wgmma", "linear_stores", "linear_sm90", "linear_epilogues_sm90", "linear_fused_epilogues_sm90",
                                       "linear_overlapped_sm90", "linear_overlapped_epilogues_sm90") + ENTRY % fields)
        self.launch = self.module.kernel("linear", tile.shared(store=True) + (tile.rows * tile.columns if overlapped else 0))
        self.tile, self.grid = tile, PROCESSORS // tile.cluster * tile.cluster

    def tensors(self):
        make = lambda *s: torch.randn(*s, device="cuda").bfloat16()
        t = dict(a=make(self.rows, self.k), b=(make(self.n, self.k) if self.kind == "forward" else make(self.k, self.n)) * self.k ** -0.5, y=make(self.rows, self.n))
        if self.name == "swiglu gradient":
            t["branches"], t["y"] = make(self.rows, 2 * self.n), make(self.rows, 2 * self.n)
        elif self.name == "swiglu":
            t["branches"], t["h"] = make(self.rows, self.n), make(self.rows, self.n // 2)
        if self.name == "sum":
            t["residual"] = make(self.rows, self.n)
        elif self.name in ("residual", "float down"):
            t["residual"], t["x"] = torch.randn(self.rows, self.n, device="cuda"), torch.randn(self.rows, self.n, device="cuda")
        if self.name == "rotary":
            angle = torch.outer(torch.arange(LENGTH).double(), 10000.0 ** (-torch.arange(0, HEAD, 2).double() / HEAD))
            t["table"] = torch.stack([angle.cos(), angle.sin()], -1).float().cuda().contiguous()
            t["positions"] = torch.randint(0, LENGTH, (self.rows,), device="cuda", dtype=torch.int32)
        return t

    def bind(self, t):
        cluster = self.tile.cluster
        boxes_b = (64, 64 // cluster) if self.kind == "input" else (64, self.tile.columns // (2 if self.split else cluster))
        maps = tensor_map(t["a"], (64, 128)), tensor_map(t["b"], boxes_b)
        rest = {"rotary": ("positions", "table"), "swiglu": ("h", "branches"), "swiglu gradient": ("branches", "y"), "sum": ("residual", "y"),
                "float down": ("x",), "residual": ("residual", "x")}.get(self.name, ())
        rest = [t[name] for name in rest]
        if self.name == "rotary" or self.name.startswith("plain"):
            rest.insert(0, tensor_map(t["y"], (64, 64)))
        return lambda: self.launch(self.grid, 384, *maps, self.rows, *rest)

    def expected(self, t):
        """(what, want) of every output."""
        c = t["a"].double() @ (t["b"].double().T if self.kind == "forward" else t["b"].double())
        if self.name == "rotary":
            cos, sin = (t["table"][t["positions"].long(), None, :, i].double() for i in (0, 1))
            heads = c.view(self.rows, -1, HEAD)
            lower, upper = heads[..., :HEAD // 2], heads[..., HEAD // 2:]
            turned = torch.cat([lower * cos - upper * sin, upper * cos + lower * sin], -1)
            return [("y", torch.cat([turned[:, :2048 // HEAD], heads[:, 2048 // HEAD:]], 1).flatten(1))]
        if self.name == "swiglu gradient":
            gate, up = t["branches"].double().chunk(2, -1)
            s = gate.sigmoid()
            return [("y", torch.cat([c * up * s * (1 + gate * (1 - s)), c * gate * s], -1))]
        if self.name == "swiglu":
            gate, up = c.chunk(2, -1)
            return [("h", gate * gate.sigmoid() * up), ("branches", c)]
        if self.name in ("residual", "sum"):
            c = c + t["residual"].double()
        return [("x" if self.name in ("residual", "float down") else "y", c)]

    def bytes(self):
        """What must be read and written once: operands, what the epilogue reads, results."""
        result = {"swiglu": 3, "swiglu gradient": 8, "sum": 4, "float down": 4, "residual": 8}.get(self.name, 2)  # of an element of C
        return 2 * (self.rows * self.k + self.n * self.k) + result * self.rows * self.n + (4 * self.rows if self.name == "rotary" else 0)

    def cublas(self, t, out, beta):
        """cuBLAS's product of the same operands into `out`, bfloat16 or float32, plus what was there times beta."""
        library, handle = cublas(), torch.cuda.current_blas_handle
        kind, one, factor = 14 if out.dtype == torch.bfloat16 else 0, ctypes.c_float(1), ctypes.c_float(beta)
        sizes = self.n, self.rows, self.k

        def call():  # row-major Y = A . B^T is column-major Y^T = B . A^T
            status = library.cublasGemmEx(ctypes.c_void_p(handle()), 1, 0, *sizes, ctypes.byref(one), ctypes.c_void_p(t["b"].data_ptr()), 14, self.k,
                                          ctypes.c_void_p(t["a"].data_ptr()), 14, self.k, ctypes.byref(factor), ctypes.c_void_p(out.data_ptr()), kind, self.n, 68, -1)
            if status != 0:
                raise RuntimeError(f"cublasGemmEx failed: {status}")

        return call


@functools.lru_cache
def cublas():
    torch.cuda.current_blas_handle()  # which loads it
    with open("/proc/self/maps") as maps:
        return ctypes.CDLL(re.search(r"/\S*libcublas\.so\S*", maps.read()).group())


def verify_small():
    verify_all((130,))


def verify_all(sizes=(1000, 4096)):
    for name in CASES:
        for rows in sizes:
            case = Case(name, rows)
            t = case.tensors()
            expected = case.expected(t)
            runs = []
            for _ in range(2):
                for what, _ in expected:
                    t[what].fill_(float("nan"))
                case.bind(t)()
                runs.append([t[what].clone() for what, _ in expected])
            for first, second, (what, want) in zip(*runs, expected):
                check(f"{name} {rows}: {what}", first, want, 1e-5 if what == "x" else 4e-3)
                check_equal(f"{name} {rows}: {what}, repeated", second, first)


def verify_peers(rows=1000):
    case = Case("residual", rows)
    t = case.tensors()
    c = t["a"].double() @ t["b"].double().T
    for beta, dtype, tolerance in ((0, torch.bfloat16, 4e-3), (0, torch.float32, 1e-5), (1, torch.float32, 1e-5)):
        out = t["residual"].clone() if beta else torch.full_like(t["residual"], float("nan"), dtype=dtype)
        case.cublas(t, out, beta)()
        check(f"cuBLAS {dtype}, beta {beta}", out, c + beta * t["residual"].double(), tolerance)


def run(explore):
    verify_peers()
    bandwidth, record = copy_bandwidth(), []
    for rows in (32768, 4096):
        for plain, fused in (("plain qkv", ("rotary",)), ("plain up", ("swiglu",)),
                             ("plain d_h", ("swiglu gradient",)), ("plain down", ("sum", "float down", "residual"))):
            cases = {name: Case(name, rows) for name in (plain, *fused)}
            contestants = {}
            for name, case in cases.items():
                sets = [case.tensors() for _ in range(rotations(4 * rows * case.n, most=3))]
                contestants[name] = [case.bind(t) for t in sets]
                if name == "residual":
                    contestants |= {"cuBLAS": [case.cublas(t, t["y"], 0) for t in sets], "cuBLAS, float": [case.cublas(t, t["x"], 0) for t in sets],
                                    "cuBLAS, residual": [case.cublas(t, t["x"], 1) for t in sets]}
            times = race(contestants, repeats=6)
            for name in fused:
                moved = cases[name].bytes()
                floor = max(times[plain], moved / bandwidth * 1e6)
                entry = dict(rows=rows, epilogue=name, us=times[name], plain_us=times[plain], cost=times[name] / times[plain] - 1, bytes=moved, floor_us=floor)
                if name in ("float down", "residual"):
                    peer = "cuBLAS, float" if name == "float down" else "cuBLAS, residual"
                    entry |= dict(cublas_us=times[peer], cublas_plain_us=times["cuBLAS"], cublas_cost=times[peer] / times["cuBLAS"] - 1)
                record.append(entry)
                print(f"   {rows:6} {name:26}{times[name]:>9.1f} us, plain {times[plain]:.1f} us, cost {entry['cost']:+.1%}; {moved / 1e6:.0f} MB, floor {floor:.1f} us"
                      + (f"; cuBLAS {entry['cublas_us']:.1f} us, plain {entry['cublas_plain_us']:.1f} us, cost {entry['cublas_cost']:+.1%}" if "cublas_us" in entry else ""), flush=True)
    return record
