#!/usr/bin/env bash
# Draws new cases for every test that draws any, so many times (10): the gate always has the same. A failure prints the seed
# to repeat it with.
set -eu
cd "$(dirname "$0")/.."
for _ in $(seq "${1:-10}"); do
    seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
    echo "random: PROPTEST_RNG_SEED=$seed"
    PROPTEST_RNG_SEED=$seed cargo test --quiet --release -p ppc -p handle-audit -p handle-diagnosis -p xenon-kernel -- \
        random differential thaw properties model_check
done
