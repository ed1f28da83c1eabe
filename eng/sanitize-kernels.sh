#!/usr/bin/env bash
# Runs the small checks of the kernel families under compute-sanitizer's four tools, a process a family and tool, as many side by
# side as there are cores; LIMIT seconds each, 110 unless said. One line each, a last one with the sum, and an exit code of 1
# where a tool found anything or did not come to an end.
# usage: eng/sanitize-kernels.sh OUT [FAMILY ...]   OUT is a folder for the logs. TOOLS="memcheck racecheck initcheck synccheck", LIMIT=110 seconds each.
set -uo pipefail
[ $# -gt 0 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
out=$(realpath "$1")
shift
checker=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer /usr/local/cuda*/compute-sanitizer/compute-sanitizer /opt/nvidia/*/compute-sanitizer 2> /dev/null | head -n 1)
[ -n "$checker" ] || { echo "sanitize-kernels: compute-sanitizer is not installed" >&2; exit 2; }
families=("$@")
if [ $# -eq 0 ]; then
    slow=(decode linear_fused attention_bwd attention head linear_sm80)  # so they begin first
    families=("${slow[@]}" $(python3 "$root/bench/kernels/run.py" --list | grep -v -x -F "$(printf '%s\n' "${slow[@]}")"))
fi
tools=(${TOOLS:-racecheck memcheck initcheck synccheck})

# check FAMILY TOOL PORT
check() {
    local log=$out/$2-$1.log began=$SECONDS status found options=()
    # A kernel of PyTorch's is not ours to check; but what it writes, initcheck must see.
    [ "$2" = initcheck ] || options=(--kernel-name-exclude regex=^_Z --kernel-name-exclude 'regex=^(sm[0-9]|cutlass|nvjet|cublas|gemm|gemv|dgemm)')
    [ "$2" = memcheck ] && options+=(--report-api-errors no)
    # Each tensor is an allocation of its own, so that its end is one.
    PYTORCH_NO_CUDA_MEMORY_CACHING=1 timeout -k 5 "$LIMIT" "$checker" --tool "$2" --error-exitcode 9 --target-processes application-only --launch-timeout 60 --port "$3" --print-limit 20 "${options[@]}" \
        python3 "$root/bench/kernels/run.py" "$1" --small > "$log" 2>&1
    status=$?
    found=$(sed -n 's/^=* *\(ERROR\|RACECHECK\) SUMMARY: //p' "$log" | tail -n 1)
    if [ $status -eq 0 ] && grep -q '^   correct' "$log" && [[ $found =~ ^0\  ]]; then echo "ok     $2 $1: $found, $((SECONDS - began)) s"
    elif [ $status -eq 124 ] || [ $status -eq 137 ]; then echo "FAILED $2 $1: ran into its limit of $LIMIT s"
    else echo "FAILED $2 $1: ${found:-no summary}, ended with $status, $((SECONDS - began)) s: $(grep -m 1 -E '^=+ (Error|Invalid|Uninitialized|Barrier error|Program hit)|Error:' "$log" | cut -c 1-160)"
    fi | tee -a "$out/lines"
}
export -f check
export out root checker LIMIT=${LIMIT:-110}
: > "$out/lines"
port=49152 jobs=()
for family in "${families[@]}"; do
    for tool in "${tools[@]}"; do
        jobs+=("$family $tool $port")
        port=$((port + 12))
    done
done
printf '%s\n' "${jobs[@]}" | xargs -P "$(nproc)" -I{} bash -c 'check {}'
passed=$(grep -c '^ok' "$out/lines") failed=$(grep -c '^FAILED' "$out/lines")
echo "took $SECONDS s; logs in $out"
echo "$passed clean, $failed not"
[ "$failed" -eq 0 ] && [ "$passed" -eq "${#jobs[@]}" ]
