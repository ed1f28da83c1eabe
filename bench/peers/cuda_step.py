"""Brings the lines of cuda_step.sh together: what was measured, the peer beside it, and the ratios that the bars are about.

usage: python3 cuda_step.py RAW.jsonl OUT.json
"""
import json
import re
import sys

# What the card reaches: bfloat16 products of 8192 cubed by cuBLAS on data, and a copy of a gigabyte (../../docs/kernels/README.md).
FLOPS, BYTES = 790e12, 3.0e12

# Bytes an element that kernels over the yardstick's rows move: what they read and write once, at full width.
MOVED = [
    (r"add_rms_norm_1024", 12), (r"rms_norm_1024", 6), (r"rms_norm_gradient_1024_add_narrow", 16), (r"rms_norm_gradient_1024_add", 14),
    (r"rms_norm_gradient_1024", 10), (r"embedding_1024", 8), (r"embedding_sums_1024", 8),
]
ROWS, WIDTH, CHUNK = 16 * 2048, 1024, 4096 * 32768


def records(path):
    for line in open(path, encoding="utf-8"):
        try:
            yield json.loads(line)
        except ValueError:
            continue


def ratio(a, b):
    return round(a / b, 3) if a and b else None


def moved(name):
    if name == "cross_entropy_32768_gradient":
        return 4 * CHUNK
    return next((each * ROWS * WIDTH for pattern, each in MOVED if re.fullmatch(pattern, name)), 0)


def roofline(launches, whole_rows):
    """Equal launches together, the costliest first, each with its share of what the card reaches where its work is known.
    whole_rows: every kernel of a name runs over all rows, as in the dense model."""
    groups = {}
    for launch in launches:
        group = groups.setdefault((launch["pass"], "clear" if launch["name"].startswith("clear of") else launch["name"], launch["blocks"]), [])
        group.append(launch)
    total = sum(launch["microseconds"] for launch in launches)
    rows = []
    for (part, name, blocks), group in groups.items():
        microseconds = sum(launch["microseconds"] for launch in group)
        flops = sum(launch["flops"] for launch in group)
        moves = sum(launch["bytes"] for launch in group) or (moved(name) * len(group) if whole_rows else 0)
        reached = flops / FLOPS if flops else moves / BYTES
        rows.append({
            "pass": part, "name": name, "times": len(group), "blocks": blocks, "microseconds": round(microseconds, 1), "share": round(microseconds / total, 4),
            "registers": group[0]["registers"], "spilledBytes": group[0]["spilled_bytes"],
            "teraflops": round(flops / microseconds / 1e6, 1) if flops else None, "terabytes": round(moves / microseconds / 1e6, 2) if moves and not flops else None,
            "ofCeiling": round(reached / microseconds * 1e6, 3) if reached else None,
        })
    return sorted(rows, key=lambda row: -row["microseconds"])


def main(raw, out):
    lines = list(records(raw))
    ours = [r for r in lines if r.get("event") == "bench" or "training" in r]
    peers = [r for r in lines if r.get("what") in ("train", "decode")]

    def mine(model, texts, forced=None):
        return next((r for r in ours if r["model"].endswith("." + model) and r["decoding"]["texts"] == texts and r["decoding_step"].get("forced_share") == forced), None)

    def train(capacity):
        return next((r["ms"] for r in peers if r["what"] == "train" and r["capacity"] == capacity), None)

    def decode(batch):
        return next((r["us"] for r in peers if r["what"] == "decode" and r["batch"] == batch), None)

    def trained(model):
        return next((r for r in ours if r["model"].endswith("." + model) and r["decoding"]["texts"] == 1), None)

    def step(model):
        r = trained(model)
        return 1e3 * r["training"]["seconds_per_step"] if r else None

    def token(model, texts, forced=None):
        r = mine(model, texts, forced)
        return 1e6 * r["decoding_step"]["seconds"] if r else None

    dense, eighth, half = step("Yardstick"), step("YardstickEighth"), step("YardstickHalf")
    flops = {m: trained(m) for m in ("Yardstick", "YardstickEighth")}
    share = None
    if all(flops.values()):
        work = {m: r["training"]["flops_per_second"] * r["training"]["seconds_per_step"] for m, r in flops.items()}
        promised = 1 - work["YardstickEighth"] / work["Yardstick"]
        share = round((1 - eighth / dense) / promised, 3)
    first = next(iter(ours), {})
    result = {
        "machine": first.get("machine"),
        "kernels": {name: next((r["kernels"] for r in ours if r["model"].endswith(".Yardstick") and test(r["kernels"])), None)
                    for name, test in (("cold", lambda k: k["cached"] == 0), ("warm", lambda k: k["cached"] == k["kernels"]))},
        "torch": next((r.get("torch") for r in peers), None),
        "training": {
            "dense": {"milliseconds": dense, "pytorchCompiled": train(1.0), "faster": ratio(train(1.0), dense)},
            "eighth": {"milliseconds": eighth, "pytorchCompiled": train(0.125), "faster": ratio(train(0.125), eighth)},
            "half": {"milliseconds": half},
            "flopSavingRealised": share,
            "memoryBytes": {m: r["training"].get("device_bytes") for m, r in flops.items() if r},
            "pytorchPeakGiB": {str(r["capacity"]): r["peak_gib"] for r in peers if r["what"] == "train"},
        },
        "decoding": {
            str(texts): {
                "denseMicroseconds": token("Yardstick", texts), "eighthMicroseconds": token("YardstickEighth", texts), "pytorchCompiled": decode(texts),
                "denseOverPytorch": ratio(token("Yardstick", texts), decode(texts)), "routedFaster": ratio(token("Yardstick", texts), token("YardstickEighth", texts)),
                "enteredShare": (mine("YardstickEighth", texts) or {}).get("decoding_step", {}).get("entered_share"),
                "anEighthEnteringMicroseconds": token("YardstickEighth", texts, 0.125),
                "anEighthEnteringFaster": ratio(token("Yardstick", texts), token("YardstickEighth", texts, 0.125)),
            } for texts in (1, 32)
        },
        "launches": {m: roofline(r["training"]["launches"], m == "Yardstick") for m, r in flops.items() if r},
    }
    with open(out, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    print(json.dumps({k: v for k, v in result.items() if k != "launches"}, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
