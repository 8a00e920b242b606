#!/usr/bin/env bash
# Reads captures that were damaged at random: no panic, bounded memory, nothing accepted that was not written.
#
# usage: ci/mutations.sh [COUNT]
set -eu
cd "$(dirname "$0")/.."
MUTATIONS=${1:-1000000} cargo test --release -p handle-capture --test mutations -- --nocapture
