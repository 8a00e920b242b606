#!/usr/bin/env bash
# Reads captures that were damaged at random, on every core and at the lowest priority: no panic, bounded memory, bounded
# work, nothing accepted that was not written. Prints how far it is.
#
# usage: ci/mutations.sh [COUNT]     (default a million)
set -euo pipefail
cd "$(dirname "$0")/.."
count=${1:-1000000}
cores=$(nproc)
# Cargo says where the test is.
test=$(cargo test --release -p handle-capture --test mutations --no-run --message-format=json 2> /dev/null |
    grep -o '"executable":"[^"]*/mutations-[^"]*"' | tail -n 1 | cut -d '"' -f 4)
pids=()
for ((core = 0; core < cores; core++)); do
    from=$((count * core / cores)) to=$((count * (core + 1) / cores))
    MUTATIONS_FROM=$from MUTATIONS=$((to - from)) \
        nice -n 19 "$test" --nocapture a_damaged_capture_is_read_as_far_as_it_is_whole &
    pids+=($!)
done
status=0
for pid in "${pids[@]}"; do wait "$pid" || status=1; done
exit $status
