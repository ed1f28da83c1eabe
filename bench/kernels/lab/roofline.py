"""The two ceilings of the card at hand, measured once a process: copy bandwidth and the matrix product rate."""
import functools

import torch

from .measure import race


@functools.cache
def copy_bandwidth():
    """Bytes read plus bytes written a second of the faster of a large memory copy and an elementwise kernel."""
    count = 1 << 28
    sets = [(torch.randn(count, device="cuda"), torch.empty(count, device="cuda")) for _ in range(2)]
    times = race({"memcpy": [lambda a=a, b=b: b.copy_(a) for a, b in sets], "kernel": [lambda a=a, b=b: torch.neg(a, out=b) for a, b in sets]}, repeats=4)
    bandwidth = 8 * count / min(times.values()) * 1e6
    print(f"   copy bandwidth {bandwidth / 1e12:.2f} TB/s")
    return bandwidth


def copy_time(moved, sets=4):
    """Microseconds of an elementwise copy that reads and writes `moved` bytes in all: what a small size allows."""
    tensors = [(torch.randn(moved // 8, device="cuda"), torch.empty(moved // 8, device="cuda")) for _ in range(sets)]
    return race({"kernel": [lambda a=a, b=b: torch.neg(a, out=b) for a, b in tensors]})["kernel"]


def report(name, us, moved, peer_us=None):
    """One line and one record: time, share of copy bandwidth, and the peer's time where there is one."""
    share = moved / us * 1e6 / copy_bandwidth()
    copy_us = copy_time(moved, 8) if moved < 2e8 else None
    print(f"   {name:44}{us:>9.1f} us{moved / us / 1e6:>7.2f} TB/s{share:>7.2f} of copy" + (f", {copy_us / us:.2f} of a copy of this size" if copy_us else "") + (f"{peer_us:>10.1f} us peer" if peer_us else ""), flush=True)
    return dict(name=name, us=us, bytes=moved, share_of_copy=share, same_size_copy_us=copy_us, peer_us=peer_us)
