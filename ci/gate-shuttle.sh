#!/usr/bin/env bash
# The whole audit under shuttle: see docs/ordering.md.
exec "$(dirname "$0")/shuttle.sh"
