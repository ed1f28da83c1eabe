"""Checks that fail on NaN, and times taken from graph replays over rotated buffers."""
import statistics

import torch


def relative_error(got, expected):
    """Relative Frobenius error in float64; NaN or infinity in the output makes it NaN."""
    g, e = got.double(), expected.double()
    return ((g - e).norm() / e.norm().clamp_min(1e-300)).item()


def check(what, got, expected, tolerance):
    error = relative_error(got, expected)
    if not error <= tolerance:  # written so that NaN fails
        raise AssertionError(f"{what}: relative error {error:.3g} is not within {tolerance:g}")
    return error


def check_equal(what, got, expected):
    if not torch.equal(got, expected):
        wrong = (got != expected).sum().item()
        raise AssertionError(f"{what}: {wrong} of {got.numel()} elements differ")


def poison(*tensors):
    for t in tensors:
        t.fill_(float("nan")) if t.is_floating_point() else t.fill_(-0x5A5A5A5A)


def _graph(calls, repeats):
    for call in calls:
        call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for i in range(repeats):
            calls[i % len(calls)]()
    return graph


def race(contestants, repeats=12, rounds=9):
    """Median microseconds a call of each contestant (name -> list of calls over rotated buffers), taken in turns."""
    graphs = {name: _graph(calls, repeats) for name, calls in contestants.items()}
    times = {name: [] for name in graphs}
    for turn in range(rounds + 1):
        for name, graph in graphs.items():
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            graph.replay()
            end.record()
            end.synchronize()
            if turn:
                times[name].append(start.elapsed_time(end) * 1e3 / repeats)
    return {name: statistics.median(t) for name, t in times.items()}


def rotations(bytes_a_set, least=160e6, most=8):
    """How many buffer sets keep repeated runs out of the 50 MB second-level cache."""
    return max(1, min(most, int(least / bytes_a_set) + 1))


def geometric_mean(values):
    product = 1.0
    for v in values:
        product *= v
    return product ** (1 / len(values))
