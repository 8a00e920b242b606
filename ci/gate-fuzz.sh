#!/usr/bin/env bash
# The fuzzers compile. Their corpora are replayed by cargo test; ci/fuzz.sh runs them. Installs g++ if it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v c++ > /dev/null || ci/apt.sh g++
# What cargo-fuzz sets too: the audit then has the target that looks into it.
RUSTFLAGS="--cfg fuzzing" cargo check --locked --manifest-path fuzz/Cargo.toml
