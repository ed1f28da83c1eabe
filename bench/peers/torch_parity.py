#!/usr/bin/env python3
"""Holds ModGen's training against PyTorch: the same weights, the same batches, gradients tensor by tensor, and a loss curve.

    python3 torch_parity.py OUT.json RUN... [--device cuda|cpu]

RUN is a folder that the verb `parity` of bench/ModGen.Benchmarks wrote, or one of such folders called bfloat16 and float32.
PyTorch runs the model as its users would: bfloat16 autocast over float32 weights, its own attention, AdamW; and once more in
float32, which tells how far either is from the truth. The model is written from docs/spec.md, not from ModGen's code.

A token at the edge of the top k may be in for one and out for the other, and then everything behind it differs. So gradients
are compared with the positions that ModGen chose; how many of them PyTorch would have chosen too is reported beside them.
Exits with 1 when a bar is missed.
"""

import argparse
import contextlib
import json
import math
import os
import pathlib
import platform
import re
import statistics
import struct
import sys

import torch
import torch.nn.functional as F

GRADIENT_BAR = 2e-2  # of each gradient tensor, Frobenius
CURVE_BAR = 1e-2  # of the loss
TAIL = 20  # steps that the end of a curve is the mean of


def read_safetensors(path, device):
    raw = pathlib.Path(path).read_bytes()
    start = 8 + struct.unpack("<Q", raw[:8])[0]
    tensors = {}
    for name, entry in json.loads(raw[8:start]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = torch.frombuffer(bytearray(raw[start + begin:start + end]), dtype=torch.float32)
        tensors[name] = values.reshape(entry["shape"]).to(device).requires_grad_()
    return tensors


class Run:
    """What ModGen left behind."""

    def __init__(self, folder, device):
        self.folder, self.device = pathlib.Path(folder), device
        self.about = json.loads((self.folder / "parity.json").read_text())
        self.model = self.about["model"]
        self.routed = [layer for layer in self.model["layers"] if layer["isRouted"]]
        raw = torch.frombuffer(bytearray((self.folder / "batches.bin").read_bytes()), dtype=torch.uint8)
        self.batches = raw.reshape(self.about["steps"] + 1, self.about["batch"], self.model["context"] + 1).long().to(device)

    def weights(self, point):
        return read_safetensors(self.folder / point / "model.safetensors", self.device)

    def gradients(self, point):
        values = torch.frombuffer(bytearray((self.folder / f"{point}.gradients.bin").read_bytes()), dtype=torch.float32)
        result, start = {}, 0
        for parameter in self.about["parameters"]:
            length = math.prod(parameter["shape"])
            result[parameter["name"]] = values[start:start + length].reshape(parameter["shape"]).to(self.device)
            start += length
        assert_equal(start, len(values), "elements of the gradients")
        return result

    def selected(self, point):
        raw = bytearray((self.folder / f"{point}.selected.bin").read_bytes())
        result, start = {}, 0
        for layer in self.routed:
            length = 4 * self.about["batch"] * layer["tokens"]
            values = torch.frombuffer(raw[start:start + length], dtype=torch.int32)
            result[layer["index"]] = values.reshape(self.about["batch"], layer["tokens"]).long().to(self.device)
            start += length
        assert_equal(start, len(raw), "bytes of the selections")
        return result

    def batch(self, index):
        window = self.batches[index]
        return window[:, :-1], window[:, 1:]


def assert_equal(found, expected, what):
    if found != expected:
        raise ValueError(f"{found} {what}, {expected} expected")


class Model:
    """A decoder of the declaration in a run, over a dictionary of float32 weights."""

    def __init__(self, about, weights):
        self.about, self.weights = about, weights
        width = about["headWidth"]
        device = weights["model.norm.weight"].device
        frequencies = about["rotaryBase"] ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        angles = torch.outer(torch.arange(about["context"], dtype=torch.float64), frequencies).float().to(device)
        self.cos, self.sin = angles.cos(), angles.sin()

    def norm(self, x, name):
        x = x.float()
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.about["normEpsilon"]) * self.weights[name]

    def attention(self, x, positions, layer):
        batch, length, _ = x.shape
        cos, sin = self.cos[positions][:, None], self.sin[positions][:, None]

        def heads(name):
            y = F.linear(x, self.weights[layer + f"self_attn.{name}_proj.weight"])
            return y.view(batch, length, -1, self.about["headWidth"]).transpose(1, 2)

        def rotated(y):
            a, b = y.float().chunk(2, -1)
            return torch.cat([a * cos - b * sin, b * cos + a * sin], -1).to(y.dtype)

        query, key, value = rotated(heads("q")), rotated(heads("k")), heads("v")
        group = self.about["heads"] // self.about["keyValueHeads"]
        key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
        output = causal(query, key, value).transpose(1, 2).reshape(batch, length, -1)
        return F.linear(output, self.weights[layer + "self_attn.o_proj.weight"])

    def block(self, x, positions, layer):
        """What a block adds to its rows, without the outer residual."""
        a = self.attention(self.norm(x, layer + "input_layernorm.weight"), positions, layer)
        h = self.norm(x + a, layer + "post_attention_layernorm.weight")
        gated = F.silu(F.linear(h, self.weights[layer + "mlp.gate_proj.weight"])) * F.linear(h, self.weights[layer + "mlp.up_proj.weight"])
        return a + F.linear(gated, self.weights[layer + "mlp.down_proj.weight"])

    def predictor(self, x, layer):
        w = self.weights
        hidden = F.silu(F.linear(x, w[layer + "mod.predictor.0.weight"], w[layer + "mod.predictor.0.bias"]))
        return F.linear(hidden, w[layer + "mod.predictor.2.weight"], w[layer + "mod.predictor.2.bias"]).squeeze(-1).float()

    def routed_block(self, x, positions, layer, routing, chosen):
        # Scores in float32, as any careful user would: autocast leaves products of elements alone.
        scores = (x * self.weights[layer + "mod.router.weight"][0]).sum(-1)
        order = torch.sort(scores, dim=-1, descending=True, stable=True).indices
        own = order[:, :routing["tokens"]].sort(-1).values
        selected = own if chosen is None else chosen
        member = torch.zeros_like(scores).scatter(1, selected, 1.0)
        extra = 0
        if routing["auxiliaryWeight"]:
            extra = extra + routing["auxiliaryWeight"] * F.binary_cross_entropy_with_logits(scores, member)
        if routing["predictorWidth"]:
            extra = extra + F.binary_cross_entropy_with_logits(self.predictor(x.detach(), layer), member)
        rows = selected[..., None].expand(-1, -1, x.shape[-1])
        delta = self.block(x.gather(1, rows), positions.gather(1, selected), layer)
        gate = {"identity": lambda r: r, "sigmoid": torch.sigmoid, "tanh": torch.tanh}[routing["gate"]](scores.gather(1, selected))
        return x.scatter_add(1, rows, gate[..., None] * delta.float()), extra, own

    def loss(self, tokens, targets, chosen=None):
        """Cross-entropy, the total loss, and the positions that this model would choose in each routed layer."""
        positions = torch.arange(tokens.shape[1], device=tokens.device).expand(tokens.shape[0], -1)
        x = F.embedding(tokens, self.weights["model.embed_tokens.weight"])
        extra, own = 0, {}
        for routing in self.about["layers"]:
            index, layer = routing["index"], f"model.layers.{routing['index']}."
            if routing["isRouted"]:
                x, more, own[index] = self.routed_block(x, positions, layer, routing, chosen and chosen[index])
                extra = extra + more
            else:
                x = x + self.block(x, positions, layer)
        head = self.weights["model.embed_tokens.weight" if self.about["tiedHead"] else "lm_head.weight"]
        logits = F.linear(self.norm(x, "model.norm.weight"), head)
        loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        return loss, loss + extra, own


def causal(query, key, value):
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    length = query.shape[2]
    hidden = torch.ones(length, length, dtype=torch.bool, device=query.device).triu(1)
    scores = (query @ key.transpose(-1, -2)).float() / query.shape[-1] ** 0.5
    return scores.masked_fill(hidden, -math.inf).softmax(-1).to(value.dtype) @ value


def precision(name, device):
    return torch.autocast(device, dtype=torch.bfloat16) if name == "bfloat16" else contextlib.nullcontext()


def gradients(run, point, index, name, chosen):
    weights = run.weights(point)
    with precision(name, run.device):
        loss, total, own = Model(run.model, weights).loss(*run.batch(index), chosen)
    total.backward()
    return loss.item(), {key: weight.grad for key, weight in weights.items()}, own


def distance(a, b):
    """‖a − b‖ / ‖b‖; not a number where either is not finite."""
    a, b = a.double(), b.double()
    return ((a - b).norm() / b.norm()).item() if b.norm() > 0 else (0.0 if a.norm() == 0 else math.inf)


def agreement(ours, theirs):
    """Share of the chosen positions that the other chose too, layer by layer."""
    return {layer: (ours[layer][:, :, None] == theirs[layer][:, None, :]).any(-1).float().mean().item() for layer in ours}


def compare_point(run, point):
    index = 0 if point["name"] == "initial" else run.about["steps"]
    ours, chosen = run.gradients(point["name"]), run.selected(point["name"])
    free_loss, _, own = gradients(run, point["name"], index, "bfloat16", None)
    half_loss, half, _ = gradients(run, point["name"], index, "bfloat16", chosen)
    full_loss, full, own_float32 = gradients(run, point["name"], index, "float32", chosen)
    reference = half if run.about["precision"] == "bfloat16" else full
    # ModGen to PyTorch's bfloat16, ModGen to its float32, its bfloat16 to its float32.
    tensors = {name: [distance(ours[name], half[name]), distance(ours[name], full[name]), distance(half[name], full[name])] for name in ours}
    against = {name: distance(ours[name], reference[name]) for name in ours}
    worst = max(against, key=lambda name: against[name] if against[name] == against[name] else math.inf)
    missed = [name for name, value in against.items() if not value <= GRADIENT_BAR]
    ordered = sorted(against.values())
    return dict(
        weights=point["name"], modgen_loss=point["loss"], pytorch_bfloat16_loss=half_loss, pytorch_bfloat16_loss_own_selection=free_loss,
        pytorch_float32_loss=full_loss,
        selection_agreement=agreement(chosen, own), selection_agreement_float32=agreement(chosen, own_float32),
        compared_with=f"PyTorch {run.about['precision']}", tensors=len(against), median=ordered[len(ordered) // 2],
        worst=against[worst], worst_tensor=worst, over_bar=missed,
        worst_modgen_to_float32=max(t[1] for t in tensors.values()), worst_bfloat16_to_float32=max(t[2] for t in tensors.values()),
        # Where two roundings of one truth differ, which is nearer to it.
        nearer_to_float32_than_pytorch=sum(t[1] <= t[2] for t in tensors.values()),
        median_error_over_pytorchs=statistics.median(t[1] / t[2] if t[2] > 0 else math.inf for t in tensors.values()),
        passed=not missed, columns=["modgen_to_bfloat16", "modgen_to_float32", "bfloat16_to_float32"], gradients=tensors)


def train(run, name):
    """PyTorch's losses over the batches that ModGen trained on."""
    weights = run.weights("initial")
    model, about, settings = Model(run.model, weights), run.about, run.about["optimizer"]
    decays = {p["name"]: p["decays"] for p in about["parameters"]}
    groups = [dict(params=[w for n, w in weights.items() if decays[n]], weight_decay=settings["weightDecay"]),
              dict(params=[w for n, w in weights.items() if not decays[n]], weight_decay=0.0)]
    optimizer = torch.optim.AdamW(groups, lr=settings["learningRate"], betas=(settings["beta1"], settings["beta2"]), eps=settings["epsilon"])
    losses = []
    for step in range(about["steps"]):
        for group in optimizer.param_groups:
            group["lr"] = settings["learningRate"] * min(1.0, (step + 1) / max(about["warmUp"], 1))
        optimizer.zero_grad(set_to_none=True)
        with precision(name, run.device):
            loss, total, _ = model.loss(*run.batch(step))
        total.backward()
        norm = torch.stack([w.grad.norm() for w in weights.values()]).norm()
        scale = torch.clamp(about["clipNorm"] / norm, max=1.0)
        for weight in weights.values():
            weight.grad.mul_(scale)
        optimizer.step()
        losses.append(loss.detach())
    return [loss.item() for loss in losses]


def curve(ours, theirs):
    relative = [abs(a - b) / b for a, b in zip(ours, theirs)]
    end = abs(sum(ours[-TAIL:]) - sum(theirs[-TAIL:])) / sum(theirs[-TAIL:])
    return dict(mean_difference=sum(relative) / len(relative), largest_difference=max(relative), largest_at_step=relative.index(max(relative)) + 1, end_difference=end)


def compare_curves(run):
    ours, half, full = run.about["losses"], train(run, "bfloat16"), train(run, "float32")
    reference = half if run.about["precision"] == "bfloat16" else full
    difference = curve(ours, reference)
    return dict(
        steps=len(ours), compared_with=f"PyTorch {run.about['precision']}", **difference,
        bfloat16_to_float32=curve(half, full), modgen_to_float32=curve(ours, full),
        passed=difference["mean_difference"] <= CURVE_BAR and difference["end_difference"] <= CURVE_BAR,
        modgen=ours, pytorch_bfloat16=half, pytorch_float32=full)


def compare(folder, device):
    run = Run(folder, device)
    about = run.about
    result = dict(
        model=run.model["name"], parameters=run.model["parameters"], modgen_precision=about["precision"], modgen_device=about["device"],
        modgen_versions=about["versions"], commit=about["commit"], batch=about["batch"], optimizer=about["optimizer"], warm_up=about["warmUp"],
        clip_norm=about["clipNorm"], points=[compare_point(run, point) for point in about["points"]])
    for point in result["points"]:
        print(f"{folder}: {point['weights']} weights, {point['tensors']} gradients against {point['compared_with']}: median {point['median']:.2e}, worst "
              f"{point['worst']:.2e} ({point['worst_tensor']}), {len(point['over_bar'])} over {GRADIENT_BAR}; PyTorch's own bfloat16 is up to "
              f"{point['worst_bfloat16_to_float32']:.2e} from its float32, ModGen {point['worst_modgen_to_float32']:.2e}, "
              f"nearer in {point['nearer_to_float32_than_pytorch']} of {point['tensors']}; agreement {rounded(point['selection_agreement'])}", flush=True)
        for name in point["over_bar"]:
            print(f"    over the bar: {name} {rounded(point['gradients'][name])} ({', '.join(point['columns'])})", flush=True)
    if about["steps"]:
        result["curve"] = c = compare_curves(run)
        print(f"{folder}: {c['steps']} steps: mean difference {c['mean_difference']:.2%}, at the end {c['end_difference']:.2%}, largest "
              f"{c['largest_difference']:.2%} at step {c['largest_at_step']}; PyTorch's bfloat16 to its float32: mean {c['bfloat16_to_float32']['mean_difference']:.2%}", flush=True)
    return result


def runs(folder):
    folder = pathlib.Path(folder)
    return [folder] if (folder / "parity.json").exists() else [path.parent for path in sorted(folder.glob("*/parity.json"))]


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def written(document):
    """JSON with a list of numbers on one line."""
    text = json.dumps(rounded(document), indent=1)
    return re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda found: "[" + re.sub(r"\s+", " ", found[1]) + "]", text) + "\n"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("out", type=pathlib.Path)
    arguments.add_argument("runs", nargs="+")
    arguments.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    chosen = arguments.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    document = dict(
        what="training against PyTorch: gradients at equal weights, and a loss curve of equal batches",
        command="bench/peers/cuda_parity.sh BUNDLE OUT TEXT",
        machine=torch.cuda.get_device_name() if chosen.device == "cuda" else f"{platform.machine()}, {os.cpu_count()} processors",
        torch=torch.__version__, bars=dict(gradient=GRADIENT_BAR, curve=CURVE_BAR), passed=False, results=[])
    for folder in [run for named in chosen.runs for run in runs(named)]:
        document["results"].append(compare(folder, chosen.device))
        # Written as it goes: what has been compared is kept, whatever becomes of the rest.
        document["passed"] = all(p["passed"] for r in document["results"] for p in [*r["points"], r.get("curve", dict(passed=True))])
        chosen.out.write_text(written(document))
    if not document["results"]:
        print(f"There is no parity.json below {', '.join(chosen.runs)}.", file=sys.stderr)
        return 1
    print(f"{chosen.out}: {'passed' if document['passed'] else 'MISSED'}")
    return 0 if document["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
