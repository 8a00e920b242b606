#!/usr/bin/env bash
# Runs the whole audit under shuttle: random and PCT schedules of recorders, drain, flushes, looks, switches and a stop.
# SHUTTLE_SCHEDULES=n runs n of each kind, SHUTTLE_SEED=n others than usual.
set -eu
cd "$(dirname "$0")/.."
export RUSTFLAGS="--cfg shuttle"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/shuttle"
cargo test --release -p handle-audit --lib shuttle_ "$@"
