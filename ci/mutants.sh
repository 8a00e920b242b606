#!/usr/bin/env bash
# Mutation testing: changes the code in many small ways and sees whether a test notices. Needs cargo-mutants
# (cargo install --locked cargo-mutants). docs/mutants.md has the last figures and the survivors.
#
# usage: [TESTS="ARGUMENTS"] ci/mutants.sh GROUP [ARGUMENT ...]
#   GROUP      ring, order, trail, record, capture, diagnosis or all; what belongs to each is below
#   ARGUMENT   goes to cargo mutants: --shard 0/8 for a part of the work, --iterate to skip what was caught before,
#              -j 2 for two at a time
#   TESTS      goes to cargo test instead of what the group says
#
# Shards are dealt out one by one, so each is a sample of every file. One mutant costs a build of its crate and the
# tests named here, about ten seconds on one core. What these let through is tried again with more:
# TESTS="--workspace" ci/mutants.sh GROUP --iterate.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cargo-mutants > /dev/null || { echo "cargo-mutants is not installed"; exit 1; }
# Properties are tried less often than in a test run.
export PROPTEST_CASES=${PROPTEST_CASES:-64}

audit=crates/handle-audit/src

mutate() { # NAME PACKAGE "FILES" "TESTS" ARGUMENT ...
    local name=$1 package=$2 only=() tests=${TESTS:-$4}
    for file in $3; do only+=(-f "$file"); done
    shift 4
    echo "== $name: $tests"
    # 2: there are survivors; 3: some ran into the clock, which counts as caught.
    # shellcheck disable=SC2086
    cargo mutants -p "$package" "${only[@]}" -o "target/mutants-$name" --no-times "$@" \
        -- $tests || case $? in 2 | 3) ;; *) exit 1 ;; esac
}

# Stress runs a million records; the rest of the tests take a few seconds.
quick="--lib -- --skip stress"

ring() {
    mutate ring spsc-ring "crates/spsc-ring/src/*.rs" "--lib --tests" "$@"
}

# What decides the order and the meaning of a record.
order() {
    mutate order handle-audit "$audit/stamp.rs $audit/merge.rs $audit/fold.rs" "$quick" "$@"
}

trail() {
    mutate trail handle-audit "$audit/store/*.rs $audit/trail.rs $audit/map.rs $audit/snapshot.rs" "$quick" "$@"
}

record() {
    mutate record handle-audit \
        "$audit/drain.rs $audit/recorder.rs $audit/lane.rs $audit/ledger.rs $audit/losses.rs $audit/record.rs
         $audit/pipeline.rs $audit/shared.rs $audit/audit.rs $audit/capture.rs $audit/replay.rs $audit/config.rs
         $audit/entry.rs $audit/operation.rs $audit/focus.rs $audit/label.rs $audit/aux.rs" \
        "--lib --tests -- --skip stress" "$@"
}

capture() {
    mutate capture handle-capture "crates/handle-capture/src/**/*.rs" "--lib --tests" "$@"
}

diagnosis() {
    mutate diagnosis handle-diagnosis "crates/handle-diagnosis/src/**/*.rs" "--lib --tests" "$@"
}

group=${1:?usage: ci/mutants.sh GROUP [ARGUMENT ...]}
shift
case $group in
    all) for each in ring order trail record capture diagnosis; do "$each" "$@"; done ;;
    ring | order | trail | record | capture | diagnosis) "$group" "$@" ;;
    *) echo "no such group: $group" >&2; exit 2 ;;
esac
