#!/usr/bin/env bash
# Mutation testing: changes the code in many small ways and sees whether a test notices. Needs cargo-mutants
# (cargo install --locked cargo-mutants). docs/mutants.md has the last figures and the survivors.
#
# usage: [TESTS="ARGUMENTS"] [ONE_BUILD=1] ci/mutants.sh GROUP [ARGUMENT ...]
#   GROUP      ring, order, trail, record, capture, diagnosis or all; what belongs to each is below
#   ARGUMENT   goes to cargo mutants: --shard 0/8 for a part of the work
#   TESTS      goes to cargo test instead of what the group says
#   ONE_BUILD  builds all mutants of the group at once, each behind a switch, and runs the tests with one after the other
#              on: a mutant costs a run of the tests and no build. Needs Python; JOBS (2) says how many run at a time.
#              The outcomes stand in target/mutants-GROUP.txt, and what stands there is not tried again.
#
# Without ONE_BUILD a mutant costs a build of its crate and the tests named here, about ten seconds on one core. With it, the
# hundreds of a group take some minutes. Shards are dealt out one by one, so each is a sample of every file. What these
# tests let through is tried again with those of the crates that use the mutated one:
# grep ^missed target/mutants-GROUP.txt, and TESTS="-p ...".
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
    if [ -n "${ONE_BUILD:-}" ]; then
        in_one_build "$@"
        return
    fi
    # 2: there are survivors; 3: some ran into the clock, which counts as caught.
    # shellcheck disable=SC2086
    cargo mutants -p "$package" "${only[@]}" -o "target/mutants-$name" --no-times "$@" \
        -- $tests || case $? in 2 | 3) ;; *) exit 1 ;; esac
}

# Copies what git knows, for the copy is rewritten.
in_one_build() { # ARGUMENT ...
    local python tree list
    python=$(ci/python.sh target/mutants-python tree-sitter==0.26.1 tree-sitter-rust==0.24.2)
    tree=$(mktemp -d)
    list=$(mktemp)
    git ls-files -z | xargs -0 cp --parents -t "$tree"
    cargo mutants -p "$package" "${only[@]}" --list --json "$@" > "$list"
    # shellcheck disable=SC2086
    "$python" ci/mutants_in_one_build.py "$package" "$list" "$tree" "target/mutants-$name.txt" -p "$package" $tests
    rm -r "$tree" "$list"
}

# Stress runs a million records; the rest of the tests take a few seconds.
quick="-- --skip stress"

ring() {
    mutate ring spsc-ring "crates/spsc-ring/src/*.rs" "--lib --tests" "$@"
}

# What decides the order and the meaning of a record.
order() {
    mutate order handle-audit "$audit/stamp.rs $audit/tag.rs $audit/merge.rs $audit/fold.rs" "--lib --tests $quick" "$@"
}

trail() {
    mutate trail handle-audit "$audit/store/*.rs $audit/trail.rs $audit/map.rs $audit/snapshot.rs" "--lib $quick" "$@"
}

record() {
    mutate record handle-audit \
        "$audit/drain.rs $audit/recorder.rs $audit/lane.rs $audit/ledger.rs $audit/losses.rs $audit/record.rs
         $audit/pipeline.rs $audit/shared.rs $audit/audit.rs $audit/capture.rs $audit/replay.rs $audit/config.rs
         $audit/entry.rs $audit/operation.rs $audit/focus.rs $audit/label.rs $audit/aux.rs" \
        "--lib --tests $quick" "$@"
}

# Without the tests that damage hundreds of captures, that kill writers, and that call Python.
capture() {
    mutate capture handle-capture "" \
        "--lib --test endings --test exports --test faults --test places --test recovery" "$@"
}

diagnosis() {
    mutate diagnosis handle-diagnosis "" "--lib --tests" "$@"
}

group=${1:?usage: ci/mutants.sh GROUP [ARGUMENT ...]}
shift
case $group in
    all) for each in ring order trail record capture diagnosis; do "$each" "$@"; done ;;
    ring | order | trail | record | capture | diagnosis) "$group" "$@" ;;
    *) echo "no such group: $group" >&2; exit 2 ;;
esac
