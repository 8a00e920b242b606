#!/usr/bin/env bash
# A report on a running `storm` every 10 ms for 10 s: the guest's result is right, and the drain is not slowed down beyond
# 1.5 times. About half a minute; not part of the gate, because it measures time. Needs python3.
#
# usage: ci/live-report.sh [HOPS]     (default 60000; more, where the run is over before the 10 s are)
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release -q -p htrail
cargo build --release -q -p handle-capture --example look_on
release=${CARGO_TARGET_DIR:-target}/release
exec python3 ci/live_report.py "$release/htrail" "$release/examples/look_on" "$@"
