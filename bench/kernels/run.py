"""Checks and times the kernel families on one GPU, beside their peers.

usage: python3 bench/kernels/run.py [FAMILY ...] [--explore | --check] [--out FOLDER]
Without a family: all of them. Every check failure, spill or serialisation warning makes the exit code 1. One JSON
file a family is written to FOLDER (bench/results by default).
"""
import argparse
import importlib
import json
import os
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
FAMILIES = ["linear_sm90", "linear_fused", "linear_grouped", "linear_sm80", "linear_rows", "linear_outputs", "attention_fwd", "attention_bwd", "attention", "rms_norm", "rms_norm_routed", "elementwise", "rows", "routing", "top_k", "adamw", "cross_entropy",
            "embedding", "sample_tokens", "head", "decode", "decode_persistent"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--explore", action="store_true", help="time variants instead of what goes on record, where a family has some")
    parser.add_argument("--check", action="store_true", help="check and time nothing (for compute-sanitizer)")
    parser.add_argument("--out", default=os.path.join(HERE, "..", "results"))
    options = parser.parse_args()
    unknown = [f for f in options.families if f not in FAMILIES]
    if unknown:
        parser.error(f"no family {', '.join(unknown)}; there are {', '.join(FAMILIES)}")
    failed = []
    for family in options.families or FAMILIES:
        start = time.perf_counter()
        print(f"== {family}", flush=True)
        try:
            module = importlib.import_module("lab.bench_" + family)
            if hasattr(module, "verify_all"):
                module.verify_all()
                print("   correct", flush=True)
            elif options.check:
                print("   checks while it times: left out", flush=True)
            if options.check:
                continue
            record = module.run(options.explore)
        except Exception:
            traceback.print_exc(limit=4)
            failed.append(family)
            continue
        os.makedirs(options.out, exist_ok=True)
        with open(os.path.join(options.out, f"kernels-{family}.json"), "w") as file:
            json.dump(record, file, indent=1)
            file.write("\n")
        print(f"   {time.perf_counter() - start:.1f} s", flush=True)
    if failed:
        raise SystemExit("failed: " + ", ".join(failed))


main()
