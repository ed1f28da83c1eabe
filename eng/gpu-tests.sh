#!/usr/bin/env bash
# Runs the tests that need a GPU on a machine with a driver, NVRTC and nothing else. One line a step, and a last one with the
# sum: "N passed, N failed, N skipped"; the same as OUT/gpu-tests.json. Every step has a time limit of its own; what it had done
# by then counts, and so does one failure for it.
#
#   eng/pack.sh gpu-tests.tar.xz tests/ModGen.Cuda.Tests tests/ModGen.Oracle.Tests tests/ModGen.Tests bench/ModGen.Benchmarks
#   eng/gpu-tests.sh BUNDLE OUT [STEP ...]         there: BUNDLE is the archive or the folder it was unpacked to
#
# Steps, in the order of the usual run: runtime parity tiles models calls sweep poison card killed refused. Not in the usual run: sweep-bfloat16 sanitize.
# SWEEP=200 random models in SHARE=8 processes; MODGEN_CACHE names the folder of compiled kernels, a new one otherwise.
set -uo pipefail

if [ $# -lt 2 ]; then
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi

mkdir -p "$2"
bundle=$(realpath "$1") out=$(realpath "$2")
shift 2
steps=("$@")
[ $# -gt 0 ] || steps=(runtime parity tiles models calls sweep poison card killed refused)
if [ -f "$bundle" ]; then
    folder=$(mktemp -d)
    tar -C "$folder" -xf "$bundle" || exit 2
    bundle=$folder/bundle
fi
run=$bundle/run
kernels=${MODGEN_CACHE:-$(mktemp -d)}
export MODGEN_CACHE=$kernels
sweep=${SWEEP:-200} share=${SHARE:-8} cores=$(nproc)
passed=0 failed=0 skipped=0 started=$SECONDS rows=()
fast=--Ofast-compile=mid

# The last count of a kind in a test program's summary; from its progress where it did not come to one.
count() {
    local number
    number=$(sed -n "s/^ *$2: *\([0-9][0-9]*\).*/\1/p" "$1" | tail -n 1)
    [ -n "$number" ] || number=$(grep -o '\[+[0-9]*/x[0-9]*/?[0-9]*\]' "$1" | tail -n 1 | sed "s#.*$3\([0-9]*\).*#\1#")
    echo "${number:-0}"
}

# row NAME PASSED FAILED SKIPPED SECONDS: a step's row of the JSON.
row() { rows+=("{\"step\": \"$1\", \"passed\": $2, \"failed\": $3, \"skipped\": $4, \"seconds\": $5}"); }

# left NAME COUNT WHY: tests of a step that cannot run here.
left() {
    skipped=$((skipped + $2))
    row "$1" 0 0 "$2" 0
    echo "$1: 0 passed, 0 failed, $2 skipped, $3"
}

# report NAME STATUS SECONDS: adds up what a step's log says.
report() {
    local log=$out/$1.log p f s note=
    p=$(count "$log" succeeded '+') f=$(count "$log" failed '\/x') s=$(count "$log" skipped '?')
    case $2 in
        124 | 137) f=$((f + 1)) note=", ran into its time limit" ;;
        0) ;;
        8) [ "$s" -gt 0 ] && note=", all skipped: $(grep -m 1 -A 1 '^skipped' "$log" | tail -n 1)" || { f=$((f + 1)) note=", no test ran"; } ;;
        *) [ "$f" -gt 0 ] || { f=1 note=", ended with $2: $(grep -v '^ *$' "$log" | tail -n 1 | cut -c 1-200)"; } ;;
    esac
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    echo "$1: $p passed, $f failed, $s skipped, $3 s$note"
    row "$1" "$p" "$f" "$s" "$3"
    [ "$f" -eq 0 ] || grep -A 3 '^failed ' "$log" | cut -c 1-300 | head -n 24
}

# A program of the bundle that is no suite of tests is one test.
single() {
    "$@"
    local status=$?
    echo "  succeeded: $((status == 0))"
    echo "  failed: $((status != 0))"
    return "$status"
}

# start NAME LIMIT COMMAND...: begins a step in the background, its output in a log.
names=() jobs=()
start() {
    local name=$1 limit=$2
    shift 2
    names+=("$name")
    (
        began=$SECONDS
        timeout -k 10 "$limit" "$@" > "$out/$name.log" 2>&1
        echo "$? $((SECONDS - began))" > "$out/$name.status"
    ) &
    jobs+=($!)
}

# Waits for all that was started, and reports it in its order.
finish() {
    local i name
    for i in "${!names[@]}"; do
        name=${names[i]}
        wait "${jobs[i]}"
        report "$name" $(cat "$out/$name.status")
        rm -f "$out/$name.status"
    done
    names=() jobs=()
}

oracle() { start "$1" "$2" "$run" ModGen.Oracle.Tests --filter-class "ModGen.Oracle.Tests.$3"; }

runtime() {
    start runtime 240 "$run" ModGen.Cuda.Tests
    finish
}

parity() {
    oracle parity-float32 400 TrainingParityOnCuda
    oracle parity-bfloat16 400 TrainingParityOnCudaBFloat16
    oracle causal-float32 400 CausalOnCuda
    oracle causal-bfloat16 400 CausalOnCudaBFloat16
    finish
}

tiles() {
    oracle tiles-float32 400 TilesOnCuda
    oracle tiles-bfloat16 400 TilesOnCudaBFloat16
    finish
}

models() {
    start models 300 "$run" ModGen.Tests --filter-class '*OnCuda' '*InBFloat16' '*InFloat32' '*Devices.DeviceTests'
    finish
}

calls() {
    start calls 200 "$run" ModGen.Tests --filter-class '*CallsOnDevice' '*CallsOnFake'
    finish
}

# random NAME CLASS: models drawn at random, shared out to processes.
random() {
    local part first last
    for ((part = 0; part < share; part++)); do
        first=$((sweep * part / share + 1)) last=$((sweep * (part + 1) / share))
        start "$1-$first-$last" 500 env MODGEN_SWEEP="$first-$last" MODGEN_NVRTC_OPTIONS="${MODGEN_NVRTC_OPTIONS-$fast}" DOTNET_PROCESSOR_COUNT=$(((cores + share - 1) / share)) \
            "$run" ModGen.Oracle.Tests --filter-class "ModGen.Oracle.Tests.$2"
    done
    finish
}

sweep() { random sweep RandomSpecsOnCuda; }

sweep-bfloat16() { random sweep-bfloat16 RandomSpecsOnCudaBFloat16; }

poison() {
    start poison-float32 300 env MODGEN_CUDA_POISON=1 "$run" ModGen.Oracle.Tests --filter-class '*TrainingParityOnCuda' '*TilesOnCuda' '*CausalOnCuda'
    start poison-bfloat16 300 env MODGEN_CUDA_POISON=1 "$run" ModGen.Oracle.Tests --filter-class '*TrainingParityOnCudaBFloat16' '*TilesOnCudaBFloat16' '*CausalOnCudaBFloat16'
    finish
}

# Alone on the device: it fills it.
card() {
    start card 120 "$run" ModGen.Tests --filter-class '*CudaFullCardTests'
    finish
}

# unusable NAME COUNT: counts tests as skipped where there is no GPU.
unusable() {
    "$run" ModGen.Benchmarks smoke check && return 1
    left "$1" "$2" "there is no GPU that can be used"
}

# A process killed while it compiles leaves a folder of kernels that the next one works with.
killed() {
    unusable killed 1 && return
    start killed 200 bash -c "$(declare -f single)"'
        export MODGEN_CACHE=$1/killed-kernels
        "$2" ModGen.Benchmarks smoke bfloat16 OddSizes > /dev/null & victim=$!
        for ((i = 0; i < 600; i++)); do
            [ "$(ls "$MODGEN_CACHE" 2> /dev/null | grep -c "kernel$")" -ge 5 ] && break
            kill -0 "$victim" 2> /dev/null || break
            sleep 0.05
        done
        kill -9 "$victim"; wait "$victim" 2> /dev/null
        echo "killed with $(ls "$MODGEN_CACHE" | grep -c "kernel$") kernels and $(ls "$MODGEN_CACHE" | grep -c "tmp$") temporary files"
        first=$(ls -d "$MODGEN_CACHE"/*.kernel | head -n 1)
        [ -n "$first" ] && printf damaged > "$first"
        single "$2" ModGen.Benchmarks smoke bfloat16 OddSizes' - "$out" "$run"
    finish
    rm -rf "$out/killed-kernels"
}

# No NVRTC, no such device, no device at all: one line each, by name, and no stack.
refused() {
    unusable refused 3 && return
    start refused 60 bash -c '
        ok=0 bad=0
        refuses() {
            local text
            text=$(env "$1" "$run" ModGen.Benchmarks model Dense bench --device "$2" 2>&1)
            if [ $? -eq 1 ] && grep -q "^error: --device $2 cannot be used: .*$3" <<< "$text" && ! grep -q "^   at " <<< "$text"; then ok=$((ok + 1)); else bad=$((bad + 1)); fi
            echo "$text"
        }
        run=$1
        refuses MODGEN_NVRTC=/nowhere/libnvrtc.so cuda "/nowhere"
        refuses MODGEN_NVRTC= cuda:63 "63"
        refuses CUDA_VISIBLE_DEVICES= cuda "driver"
        echo "  succeeded: $ok"; echo "  failed: $bad"
        [ "$bad" -eq 0 ]' - "$run"
    finish
}

# Every kernel of three small models under each of the checkers, side by side.
sanitize() {
    local tool checker options
    checker=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer /opt/nvidia/*/compute-sanitizer 2> /dev/null | head -n 1)
    if [ -z "$checker" ]; then
        left sanitize 4 "compute-sanitizer is not installed"
        return
    fi
    unusable sanitize 4 && return
    # Without a checker first: kernels are compiled, and a failure is the models' own.
    start smoke 200 bash -c "$(declare -f single)"'; single "$@"' - "$run" ModGen.Benchmarks smoke
    finish
    for tool in ${SANITIZE_TOOLS:-memcheck racecheck initcheck synccheck}; do
        # Where a kernel's parameters end is found by asking past the last one, which the driver refuses; every status is checked by the product itself.
        options=()
        [ "$tool" = memcheck ] && options=(--report-api-errors no)
        start "$tool" "${SANITIZE_LIMIT:-450}" bash -c "$(declare -f single)"'; single "$@"' - \
            "$checker" --tool "$tool" --error-exitcode 9 --target-processes all --print-limit 100 "${options[@]}" ${SANITIZE_OPTIONS:-} "$run" ModGen.Benchmarks smoke ${SANITIZE_MODELS:-}
    done
    finish
    grep -h -E 'SUMMARY' "$out"/*check.log
}

for step in "${steps[@]}"; do
    case $step in
        runtime | parity | tiles | models | calls | sweep | sweep-bfloat16 | poison | card | killed | refused | sanitize) ;;
        *) echo "gpu-tests: there is no step $step" >&2; exit 2 ;;
    esac
    echo "== $step, $((SECONDS - started)) s"
    "$step"
done
rm -f "$out"/*.status

# The device by the driver's tool where it has one.
device=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2> /dev/null | head -n 1)
{
    printf '{\n "commit": "%s",\n "device": "%s",\n "passed": %d,\n "failed": %d,\n "skipped": %d,\n "steps": [\n' \
        "$(cat "$bundle/commit" 2> /dev/null)" "$device" "$passed" "$failed" "$skipped"
    for i in "${!rows[@]}"; do
        printf '  %s%s\n' "${rows[i]}" "$([ "$i" -lt $((${#rows[@]} - 1)) ] && echo ,)"
    done
    printf ' ]\n}\n'
} > "$out/gpu-tests.json"
echo "took $((SECONDS - started)) s; logs in $out"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
