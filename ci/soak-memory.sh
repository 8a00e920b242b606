#!/usr/bin/env bash
# Memory does not grow while `storm` goes round and round: ten minutes, in memory and into a capture. Not part of the gate.
# Needs python3.
#
# usage: ci/soak-memory.sh [MINUTES [GUEST]]
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release -q -p htrail
exec python3 ci/soak_memory.py "${CARGO_TARGET_DIR:-target}/release/htrail" "${2:-storm}" "${1:-10}"
