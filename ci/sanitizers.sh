#!/usr/bin/env bash
# ThreadSanitizer and AddressSanitizer over the stress course and over the whole host. Needs a nightly toolchain; where
# there is none, it says so and passes. About four minutes to build and one to run, on two cores.
#
# usage: ci/sanitizers.sh [THOUSANDS]      records of each stress course (default 300)
#
# The programs have no test harness, and the standard library is the stock one, which is not instrumented: hence
# unsafe-allow-abi-mismatch. ThreadSanitizer does not model fences; the trails' words are atomics, so that costs no
# false alarm, and what the fences are for is shown by the models.
set -euo pipefail
cd "$(dirname "$0")/.."
records=${1:-300}
cargo +nightly --version > /dev/null 2>&1 || { echo "no nightly toolchain: no sanitizers"; exit 0; }
host=$(rustc -vV | sed -n 's/^host: //p')
export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1" ASAN_OPTIONS="detect_leaks=1"

# A guest under the audit: 0 and 1 are reports, everything else is a find.
guest() { # PROGRAM GUEST OPTIONS
    local status=0 program=$1 name=$2
    shift 2
    "$program" run "guests/bin/$name.elf" --trace-handles "$@" > /dev/null 2> "$errors" || status=$?
    if [ "$status" -gt 1 ] || grep -q 'Sanitizer' "$errors"; then
        cat "$errors"
        echo "$name $*: $status" >&2
        return 1
    fi
    echo "$name $*: clean"
}

errors=$(mktemp)
capture=$(mktemp)
trap 'rm -f "$errors" "$capture"' EXIT
for sanitizer in thread address; do
    echo "== $sanitizer"
    export RUSTFLAGS="-Zsanitizer=$sanitizer -Cunsafe-allow-abi-mismatch=sanitizer"
    target=${CARGO_TARGET_DIR:-target}/sanitizer-$sanitizer
    build() { cargo +nightly build -q --locked --release --target "$host" --target-dir "$target" "$@"; }
    build -p handle-audit --features observe --example stress
    build -p htrail
    out=$target/$host/release
    "$out/examples/stress" "$records"
    for name in storm mix waits critsec timers file_io; do
        guest "$out/htrail" "$name"
    done
    guest "$out/htrail" storm --ring-capacity 64
    guest "$out/htrail" mix --trace-out "$capture"
    guest "$out/htrail" mix --deterministic
done
