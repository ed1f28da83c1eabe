#!/usr/bin/env python3
"""Makes what docs/experiment.md shows of the folders that cuda_experiment.sh wrote: figures, loss curves, tables.

    python3 experiment_results.py OUT...      # folders with dense-run.json, mod-run.json and what lies beside them

Writes bench/results/cuda-experiment.json, docs/experiment/losses.svg, reports and samples beside it, and the part of
docs/experiment.md between its marks. A run that was cut off is shown as far as it came.
"""

import csv
import json
import math
import pathlib
import re
import shutil
import statistics
import sys

HOUSE = pathlib.Path(__file__).resolve().parents[2]
PAGE, FIGURES = HOUSE / "docs/experiment.md", HOUSE / "docs/experiment"
RESULTS = HOUSE / "bench/results/cuda-experiment.json"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
COLORS = {"dense": "#777777", "mod": "#c2410c"}
NAMES = {"dense": "dense", "mod": "MoD 12.5 %"}
POINTS = 80


def events(path):
    """A line that was cut off is passed over."""
    result = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            result.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return result


def thinned(losses):
    """Means of equal stretches: (last step, mean loss)."""
    count = min(POINTS, len(losses))
    cuts = [i * len(losses) // count for i in range(count + 1)]
    return [(losses[b - 1][0], statistics.fmean(loss for _, loss in losses[a:b])) for a, b in zip(cuts, cuts[1:])]


def losses_of(folder, name, log):
    path = folder / f"{name}-losses.csv"
    if path.exists():
        with open(path) as file:
            found = [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(file)]
        if found:
            return found
    return [(e["step"], e["loss"]) for e in log if e["event"] == "step"]


def read(folder, name):
    about = json.loads((folder / f"{name}-run.json").read_text())
    log = events(folder / f"{name}.jsonl")
    steps = [e for e in log if e["event"] == "step"]
    if not steps:
        raise SystemExit(f"{folder / name}.jsonl: no step was logged.")
    start = next((e for e in log if e["event"] == "start"), {})
    done = next((e for e in log if e["event"] == "done"), {})
    evaluation = next((e for e in events(folder / f"{name}-eval.jsonl") if e["event"] == "evaluation"), None)
    seconds = [e["seconds"] for e in steps[len(steps) // 10:]]
    median = statistics.median(seconds)
    tokens = steps[-1]["tokens"]
    did = done.get("step", steps[-1]["step"])
    flops = 3 * about["flops_per_token"] * tokens
    return dict(
        name=name, spec=about["spec"], device=start.get("device"), gpu=about["gpu"], commit=about["commit"], started=about["started"],
        parameters=about["description"]["parameters"], layers=len(about["description"]["layers"]),
        routed=[layer["index"] for layer in about["description"]["layers"] if layer["is_routed"]],
        flops_per_token=about["flops_per_token"], budget_pflop=about["budget_pflop"], batch=about["batch"], context=about["context"],
        rate=about["rate"], warm_up=about["warm_up"], steps=did, steps_planned=about["steps"], ended=done.get("reason", "cut off"),
        tokens=did * tokens, training_pflop=did * flops / 1e15, step_ms=1e3 * median, tokens_per_second=tokens / median,
        tflops=flops / median / 1e12, training_seconds=did * statistics.fmean(seconds),
        final_training_loss=statistics.fmean([e["loss"] for e in steps][-20:]),
        validation=[(e["step"], e["loss"]) for e in log if e["event"] == "validation"],
        training=thinned(losses_of(folder, name, log)),
        evaluation=evaluation and {key: evaluation[key] for key in ("step", "tokens", "sequences", "top_k", "causal", "causal_cost", "layers", "seconds")})


def svg(runs):
    """Loss against training FLOPs: validation as lines with dots, training pale."""
    width, height, left, bottom, top = 760, 400, 60, 40, 20
    points = [(step / run["steps"] * run["training_pflop"], loss) for run in runs for step, loss in run["validation"] or run["training"]]
    right = max(x for x, _ in points)
    # The first tenth is steep: the axis begins where it has been left behind.
    low = min(loss for _, loss in points) * 0.97
    high = max(loss for x, loss in points if x >= 0.08 * right) * 1.05

    def at(x, y):
        return f"{left + x / right * (width - left - 20):.1f},{top + (high - min(y, high)) / (high - low) * (height - top - bottom):.1f}"

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" fill="#888888">']
    for i in range(6):
        y = low + (high - low) * i / 5
        place = at(0, y).split(",")[1]
        parts.append(f'<line x1="{left}" x2="{width - 20}" y1="{place}" y2="{place}" stroke="#888888" stroke-opacity="0.25"/><text x="{left - 8}" y="{place}" text-anchor="end">{y:.3f}</text>')
        x = right * i / 5
        parts.append(f'<text x="{at(x, low).split(",")[0]}" y="{height - bottom + 18}" text-anchor="middle">{x:.0f}</text>')
    parts.append(f'<text x="{width - 20}" y="{height - 6}" text-anchor="end">training FLOPs, 10¹⁵</text><text x="{left}" y="12">nats a byte</text>')
    for index, run in enumerate(runs):
        color, share = COLORS[run["name"]], run["training_pflop"] / run["steps"]
        for key, style in (("training", 'stroke-opacity="0.35" stroke-width="1"'), ("validation", 'stroke-width="2"')):
            line = [(step * share, loss) for step, loss in run[key] if loss <= high]
            parts.append(f'<polyline fill="none" stroke="{color}" {style} points="{" ".join(at(*point) for point in line)}"/>')
        label = f'{NAMES[run["name"]]}: validation {run["validation"][-1][1]:.4f}' if run["validation"] else NAMES[run["name"]]
        parts.append(f'<text x="{width - 30}" y="{top + 16 + 18 * index}" text-anchor="end" fill="{color}">{label} (pale: training)</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def table(header, rows):
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def figures(runs):
    def row(title, value):
        return [title, *(value(run) for run in runs)]

    def loss(run, kind):
        return f"{run['evaluation'][kind]['nats_per_byte']:.4f}" if run["evaluation"] else "not measured"

    return table(["", *(NAMES[run["name"]] for run in runs)], [
        row("parameters", lambda r: f"{r['parameters'] / 1e6:.1f}M"),
        row("layers, routed of them", lambda r: f"{r['layers']}, {len(r['routed'])}"),
        row("FLOPs a token, forward", lambda r: f"{r['flops_per_token'] / 1e6:.1f}M"),
        row("steps", lambda r: f"{r['steps']}" + ("" if r["steps"] == r["steps_planned"] else f" of {r['steps_planned']}")),
        row("bytes trained on", lambda r: f"{r['tokens'] / 1e6:.0f}M"),
        row("training FLOPs", lambda r: f"{r['training_pflop']:.1f} × 10¹⁵"),
        row("milliseconds a step", lambda r: f"{r['step_ms']:.1f}"),
        row("bytes a second", lambda r: f"{r['tokens_per_second'] / 1e6:.2f}M"),
        row("model TFLOP/s", lambda r: f"{r['tflops']:.0f}"),
        row("time in training steps", lambda r: f"{r['training_seconds'] / 60:.1f} min"),
        row("training loss, the last steps", lambda r: f"{r['final_training_loss']:.4f}"),
        row("**validation loss, top-k**", lambda r: f"**{loss(r, 'top_k')}**"),
        row("validation loss, causal", lambda r: loss(r, "causal")),
        row("the same in bits a byte", lambda r: f"{r['evaluation']['causal']['bits_per_byte']:.4f}" if r["evaluation"] else "not measured")])


def routing(run):
    percent = "{:.1%}".format
    return table(["layer", "k", "capacity", "enters causally", "agreement", "precision", "recall"], [
        [layer["layer"], layer["k"], *(percent(layer[key]) for key in ("capacity", "causal_capacity", "agreement", "precision", "recall"))]
        for layer in run["evaluation"]["layers"]])


def samples(path, most):
    text = path.read_text(errors="replace") if path.exists() else ""
    first = text.split("\n=== ")[0].splitlines()
    return "\n".join(line for line in first[1:most] if not line.startswith("Weights:"))


def written(document):
    """JSON with a list of numbers on one line, and of no more digits than mean anything."""

    def rounded(value):
        if isinstance(value, float):
            return float(f"{value:.6g}")
        if isinstance(value, dict):
            return {key: rounded(item) for key, item in value.items()}
        return [rounded(item) for item in value] if isinstance(value, (list, tuple)) else value

    text = json.dumps(rounded(document), indent=1)
    return re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda found: "[" + re.sub(r"\s+", " ", found[1]) + "]", text) + "\n"


def main():
    folders = [pathlib.Path(argument) for argument in sys.argv[1:]]
    found = [(folder, name) for name in ("dense", "mod") for folder in folders if (folder / f"{name}-run.json").exists()]
    if not found:
        raise SystemExit(__doc__)
    runs = [read(folder, name) for folder, name in found]
    FIGURES.mkdir(exist_ok=True)
    corpus = json.loads((found[0][0] / f"{found[0][1]}-run.json").read_text())["corpus"]
    RESULTS.write_text(written(dict(
        what="two models trained on a GPU with equal training FLOPs", command="bench/peers/cuda_experiment.sh BUNDLE CORPUS OUT MINUTES dense|mod",
        corpus=corpus, runs=runs)))
    (FIGURES / "losses.svg").write_text(svg(runs))
    text = [BEGIN, "", figures(runs), "", "![Loss against training FLOPs](experiment/losses.svg)", ""]
    for (folder, name), run in zip(found, runs):
        if (folder / f"{name}-report.html").exists():
            shutil.copy(folder / f"{name}-report.html", FIGURES / f"{name}.html")
        if (folder / f"{name}-samples.txt").exists():
            shutil.copy(folder / f"{name}-samples.txt", FIGURES / f"{name}-samples.txt")
        if run["evaluation"] and run["evaluation"]["layers"]:
            text += ["Routed layers, on the validation part:", "", routing(run), ""]
        sample = samples(folder / f"{name}-samples.txt", 24)
        if sample:
            text += [f"A sample of {NAMES[name]}" + (", with the number of routed blocks that each character went through:" if run["routed"] else ":"), "", "```", sample, "```", ""]
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    PAGE.write_text(before + "\n".join([*text, END]) + rest.split(END)[1])
    print(figures(runs))
    for run in runs:
        if not math.isfinite(run["final_training_loss"]):
            raise SystemExit(f"{run['name']}: the loss is not finite.")


if __name__ == "__main__":
    main()
