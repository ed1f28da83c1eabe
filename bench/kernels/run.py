"""Checks and times the kernel families on one GPU, beside their peers.

usage: python3 bench/kernels/run.py [FAMILY ...] [--explore | --check | --small | --list] [--out FOLDER]
Without a family: all of them. Every check failure, spill or serialisation warning makes the exit code 1, as does a source that
takes the compiler more than 1.5 s. One JSON file a family is written to FOLDER (bench/results by default): machine, commit and rows. MODGEN_COMMIT
names the commit where the tree was brought without its history.
"""
import argparse
import importlib
import json
import os
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
FAMILIES = ["linear_sm90", "linear_fused", "linear_grouped", "linear_sm80", "linear_rows", "linear_outputs", "attention_fwd", "attention_bwd", "attention", "rms_norm", "rms_norm_routed", "elementwise", "rows", "routing", "top_k", "adamw", "cross_entropy",
            "embedding", "sample_tokens", "head", "decode", "decode_persistent"]
LONGEST_COMPILATION = 1.5  # seconds


def commit():
    git = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty", "--abbrev=40"], capture_output=True, text=True, check=False)
    return os.environ.get("MODGEN_COMMIT") or git.stdout.strip() or None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--explore", action="store_true", help="time variants instead of what goes on record, where a family has some")
    parser.add_argument("--check", action="store_true", help="check and time nothing")
    parser.add_argument("--small", action="store_true", help="check a few small odd sizes and time nothing (for eng/sanitize-kernels.sh)")
    parser.add_argument("--list", action="store_true", help="print the families and do nothing")
    parser.add_argument("--out", default=os.path.join(HERE, "..", "results"))
    options = parser.parse_args()
    if options.list:
        print("\n".join(FAMILIES))
        return
    unknown = [f for f in options.families if f not in FAMILIES]
    if unknown:
        parser.error(f"no family {', '.join(unknown)}; there are {', '.join(FAMILIES)}")
    failed = []
    for family in options.families or FAMILIES:
        start = time.perf_counter()
        print(f"== {family}", flush=True)
        try:
            module = importlib.import_module("lab.bench_" + family)
            compilations = importlib.import_module("lab.device").compilations
            compilations.clear()
            (module.verify_small if options.small or options.explore else module.verify_all)()
            print("   correct", flush=True)
            record = None if options.check or options.small else module.run(options.explore)
            longest = max(compilations)
            print(f"   {len(compilations)} sources, the longest compiled in {longest:.2f} s", flush=True)
            if not (longest <= LONGEST_COMPILATION or options.small or options.explore):  # a checker slows the compiler down too
                raise AssertionError(f"a source took {longest:.2f} s to compile, more than {LONGEST_COMPILATION}")
            if record is None:
                continue
            machine = importlib.import_module("lab.device").machine()
            record = dict(machine=machine, commit=commit(), compilation=dict(sources=len(compilations), longest_seconds=longest), rows=record)
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
