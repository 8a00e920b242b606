#!/usr/bin/env bash
# A report on a running `storm` every 10 ms for 10 s: the guest's result is right, and the drain is not slowed down beyond
# 1.5 times. Half a minute or more; not part of the gate, because it measures time. Needs python3.
#
# usage: ci/live-report.sh [HOPS]     (default 60000; doubled until the run lasts 20 s)
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release -q -p htrail
cargo build --release -q -p handle-capture --example look_on
release=${CARGO_TARGET_DIR:-target}/release
exec python3 ci/live_report.py "$release/htrail" "$release/examples/look_on" "$@"
