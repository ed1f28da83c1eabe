#!/usr/bin/env bash
# Does what a newcomer does: a fresh clone, an empty NuGet cache, the README's command. Fails when that takes longer than
# it may or learns too little; writes what it measured as one JSON object.
#
#   eng/check-quickstart.sh [RESULT.json]
#
# Limits, for two idle cores: SECONDS_LIMIT (150, build included) and LOSS_LIMIT (1.6 nats a byte).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
result=${1:+$(realpath -m "$1")}
seconds_limit=${SECONDS_LIMIT:-150} loss_limit=${LOSS_LIMIT:-1.6}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

git clone --quiet "$root" "$work/clone"
cd "$work/clone"
export NUGET_PACKAGES="$work/packages" MSBUILDDISABLENODEREUSE=1 DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
start=$(date +%s.%N)
dotnet run -c Release --project samples/Quickstart | tee "$work/log" >&2
seconds=$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')

number() { sed -n "s/$1/\1/p" "$work/log" | tail -n 1; }
loss=$(number '^step [0-9]*  validation \([0-9.]*\) nats.*')
steps=$(number '^step \([0-9]*\)  validation .*')
causal=$(number '^│ causal, as sampled *│ *\([0-9.]*\) .*')
topk=$(number '^│ top-k, as trained *│ *\([0-9.]*\) .*')
processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2> /dev/null | head -n 1)
printf '{"commit":"%s","processor":"%s","processors":%s,"sdk":"%s","seconds":%s,"steps":%s,"validation_nats_per_byte":%s,"top_k_nats_per_byte":%s,"causal_nats_per_byte":%s,"load_average":"%s"}\n' \
    "$(git rev-parse --short HEAD)" "$processor" "$(nproc)" "$(dotnet --version)" "$seconds" "$steps" "$loss" "$topk" "$causal" "$(cut -d' ' -f1-3 /proc/loadavg)" > "${result:-/dev/stdout}"
awk -v s="$seconds" -v sl="$seconds_limit" -v l="$loss" -v ll="$loss_limit" 'BEGIN { exit !(s <= sl && l < ll) }' \
    || { echo "check-quickstart: $seconds s (at most $seconds_limit), $loss nats a byte (below $loss_limit)" >&2; exit 1; }
