"""What the benches of kernels at the speed of memory share: entry points, launches and both precisions."""
import torch

from .device import Module, Rows, sources


def entry(name, arguments, call, threads=256, least=1):
    """One entry point; `least` blocks a processor keep NVRTC from aiming for an occupancy that spills."""
    return f'extern "C" __global__ void __launch_bounds__({threads}, {least}) {name}({arguments}) {{ {call}; }}\n'


def flat(rows, width=1):
    """Blocks of a kernel that takes eight values a thread."""
    return -(-rows * width // 2048)


def by_threads(rows):
    """Blocks of a kernel that takes a row a thread."""
    return -(-rows // 256)


def by_warps(rows):
    """Blocks of a kernel that takes eight rows a block."""
    return -(-rows // 8)


def known(rows):
    """A number of rows known at launch, as an argument."""
    return Rows(None, rows)


class Family:
    """Entry points over some families in one precision; kernels are called as family.name(blocks, arguments..., threads=256)."""

    def __init__(self, families, entries, float32=False):
        self.dtype, self.float32 = (torch.float32 if float32 else torch.bfloat16), float32
        self._module = Module(sources("prelude", "vectors", *families.split()) + "".join(entries), ["-DMODGEN_FLOAT32=1"] if float32 else [])
        self._kernels = {}

    def __getattr__(self, name):
        def launch(blocks, *arguments, threads=256, shared=0):
            if name not in self._kernels:
                self._kernels[name] = self._module.kernel(name, shared=shared)
            self._kernels[name](blocks, threads, *arguments, dependent=True)
        return launch

    def registers(self):
        return ", ".join(f"{name} {count}" for name, count in self._module.registers.items())

    def elements(self, *shape, deviation=1.0):
        return (deviation * torch.randn(*shape, device="cuda")).to(self.dtype)

    def unwritten(self, *shape):
        return torch.full(shape, float("nan"), device="cuda", dtype=self.dtype)

    def tolerance(self):
        """Of results that are operands."""
        return 1e-6 if self.float32 else 2.5e-3


def floats(*shape, deviation=1.0, mean=0.0):
    return mean + deviation * torch.randn(*shape, device="cuda")


def nans(*shape):
    return torch.full(shape, float("nan"), device="cuda")


def integers(values):
    return torch.as_tensor(values, device="cuda", dtype=torch.int32)


def selection(sequences, length, k):
    """(sequences, k) ascending positions."""
    return torch.rand(sequences, length, device="cuda").topk(k, dim=1).indices.sort(dim=1).values.int().contiguous()


def stream_rows(selected, length):
    """Rows of the stream that a selection means."""
    return (selected.long() + torch.arange(selected.shape[0], device="cuda")[:, None] * length).flatten()
