#!/usr/bin/env bash
# Kills processes that record on six rings, at random moments, and checks that their captures hold every record that
# was acknowledged, once: on disk, in /dev/shm, and with only the rings there. Takes about half a minute.
#
# usage: ci/kills.sh [KILLS]
set -eu
cd "$(dirname "$0")/.."
KILLS=${1:-500} cargo test --release -p handle-capture --test kills -- --nocapture
