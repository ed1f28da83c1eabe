#!/usr/bin/env bash
# Runs kernels on the CPU, without a GPU or CUDA: index arithmetic, layouts, pipelines and barriers against float64, with copies
# that arrive late and warps that fall behind. It says nothing of speed, memory ordering or what ptxas makes of the source.
# A test whose second line is "// precisions: both" is compiled and run a second time with float32 operands.
# usage: eng/emulate-kernels.sh [TEST ...]   x86-64; needs clang++ 16 or later (CXX, or Debian's clang++-22)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
kernels=$root/generators/ModGen.Compiler/Emit/Cuda/Kernels
cxx=${CXX:-clang++-22}
command -v "$cxx" > /dev/null || { echo "emulate-kernels: $cxx is not installed (Debian: apt-get install clang-22)" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

passed=0 failed=0
for test in "$root"/bench/kernels/emulator/*.cpp; do
    name=$(basename "$test" .cpp)
    if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
    {
        echo "#include \"$root/bench/kernels/emulator/attention_reference.h\""
        for family in $(sed -n '1s/^\/\/ families: //p' "$test"); do
            echo "#line 1 \"$family.cuh\""
            sed -e 's/extern __shared__ .* \([a-z]*_memory\)\[\];/auto\& \1 = emulator::shared_memory;/' \
                -e 's/extern __shared__ u32 \([a-z_]*\)\[\];/u32* \1 = reinterpret_cast<u32*>(emulator::shared_memory);/' \
                -e 's/^\( *\)__shared__ /\1static /' "$kernels/$family.cuh"
        done
        echo "#line 1 \"$test\""
        cat "$test"
    } > "$work/$name.cpp"
    float32="0"; if [ "$(sed -n 2p "$test")" = "// precisions: both" ]; then float32="0 1"; fi
    for f in $float32; do
        if "$cxx" -std=c++17 -O2 -I"$root/bench/kernels/emulator" -I"$kernels" -DMODGEN_FLOAT32="$f" -Wall -Wextra -Werror -Wno-unknown-pragmas -Wno-pass-failed -o "$work/$name" "$work/$name.cpp" && "$work/$name"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAILED $name MODGEN_FLOAT32=$f"
        fi
    done
done
[ $((passed + failed)) -gt 0 ] || { echo "emulate-kernels: no test '$*'" >&2; exit 2; }
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
