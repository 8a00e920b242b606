#!/usr/bin/env bash
# Runs every loom model: about two minutes on two cores, and as long again to build.
# LOOM_MAX_PREEMPTIONS=n searches deeper than the two or three preemptions that the models ask for.
set -eu
cd "$(dirname "$0")/.."
# The audit's own thread and its public face are not part of the models, so some of the library is unused there.
export RUSTFLAGS="--cfg loom -A dead_code"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom"
cargo test --release -p spsc-ring --test loom "$@"
cargo test --release -p handle-audit --lib loom_ "$@"
