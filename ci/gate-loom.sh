#!/usr/bin/env bash
# The models of the ring, the stamp, the drain and the trails: see docs/ordering.md.
exec "$(dirname "$0")/loom.sh"
