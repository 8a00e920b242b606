#!/usr/bin/env bash
# Exports captures of some guests as Perfetto traces and decodes them with the messages that Perfetto publishes, through
# protobuf: slices and flows are counted and compared with what another reader finds in the capture. Installs Python if
# it is missing, and the packages into a directory of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release -q -p htrail
htrail=${CARGO_TARGET_DIR:-target}/release/htrail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(ci/python.sh "$work/venv" protobuf==7.36.2 perfetto==0.59.1)

check() { # GUEST OPTION ...
    local guest=$1 status=0
    shift
    "$htrail" run "guests/bin/$guest.elf" --trace-handles --trace-out "$work/run.htrail" --json "$@" \
        > "$work/run.json" 2> "$work/run.err" || status=$?
    # The exit code tells of the guest; 2 and 4 tell of us.
    case $status in 0 | 1 | 3) ;; *) cat "$work/run.err" >&2; return 1 ;; esac
    printf '%-10s ' "$guest"
    "$python" ci/check_perfetto.py "$htrail" "$work/run.htrail" "$work"
}

check boot_hang
check pingpong
check waits
check timers
check promise --mount guests/disc
check file_io --mount guests/disc
# Rings too small for what they are to take: records are lost.
check storm --arg 40 --ring-capacity 64
