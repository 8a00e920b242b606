#!/usr/bin/env bash
# Records through six rings and the fold for a long time. The place of every record in the order of its handle is checked
# when it is folded, and at the end every total. Says every ten seconds how many there were and at which rate, and at
# the end the accounts.
#
# usage: ci/soak.sh [SECONDS] [MILLIONS]      whichever is reached first; default 600 and 50 000 (50 billion)
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-600}
millions=${2:-50000}
cargo build -q --locked --release -p handle-audit --features observe --example stress
exec "${CARGO_TARGET_DIR:-target}/release/examples/stress" soak "${millions}000" "$seconds"
