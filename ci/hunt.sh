#!/usr/bin/env bash
# A hunt for lost wakes: so many seeds (1000) of the guest `mix`, each on one OS thread and on six. No hang, no unrecorded
# change, the right result, every trail that is held whole consistent in itself.
set -eu
cd "$(dirname "$0")/.."
XENON_HUNT_SEEDS="${1:-1000}" cargo test --release -p xenon-kernel --test kernel -- hunt
