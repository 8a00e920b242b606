#!/usr/bin/env bash
# Runs every fuzz target for a given time each (default 60 seconds). Needs nightly and cargo-fuzz.
# usage: ci/fuzz.sh [SECONDS] [TARGET ...]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
targets=${*:-$(cd fuzz/fuzz_targets && ls *.rs | sed 's/\.rs$//')}
for target in $targets; do
    work=fuzz/corpus-work/$target
    mkdir -p "$work"
    echo "== $target: $seconds s"
    cargo +nightly fuzz run --fuzz-dir fuzz "$target" "$work" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 2>&1 |
        grep -E 'panicked|SUMMARY|ERROR|Test unit|number_of_executed|cov:' | tail -4
done
