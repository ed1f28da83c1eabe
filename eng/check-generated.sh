#!/usr/bin/env bash
# Compiles the kernels that models became with clang, in both precisions, on a machine without a GPU or CUDA: every size of a
# declaration filled in, which the families' own instances are not. Checks what eng/check-kernels.sh checks.
# usage: eng/check-generated.sh PROJECT ...   projects of console programs around a model; the quickstart when none is named
#        needs clang++ 22 (Debian: apt-get install clang-22), or CLANG=path, and the .NET SDK
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
clang=${CLANG:-clang++-22}
command -v "$clang" > /dev/null || { echo "check-generated: $clang is not installed (Debian: apt-get install clang-22)" >&2; exit 2; }
[ $# -gt 0 ] || set -- "$root/samples/Quickstart"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One kernel for one architecture; prints its name when it does not compile.
compile() {
    file=$1 arch=$2 feature=ptx78
    [[ $arch == sm_90a ]] && feature=ptx85
    "$clang" -x cuda --cuda-device-only -nocudainc -nocudalib --cuda-gpu-arch="$arch" --cuda-feature=+$feature -O1 -std=c++17 -include "$root/eng/cuda-shim.h" \
        -Wno-unknown-cuda-version -Wno-pass-failed -S -o "$file.$arch" "$file" && awk -f "$root/eng/static-shared.awk" "$file.$arch" >&2 \
        || echo "FAILED ${file##*/} $arch $(sed -n 2p "$file")"
    rm -f "$file.$arch"
}
export -f compile
export clang root

for project in "$@"; do for precision in bfloat16 float32; do
    folder=$work/$(basename "$project")-$precision
    dotnet run -c Release --project "$project" -- inspect --kernels "$folder" --precision "$precision" > /dev/null
    for file in "$folder"/*.cu; do
        # Instructions of Hopper's own are in families that say so.
        if grep -q '^#line 1 ".*\(sm90\|wgmma\)' "$file"; then echo "$file sm_90a"; else echo "$file sm_80"; echo "$file sm_90a"; fi
    done
done; done > "$work/jobs"
xargs -P "$(nproc)" -L 1 bash -c 'compile "$@"' _ < "$work/jobs" | tee "$work/failed"
jobs=$(wc -l < "$work/jobs") failed=$(wc -l < "$work/failed")
[ "$jobs" -gt 0 ] || { echo "check-generated: the models hold no kernels" >&2; exit 2; }
echo "$((jobs - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
