#!/usr/bin/env bash
# Scores the diagnosis on the corpus and writes docs/score.md.
# usage: ci/score.sh [SEEDS]      (default 20: about five minutes on two cores)
set -euo pipefail
cd "$(dirname "$0")/.."
export SCORE_SEEDS=${1:-20}
run() { # TABLE OPTIONS
    SCORE_TABLE=$1 SCORE_OPTIONS=$2 cargo test -q --release -p htrail --test corpus -- --nocapture
}
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
run "$parts/all" ""
run "$parts/basic" "--ops basic"
{
    echo "# How often the diagnosis is right"
    echo
    echo "Written by \`ci/score.sh\`: every case of guests/corpus with $SCORE_SEEDS seeds, on six OS threads."
    echo
    echo "## All operations recorded"
    echo
    cat "$parts/all"
    echo
    echo "## Only the first five operations recorded (\`--ops basic\`)"
    echo
    cat "$parts/basic"
} > docs/score.md
