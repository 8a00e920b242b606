#!/usr/bin/env bash
# ThreadSanitizer and AddressSanitizer over the stress course and over the whole host. Needs a nightly toolchain; where
# there is none, it says so and passes. About four minutes to build and one to run, on two cores.
#
# usage: ci/sanitizers.sh [THOUSANDS]      records of each stress course (default 300)
#
# The programs have no test harness. The standard library is built along if its source can be had (rust-src): in the
# stock one, a mutex that had to wait is invisible to ThreadSanitizer, and everything that it guards looks like a race.
# So without the source only AddressSanitizer runs. Fences are not modelled by ThreadSanitizer; the trails' words are
# atomics, so that costs no false alarm, and what the fences are for is shown by the models.
set -euo pipefail
cd "$(dirname "$0")/.."
records=${1:-300}
cargo +nightly --version > /dev/null 2>&1 || { echo "no nightly toolchain: no sanitizers"; exit 0; }
source=$(rustc +nightly --print sysroot)/lib/rustlib/src/rust/library
[ -d "$source" ] || rustup +nightly component add rust-src 2> /dev/null || echo "no source of the standard library"
sanitizers="thread address" std=-Zbuild-std
[ -d "$source" ] || sanitizers=address std=
host=$(rustc -vV | sed -n 's/^host: //p')
export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1" ASAN_OPTIONS="detect_leaks=1"

# A guest under the audit. 0, 1 and 3 are reports: so slow, records are lost. Everything else is a find.
guest() { # PROGRAM GUEST OPTIONS
    local status=0 program=$1 name=$2
    shift 2
    "$program" run "guests/bin/$name.elf" --trace-handles "$@" > /dev/null 2> "$errors" || status=$?
    if [[ $status != [013] ]] || grep -q Sanitizer "$errors"; then
        cat "$errors"
        echo "$name $*: exit code $status" >&2
        return 1
    fi
    echo "$name $*: clean"
}

errors=$(mktemp)
capture=$(mktemp)
suppressions=$(mktemp)
trap 'rm -f "$errors" "$capture" "$suppressions"' EXIT
# Where a crash is noted is never freed: a signal handler may be reading it on another thread.
echo "leak:leave_crash_notes" > "$suppressions"
export LSAN_OPTIONS="suppressions=$suppressions:print_suppressions=0"
for sanitizer in $sanitizers; do
    echo "== $sanitizer"
    export RUSTFLAGS="-Zsanitizer=$sanitizer -Cunsafe-allow-abi-mismatch=sanitizer"
    target=${CARGO_TARGET_DIR:-target}/sanitizer-$sanitizer
    build() { cargo +nightly build -q $std --locked --release --target "$host" --target-dir "$target" "$@"; }
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
