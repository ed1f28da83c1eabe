#!/usr/bin/env bash
# Trains the two models of docs/experiment.md on a GPU with equal training FLOPs, one at a time; then evaluates, samples, and
# draws the routing map. For a machine with a GPU, Python and an unpacked eng/pack.sh bundle of bench/ModGen.Benchmarks.
#
#   bench/peers/cuda_experiment.sh BUNDLE CORPUS OUT MINUTES MODEL
#
# CORPUS   what bench/peers/make_corpus.py made: the archive, or the folder of its text files
# MINUTES  training time of a model, the mean of the two
# MODEL    dense, mod, or speed: measures both for a minute and says what FLOPs the minutes buy
#
# Without BUDGET (training FLOPs of each model, in 1e15) both speeds are measured first; the second model must be given the
# budget that the first one printed and left in OUT/MODEL-run.json. A call ends within LIMIT seconds (580): training that takes
# longer is stopped as by Ctrl-C, saved, and evaluated all the same. Everything is written as it goes. Also from the
# environment: BATCH, RATE, WARMUP, DEVICE, WORK (where checkpoints lie), and SPEC to train another model of specs/.
set -uo pipefail
if [ $# -ne 5 ]; then
    sed -n '2,17s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
bundle=$1 corpus=$2 out=$3 minutes=$4 model=$5
batch=${BATCH:-64} rate=${RATE:-1.5e-3} warmup=${WARMUP:-300} device=${DEVICE:-cuda} limit=${LIMIT:-580}
work=${WORK:-out/experiment}
declare -A specs=([dense]=ExperimentDense [mod]=ExperimentEighth)
finishing=75 # seconds kept for evaluation and samples
mkdir -p "$out" "$work"
left() { echo $((limit - SECONDS)); }
app() { "$bundle/run" ModGen.Benchmarks model "$@"; }

if [ -f "$corpus" ]; then
    [ -d "$work/corpus" ] || tar -C "$work" -x -f "$corpus"
    corpus="$work/corpus"
fi

# The last value of a field in the events of a name.
field() { # FILE EVENT FIELD
    python3 - "$@" <<'PY'
import json, sys
path, event, field = sys.argv[1:]
found = [e[field] for e in map(json.loads, open(path)) if e["event"] == event]
print(found[-1])
PY
}
flops() { app "$1" inspect --json 2>/dev/null | grep '"event":"model"' > "$work/$1.json" && field "$work/$1.json" model flops_per_token; }
speed() { # SPEC: training tokens a second, once warm
    app "$1" train --data "$corpus" --device "$device" --batch "$batch" --steps "${SPEED_STEPS:-60}" --warmup 10 --lr 1e-4 --eval-every 0 --eval-sequences 1 --save-every 0 \
        --log-every 1 --checkpoint "$work/speed-$1" --fresh --json > "$work/speed-$1.jsonl" && field "$work/speed-$1.jsonl" step tokens_per_second
    rm -rf "$work/speed-$1" "$work/speed-$1.previous"
}

dense_flops=$(flops "${specs[dense]}") mod_flops=$(flops "${specs[mod]}")
if [ -z "${BUDGET:-}" ]; then
    dense_speed=$(speed "${specs[dense]}") mod_speed=$(speed "${specs[mod]}")
    BUDGET=$(python3 - "$minutes" "$dense_flops" "$dense_speed" "$mod_flops" "$mod_speed" "$((limit - finishing - 30))" <<'PY'
import sys
minutes, dense_flops, dense_speed, mod_flops, mod_speed, most = map(float, sys.argv[1:])
rates = [3 * dense_flops * dense_speed, 3 * mod_flops * mod_speed]
budget = min(2 * minutes * 60 / sum(1 / r for r in rates), most * min(rates))
print(f"dense {dense_speed:.0f} tokens/s, {rates[0] / 1e12:.1f} TFLOP/s, {budget / rates[0]:.0f} s; "
      f"mod {mod_speed:.0f} tokens/s, {rates[1] / 1e12:.1f} TFLOP/s, {budget / rates[1]:.0f} s", file=sys.stderr)
print(f"{budget / 1e15:.2f}")
PY
    )
fi
echo "BUDGET=$BUDGET"
if [ "$model" = speed ]; then
    echo "{\"budget\": $BUDGET, \"dense_tokens_per_second\": ${dense_speed:-0}, \"mod_tokens_per_second\": ${mod_speed:-0}}" > "$out/speed.json"
    exit 0
fi

spec=${SPEC:-${specs[$model]}}
per_token=$(flops "$spec")
context=$(field "$work/$spec.json" model context)
steps=$(python3 -c "print(max(10, round($BUDGET * 1e15 / (3 * $per_token * $batch * $context))))")
checkpoints="$work/$model"
python3 - > "$out/$model-run.json" <<PY
import json, os, platform, subprocess
def line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""
summary = "$corpus/../corpus.json"
print(json.dumps(dict(
    model="$model", spec="$spec", budget_pflop=$BUDGET, flops_per_token=$per_token, steps=$steps, batch=$batch, context=$context, rate=$rate, warm_up=$warmup,
    gpu=line("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"), processors=os.cpu_count(), system=platform.platform(),
    commit=open("$bundle/commit").read().strip() if os.path.exists("$bundle/commit") else "unknown", started=line("date", "+%F %T"), description=json.loads(open("$work/$spec.json").read()),
    corpus=json.load(open(summary)) if os.path.exists(summary) else None), indent=1))
PY
echo "$model: $spec, $steps steps of $batch x $context, $(left) s left"
keep() { cp "$checkpoints/losses.csv" "$out/$model-losses.csv" 2>/dev/null; }

timeout --foreground -s INT "$(($(left) - finishing))" "$bundle/run" ModGen.Benchmarks model "$spec" train --data "$corpus" --device "$device" --batch "$batch" \
    --steps "$steps" --lr "$rate" --warmup "$((warmup < steps ? warmup : steps / 2))" --eval-every 200 --eval-sequences 256 --save-every 1000 --keep 1 --log-every 5 \
    --checkpoint "$checkpoints" --fresh --json > "$out/$model.jsonl" 2> >(tee "$out/$model.log" >&2)
echo "train: exit $?, $(left) s left" | tee -a "$out/$model.log"
keep

timeout 60 "$bundle/run" ModGen.Benchmarks model "$spec" eval --device "$device" --sequences "${EVAL_SEQUENCES:-512}" --batch 16 --checkpoint "$checkpoints" \
    --report "$out/$model-report.html" --json > "$out/$model-eval.jsonl" 2>> "$out/$model.log"
echo "eval: exit $?, $(left) s left" | tee -a "$out/$model.log"

marks=()
grep -q '"is_routed":true' "$work/$spec.json" && marks=(--show-routing)
: > "$out/$model-samples.txt"
while IFS= read -r prompt; do
    [ "$(left)" -gt 5 ] || break
    echo "=== $prompt" >> "$out/$model-samples.txt"
    timeout "$(left)" "$bundle/run" ModGen.Benchmarks model "$spec" sample --device "$device" --prompt "$(printf '%b' "$prompt")" --tokens "${TOKENS:-500}" --temperature 0.7 \
        "${marks[@]}" --checkpoint "$checkpoints" >> "$out/$model-samples.txt" 2>> "$out/$model.log"
done <<'PROMPTS'
<member name="M:System.Collections.Generic.Dictionary`2.
The :mod:`json` module
func (t *Tree) Insert(
def get_queryset(self):
PROMPTS
echo "samples: $(left) s left" | tee -a "$out/$model.log"
ls -l "$out"
