#!/usr/bin/env bash
# Runs the fuzz targets, each until it has used so many seconds of processor time, and prints what each came to:
# executions, edges covered of those there are, inputs kept. Needs nightly and cargo-fuzz.
# Ten minutes for each of nine targets take an hour and a half of one core.
#
# usage: [SANITIZER=none] ci/fuzz.sh [CPU-SECONDS] [TARGET ...]   all targets for a minute each unless told otherwise
#        [SANITIZER=none] ci/fuzz.sh minimise [TARGET ...]        shrinks what was found into fuzz/corpus
#
# What brings a target down is copied to fuzz/corpus/TARGET/find-..., so cargo test replays it from then on: commit it with
# the mend. Minimising keeps it.
#
# SANITIZER is what cargo-fuzz is told: address unless set. The only unsafe code beneath the targets is in spsc-ring, under
# ring_ops, record_sequences and fold_order; the others run two to five times as often with none.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
targets=${*:-$(cd fuzz/fuzz_targets && ls *.rs | sed 's/\.rs$//')}
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
sanitizer=${SANITIZER:-address}
programs=fuzz/target/$sanitizer/$host/release
# What a run may take: a capture or an image that makes it take more is a find. The time is by the clock, so it leaves
# room for a machine that others use: no input needs a second of its own.
limits="-timeout=300 -rss_limit_mb=2048 -malloc_limit_mb=512"
# Inputs beyond this size cover no more, so they are not kept.
longest=4096

cargo +nightly fuzz build --fuzz-dir fuzz -s "$sanitizer" --target-dir "fuzz/target/$sanitizer"

# Kept inputs are short, and few: one for each part of the coverage.
minimise() {
    local target=$1 fresh
    fresh=$(mktemp -d)
    "$programs/$target" -merge=1 -max_len=1024 $limits "$fresh" "fuzz/corpus/$target" \
        "fuzz/corpus-work/$target" 2> /dev/null
    for file in "$fresh"/*; do
        cp "$file" "fuzz/corpus/$target/$(sha1sum "$file" | cut -c 1-12)"
    done
    rm -r "$fresh"
    echo "$target: $(ls "fuzz/corpus/$target" | wc -l) inputs"
}

# An input that is only slow brings nothing down.
keep_finds() {
    local target=$1 log=$2 file kept
    sed -n 's/.*Test unit written to //p' "$log" | { grep -v '/slow-unit-' || true; } | while read -r file; do
        kept=fuzz/corpus/$target/find-$(sha1sum "$file" | cut -c 1-12)
        cp "$file" "$kept"
        echo "kept as $kept"
    done
}

run() {
    local target=$1 log=fuzz/corpus-work/$1.log status=0
    mkdir -p "fuzz/corpus-work/$target" "fuzz/artifacts/$target"
    "$programs/$target" -max_len=$longest $limits -print_final_stats=1 \
        "-artifact_prefix=fuzz/artifacts/$target/" "fuzz/corpus-work/$target" "fuzz/corpus/$target" \
        > "$log" 2>&1 &
    local fuzzer=$!
    while kill -0 $fuzzer 2> /dev/null && [ "$(ps -o times= -p $fuzzer || echo "$seconds")" -lt "$seconds" ]; do
        sleep 1
    done
    kill -INT $fuzzer 2> /dev/null || echo "$target ended by itself"
    wait $fuzzer || status=$?
    local executed edges all kept
    executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    edges=$(grep -o 'cov: [0-9]*' "$log" | tail -1 | cut -d ' ' -f 2)
    all=$(sed -n 's/^INFO: Loaded .*(\([0-9]*\) inline 8-bit counters).*/\1/p' "$log" | head -1)
    kept=$(ls "fuzz/corpus-work/$target" | wc -l)
    printf '%-18s %5s s of CPU  %12s executions  %6s of %6s edges  %5s inputs\n' \
        "$target" "$seconds" "${executed:-?}" "${edges:-?}" "${all:-?}" "$kept"
    # 72: libFuzzer was interrupted, as it should be.
    if [ $status -ne 72 ]; then
        grep -aE 'panicked|SUMMARY|ERROR|Test unit' "$log" | tail -4
        keep_finds "$target" "$log"
        return 1
    fi
}

failed=0
for target in $targets; do
    if [ "$seconds" = minimise ]; then
        minimise "$target"
    else
        run "$target" || failed=1
    fi
done
exit $failed
