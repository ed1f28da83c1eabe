#!/usr/bin/env bash
# Times a training step of width 512 on two cores, ModGen's and PyTorch's in turn, dense and with every other block at
# 12.5 %. For a machine with PyTorch and an unpacked eng/pack.sh bundle of bench/ModGen.Benchmarks.
#
#   bench/peers/cpu_step.sh BUNDLE OUT
set -euo pipefail
bundle=$1 out=$2
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
two() { taskset -c 0,1 "$@"; }

lscpu | grep -E 'Model name|^CPU\(s\)|Thread|L2|L3' | tee "$out/machine.txt"
torch() {
    two env OMP_NUM_THREADS=2 python3 "$here/torch_mod.py" train --device cpu --threads 2 --steps 5 \
        --d 512 --layers 8 --heads 8 --ff 1408 --seq 512 --batch 8 --vocab 256 "$@" | tee -a "$out/cpu-step-torch.jsonl"
}
rm -f "$out/cpu-step-torch.jsonl"
torch --eager
two "$bundle/run" ModGen.Benchmarks step --threads 2 --json "$out/cpu-step.json"
torch --eager --capacity 0.125
two "$bundle/run" ModGen.Benchmarks decode --threads 2 --json "$out/cpu-decode.json"
taskset -c 0 "$bundle/run" ModGen.Benchmarks gemm --threads 1 --json "$out/cpu-gemm.json"
