#!/usr/bin/env bash
# Holds ModGen's training on a GPU against PyTorch's: equal weights and batches, every gradient, and 200 steps on real text.
# Width 512 with heads of 64, dense and with every other block at 12.5 %; in bfloat16, and in float32 for orientation. For a
# machine with PyTorch, a GPU and an unpacked eng/pack.sh bundle of bench/ModGen.Benchmarks.
#
#   bench/peers/cuda_parity.sh BUNDLE OUT TEXT [DEVICE]     # TEXT: a file or folder of at least 2 MB; DEVICE: cuda or cpu
#
# Takes two minutes. OUT/cuda-parity.json is written as it goes; exits with 1 when a bar is missed.
set -uo pipefail
bundle=$1 out=$2 text=$3 device=${4:-cuda}
here=$(cd "$(dirname "$0")" && pwd)
steps=${STEPS:-200} batch=${BATCH:-16} models=${MODELS:-Cpu512 Cpu512Eighth}
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

parity() { # MODEL PRECISION STEPS
    local precision=(--precision "$2")
    [ "$device" = cpu ] && precision=()
    echo "== $1 $2 $(date +%T)"
    "$bundle/run" ModGen.Benchmarks parity "$1" "$work/$1/$2" --data "$text" --batch "$batch" --device "$device" --steps "$3" "${precision[@]}"
}
{
    for model in $models; do
        [ "$device" = cpu ] || parity "$model" bfloat16 "$steps"
        parity "$model" float32 "$([ "$device" = cpu ] && echo "$steps" || echo 0)"
    done
    runs=()
    for model in $models; do
        [ -d "$work/$model" ] && runs+=("$work/$model")
    done
    echo "== PyTorch $(date +%T)"
    python3 "$here/torch_parity.py" "$out/cuda-parity.json" "${runs[@]}" --device "$device"
    echo "exit $? $(date +%T)"
} 2>&1 | tee "$out/cuda-parity.log"
grep -q '^exit 0' "$out/cuda-parity.log"
