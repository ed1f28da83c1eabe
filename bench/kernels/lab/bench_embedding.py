"""The embedding and its ordered gradient, against float64 and against PyTorch's (unordered) index_add."""
import torch

from .device import Module, sources
from .measure import check, check_equal, poison, race
from .roofline import report

ENTRIES = """
extern "C" __global__ void __launch_bounds__(256) embed(const int* tokens, const bf16* table, float* stream, int rows) { embedding_fwd<%(w)d, 256>(tokens, table, stream, rows); }
extern "C" __global__ void __launch_bounds__(1024) place(const int* tokens, int* starts, int* order, int rows) { embedding_order<%(v)d>(tokens, starts, order, rows); }
extern "C" __global__ void __launch_bounds__(%(t)d) sums(const int* tokens, const int* starts, const int* order, const float* d, float* g, float* partials, int rows) {
    embedding_chunk_sums<%(w)d>(tokens, starts, order, d, g, partials, rows);
}
extern "C" __global__ void __launch_bounds__(%(t)d) longs(const int* tokens, const int* starts, const int* order, const float* partials, float* g, int rows) {
    embedding_long_sums<%(w)d>(tokens, starts, order, partials, g, rows);
}
"""


class Case:
    def __init__(self, rows, vocabulary, width):
        self.rows, self.vocabulary, self.width = rows, vocabulary, width
        module = Module(sources("prelude", "embedding") + ENTRIES % dict(v=vocabulary, w=width, t=width // 4))
        self.embed, self.place, self.sums = module.kernel("embed"), module.kernel("place", 4 * vocabulary), module.kernel("sums")
        self.longs, self.chunks = module.kernel("longs"), -(-rows // 32)
        self.partials = torch.full((self.chunks, 2, width), float("nan"), device="cuda")
        # Text is skewed: a few tokens are everywhere.
        self.tokens = (torch.rand(rows, device="cuda") ** 4 * vocabulary).int().clamp_max(vocabulary - 1)
        self.table, self.d = torch.randn(vocabulary, width, device="cuda").bfloat16(), torch.randn(rows, width, device="cuda")
        self.stream, self.gradient = torch.empty(rows, width, device="cuda"), torch.randn(vocabulary, width, device="cuda")
        self.starts, self.order = torch.empty(vocabulary + 1, device="cuda", dtype=torch.int32), torch.empty(rows, device="cuda", dtype=torch.int32)

    def forward(self):
        self.embed(-(-self.rows * self.width // 1024), 256, self.tokens, self.table, self.stream, self.rows)

    def listing(self):
        self.place(1, 1024, self.tokens, self.starts, self.order, self.rows)

    def backward(self):
        lists = self.tokens, self.starts, self.order
        self.sums(self.chunks, self.width // 4, *lists, self.d, self.gradient, self.partials, self.rows)
        self.longs(self.chunks, self.width // 4, *lists, self.partials, self.gradient, self.rows)


def verify(case):
    poison(case.stream, case.starts, case.order)
    case.forward(), case.listing()
    check_equal("embedding", case.stream, case.table[case.tokens.long()].float())
    check_equal("embedding order", case.order.long(), torch.sort(case.tokens, stable=True).indices)
    start = case.gradient.clone()
    expected = start.double().index_add(0, case.tokens.long(), case.d.double())
    case.backward()
    check("embedding gradient", case.gradient, expected, 1e-5)
    first = case.gradient.clone()
    case.gradient.copy_(start), case.backward()
    check_equal("embedding gradient repeated", case.gradient, first)


def verify_all():
    for shape in ((1000, 256, 256), (5, 32768, 1024), (4097, 50000, 768), (4096, 3, 256), (64, 1, 128)):
        verify(Case(*shape))


def run(explore):
    record = []
    for shape in ((32768, 32768, 1024), (32768, 256, 256)):
        case = Case(*shape)
        case.listing()
        times = race({"embed": [case.forward], "list": [case.listing], "sum": [case.backward],
                      "peer": [lambda: case.gradient.index_add_(0, case.tokens, case.d)]}, repeats=6)
        used = torch.unique(case.tokens).numel()
        name = "%d rows, %d tokens, width %d" % shape
        record.append(report(f"embedding {name}", times["embed"], case.rows * case.width * 6))
        record.append(report(f"gradient {name}", times["sum"], 4 * case.width * (case.rows + 2 * used), times["peer"]))
        record.append(dict(name=f"list {name}", us=times["list"]))
        print(f"   listing {times['list']:.1f} us")
    return record
