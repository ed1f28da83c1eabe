"""Fills docs/kernels/yardstick.md from what cuda_step.py brought together: the part between each pair of marks.

usage: python3 cuda_step_page.py [RESULT.json]
"""
import json
import pathlib
import re
import sys

HOUSE = pathlib.Path(__file__).resolve().parents[2]
PAGE = HOUSE / "docs/kernels/yardstick.md"
LEAST = 0.002  # share of a step below which a launch is left out


def percent(share):
    return "" if share is None else f"{100 * share:.0f} %"


def summary(result):
    training, decoding = result["training"], result["decoding"]
    dense, eighth, half = training["dense"], training["eighth"], training["half"]
    peaks = {float(k): v for k, v in training["pytorchPeakGiB"].items()}
    memory = {k: v / 2**30 for k, v in training["memoryBytes"].items()}
    rows = [
        ("", "ModGen", "PyTorch", ""),
        ("---", "---:", "---:", "---"),
        ("training step, dense", f"{dense['milliseconds']:.1f} ms", f"{dense['pytorchCompiled']:.1f} ms", f"{dense['faster']:.2f} × as fast"),
        ("training step, every other block at 12.5 %", f"{eighth['milliseconds']:.1f} ms", f"{eighth['pytorchCompiled']:.1f} ms",
         f"{eighth['faster']:.2f} ×; {percent(training['flopSavingRealised'])} of the saved FLOPs are saved time"),
    ]
    if half["milliseconds"]:
        rows.append(("training step, every other block at 50 %", f"{half['milliseconds']:.1f} ms", "", ""))
    rows += [
        ("memory, dense", f"{memory['Yardstick']:.1f} GiB", f"{peaks[1.0]:.1f} GiB", ""),
        ("memory, 12.5 %", f"{memory['YardstickEighth']:.1f} GiB", f"{peaks[0.125]:.1f} GiB", ""),
    ]
    for texts, name in (("1", "one text"), ("32", "32 texts")):
        d = decoding[texts]
        rows.append((f"decoding step at 1024, {name}", f"{d['denseMicroseconds']:.0f} µs", f"{d['pytorchCompiled']:.0f} µs" if d["pytorchCompiled"] else "",
                     f"{d['denseOverPytorch']:.2f} of its time" if d["denseOverPytorch"] else ""))
        rows.append((f"… routed, {percent(d['enteredShare'])} of the tokens entering", f"{d['eighthMicroseconds']:.0f} µs", "", f"{d['routedFaster']:.2f} × as fast as dense"))
        if d["anEighthEnteringMicroseconds"]:
            rows.append(("… routed, every eighth token let in", f"{d['anEighthEnteringMicroseconds']:.0f} µs", "", f"{d['anEighthEnteringFaster']:.2f} ×"))
    kernels = result["kernels"]
    for kind, name in (("cold", "nothing compiled yet"), ("warm", "all in the cache")):
        if kernels[kind]:
            rows.append((f"start, {name}", f"{kernels[kind]['seconds']:.2f} s", "", f"{kernels[kind]['kernels']} kernels"))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def launches(rows):
    lines = ["| launch | times | µs each | share | TFLOP/s | TB/s | of what the card reaches |", "|---|---:|---:|---:|---:|---:|---:|"]
    for row in rows:
        if row["share"] >= LEAST and row["pass"] != "decode":
            cells = [f"`{row['name']}`", row["times"], f"{row['microseconds'] / row['times']:.0f}", f"{100 * row['share']:.1f} %",
                     row["teraflops"] or "", row["terabytes"] or "", row["ofCeiling"] and f"{row['ofCeiling']:.2f}" or ""]
            lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines)


def main(path):
    result = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    parts = {"summary": summary(result), "dense": launches(result["launches"]["Yardstick"]), "eighth": launches(result["launches"]["YardstickEighth"])}
    page = PAGE.read_text(encoding="utf-8")
    for name, text in parts.items():
        marks = re.compile(rf"(<!-- {name}: begin -->\n).*?(\n<!-- {name}: end -->)", re.DOTALL)
        if not marks.search(page):
            sys.exit(f"{PAGE}: the marks of {name} are missing")
        page = marks.sub(lambda match: match[1] + text + match[2], page)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else HOUSE / "bench/results/cuda-step.json")
