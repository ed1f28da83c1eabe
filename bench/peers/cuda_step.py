"""Brings the lines of cuda_step.sh together: what was measured, the peer beside it, and the ratios that the bars are about.

usage: python3 cuda_step.py RAW.jsonl OUT.json
"""
import json
import sys


def records(path):
    for line in open(path, encoding="utf-8"):
        try:
            yield json.loads(line)
        except ValueError:
            continue


def ratio(a, b):
    return round(a / b, 3) if a and b else None


def main(raw, out):
    lines = list(records(raw))
    ours = [r for r in lines if r.get("event") == "bench" or "training" in r]
    peers = [r for r in lines if r.get("what") in ("train", "decode")]

    def mine(model, texts):
        return next((r for r in ours if r["model"].endswith("." + model) and r["decoding"]["texts"] == texts), None)

    def train(capacity):
        return next((r["ms"] for r in peers if r["what"] == "train" and r["capacity"] == capacity), None)

    def decode(batch):
        return next((r["us"] for r in peers if r["what"] == "decode" and r["batch"] == batch), None)

    def step(model):
        r = mine(model, 1)
        return 1e3 * r["training"]["seconds_per_step"] if r else None

    def token(model, texts):
        r = mine(model, texts)
        return 1e6 * r["decoding_step"]["seconds"] if r else None

    dense, eighth, half = step("Yardstick"), step("YardstickEighth"), step("YardstickHalf")
    flops = {m: mine(m, 1) for m in ("Yardstick", "YardstickEighth")}
    share = None
    if all(flops.values()):
        work = {m: r["training"]["flops_per_second"] * r["training"]["seconds_per_step"] for m, r in flops.items()}
        promised = 1 - work["YardstickEighth"] / work["Yardstick"]
        share = round((1 - eighth / dense) / promised, 3)
    first = next(iter(ours), {})
    result = {
        "machine": first.get("machine"),
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
            } for texts in (1, 32)
        },
        "launches": {m: r["training"]["launches"] for m, r in flops.items() if r},
    }
    with open(out, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    print(json.dumps({k: v for k, v in result.items() if k != "launches"}, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
