#!/usr/bin/env bash
# Compiles every kernel family with clang for the architectures it is meant for, on a machine without a GPU or CUDA: the C++,
# the static assertions, the operand constraints of the inline PTX and what each kernel holds of static shared memory are checked, the
# PTX text itself is not.
# An instance whose second line is "// precisions: both" is compiled with bfloat16 and with float32 operands.
# usage: eng/check-kernels.sh [FAMILY ...]   needs clang++ 22 (Debian: apt-get install clang-22), or CLANG=path
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
kernels=$root/generators/ModGen.Compiler/Emit/Cuda/Kernels
clang=${CLANG:-clang++-22}
command -v "$clang" > /dev/null || { echo "check-kernels: $clang is not installed (Debian: apt-get install clang-22)" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

passed=0 failed=0
for instance in "$root"/bench/kernels/instances/*.cu; do
    name=$(basename "$instance" .cu)
    if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
    families=$(sed -n '1s/^\/\/ families: //p' "$instance")
    architectures=sm_80; [[ $name == *sm90* ]] && architectures=sm_90a
    [[ $name == *sm80* || $name == *sm90* ]] || architectures="sm_80 sm_90a"
    { echo "#include \"$root/eng/cuda-shim.h\""; for f in $families; do echo "#include \"$kernels/$f.cuh\""; done; echo "#include \"$instance\""; } > "$work/$name.cu"
    float32="0"; if [ "$(sed -n 2p "$instance")" = "// precisions: both" ]; then float32="0 1"; fi
    for arch in $architectures; do for f in $float32; do
        feature=ptx78; [[ $arch == sm_90a ]] && feature=ptx85
        if "$clang" -x cuda --cuda-device-only -nocudainc -nocudalib --cuda-gpu-arch="$arch" --cuda-feature=+$feature -O3 -std=c++17 -DMODGEN_FLOAT32="$f" \
            -Wall -Wextra -Werror -Wno-unknown-cuda-version -Wno-pass-failed -S -o "$work/$name.ptx" "$work/$name.cu" && awk -f "$root/eng/static-shared.awk" "$work/$name.ptx"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED $name $arch MODGEN_FLOAT32=$f"; fi
    done; done
done
[ $((passed + failed)) -gt 0 ] || { echo "check-kernels: no family '$*'" >&2; exit 2; }
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
