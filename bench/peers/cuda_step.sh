#!/usr/bin/env bash
# The yardstick on one GPU, ModGen's and compiled PyTorch's in one run: training dense, at 12.5 % and at 50 %, decoding one and 32
# texts at position 1024. The routers that decode are trained a little first, so that they let in about as many as they should;
# they are measured with an eighth let in besides.
# For a machine with PyTorch and an unpacked eng/pack.sh bundle of bench/ModGen.Benchmarks.
#
#   bench/peers/cuda_step.sh BUNDLE OUT     writes OUT/cuda-step.json; TEXT names a text to train the routers on (default: docs)
set -uo pipefail
bundle=$1 out=$2
here=$(cd "$(dirname "$0")" && pwd)
text=${TEXT:-$here/../../docs}
mkdir -p "$out"
raw=$out/cuda-step.jsonl
: > "$raw"
export MODGEN_CACHE=${MODGEN_CACHE:-$(mktemp -d)}

torch() { timeout 150 python3 "$here/torch_mod.py" "$@" | tee -a "$raw"; }
ours() { timeout 100 "$bundle/run" ModGen.Benchmarks model "$1" bench --device cuda --json --position 1024 --seconds "${EACH:-2}" "${@:2}" 2>> "$out/cuda-step.err" | tee -a "$raw" | cut -c1-400; }

ours Yardstick --texts 1 --launches --checkpoint "$out/none"
torch train --capacity 1.0 --batch 16
timeout 100 "$bundle/run" ModGen.Benchmarks model YardstickEighth train --device cuda --data "$text" --steps 120 --lr 3e-4 --eval-every 0 --eval-sequences 1 --save-every 0 --checkpoint /tmp/cuda-step-eighth > "$out/eighth-train.log" 2>&1 || tail -3 "$out/eighth-train.log"
ours YardstickEighth --texts 1 --launches --checkpoint /tmp/cuda-step-eighth
# As many as enter when a model is trained to the end.
EACH=1 ours YardstickEighth --texts 1 --enter 0.125 --checkpoint "$out/none"
torch train --capacity 0.125 --batch 16
ours Yardstick --texts 32 --checkpoint "$out/none"
ours YardstickEighth --texts 32 --checkpoint /tmp/cuda-step-eighth
EACH=1 ours YardstickEighth --texts 32 --enter 0.125 --checkpoint "$out/none"
torch decode --batch 1 --context 1024
torch decode --batch 32 --context 1024
ours YardstickHalf --texts 1 --checkpoint "$out/none"
# Once more, with every kernel in the cache.
EACH=0.1 ours Yardstick --texts 1 --checkpoint "$out/none"
rm -rf /tmp/cuda-step-eighth
python3 "$here/cuda_step.py" "$raw" "$out/cuda-step.json"
