"""The embedding and its ordered gradient, against float64 and against PyTorch's (unordered) index_add."""
import torch

from .measure import check, check_equal, poison, race
from .roofline import report
from .streaming import Family, entry, flat, known

LISTS = "const int* tokens, const int* starts, const int* order"


class Case:
    def __init__(self, rows, vocabulary, width):
        self.rows, self.vocabulary, self.width, self.chunks = rows, vocabulary, width, -(-rows // 32)
        self.family = Family("embedding", [
            entry("embed", "const int* tokens, const float* table, float* stream, Rows rows", f"embedding_fwd<{width}>(tokens, table, stream, rows)"),
            entry("place", "const int* tokens, int* starts, int* order, int rows", f"embedding_order<{vocabulary}>(tokens, starts, order, rows)", threads=1024),
            entry("sums", LISTS + ", const float* d, float* g, float* partials, int rows", f"embedding_chunk_sums<{width}>(tokens, starts, order, d, g, partials, rows)"),
            entry("longs", LISTS + ", const float* partials, float* g, int rows", f"embedding_long_sums<{width}>(tokens, starts, order, partials, g, rows)")])
        self.partials = torch.full((self.chunks, 2, width), float("nan"), device="cuda")
        # Text is skewed: a few tokens are everywhere.
        self.tokens = (torch.rand(rows, device="cuda") ** 4 * vocabulary).int().clamp_max(vocabulary - 1)
        self.table, self.d = torch.randn(vocabulary, width, device="cuda"), torch.randn(rows, width, device="cuda")
        self.stream, self.gradient = torch.empty(rows, width, device="cuda"), torch.randn(vocabulary, width, device="cuda")
        self.starts, self.order = torch.empty(vocabulary + 1, device="cuda", dtype=torch.int32), torch.empty(rows, device="cuda", dtype=torch.int32)

    def forward(self):
        self.family.embed(flat(self.rows, self.width), self.tokens, self.table, self.stream, known(self.rows))

    def listing(self):
        ranges = -(-self.vocabulary // 256)
        self.family.place(ranges * (32 if ranges == 1 else 8 if ranges <= 8 else 1), self.tokens, self.starts, self.order, self.rows, threads=1024)

    def backward(self):
        lists = self.tokens, self.starts, self.order
        self.family.sums(self.chunks, *lists, self.d, self.gradient, self.partials, self.rows)
        self.family.longs(self.chunks, *lists, self.partials, self.gradient, self.rows)


def verify(case):
    poison(case.stream, case.starts, case.order)
    case.forward(), case.listing()
    check_equal("embedding", case.stream, case.table[case.tokens.long()])
    check_equal("embedding order", case.order.long(), torch.sort(case.tokens, stable=True).indices)
    start = case.gradient.clone()
    expected = start.double().index_add(0, case.tokens.long(), case.d.double())
    case.backward()
    check("embedding gradient", case.gradient, expected, 1e-5)
    first = case.gradient.clone()
    case.gradient.copy_(start), case.backward()
    check_equal("embedding gradient repeated", case.gradient, first)


def verify_small():
    for shape in ((1000, 256, 256), (5, 32768, 64), (333, 257, 250), (64, 1, 128), (500, 2000, 33)):
        verify(Case(*shape))


def verify_all():
    for shape in ((1000, 256, 256), (5, 32768, 1024), (4097, 50000, 768), (4096, 3, 256), (64, 1, 128), (3000, 257, 250), (500, 200000, 33)):
        verify(Case(*shape))


def run(explore):
    record = []
    for shape in ((32768, 32768, 1024), (32768, 256, 256), (65536, 256, 512)):
        case = Case(*shape)
        case.listing()
        times = race({"embed": [case.forward], "list": [case.listing], "sum": [case.backward],
                      "peer": [lambda: case.gradient.index_add_(0, case.tokens, case.d)]}, repeats=6)
        used = torch.unique(case.tokens).numel()
        name = "%d rows, %d tokens, width %d" % shape
        record.append(report(f"embedding {name}", times["embed"], case.rows * case.width * 8))
        record.append(report(f"gradient {name}", times["sum"], 4 * case.width * (case.rows + 2 * used), times["peer"]))
        record.append(dict(name=f"list {name}", us=times["list"]))
        print(f"   listing {times['list']:.1f} us")
    return record
