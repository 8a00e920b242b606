#!/usr/bin/env bash
# Scores the diagnosis on the corpus and writes docs/score.md.
# usage: ci/score.sh [SEEDS]      (default 20: about five minutes on two cores)
set -euo pipefail
cd "$(dirname "$0")/.."
export SCORE_SEEDS=${1:-20}
SCORE_TABLES=$(mktemp -d)
export SCORE_TABLES
trap 'rm -rf "$SCORE_TABLES"' EXIT
# A score below its bar is written down before it fails the script.
status=0
cargo test -q --release -p htrail --test corpus -- --nocapture || status=$?
{
    echo "# How often the diagnosis is right"
    echo
    echo "Written by \`ci/score.sh\`: every case of guests/corpus with $SCORE_SEEDS seeds, on six OS threads. \"All right\" is the top"
    echo "verdict, its handle, culprit and root thread, the companions that the case names, the end of the run, the exit code,"
    echo "and no finding on a healthy guest. guests/README.md says what each case holds."
    echo
    echo "## All operations recorded"
    echo
    cat "$SCORE_TABLES/all"
    echo
    echo "## Only the first five operations recorded (\`--ops basic\`)"
    echo
    echo "What is lost: closes, resets, pulses, promises, stubs, owners, timers and APCs. Nothing is above LIKELY."
    echo
    cat "$SCORE_TABLES/basic"
    echo
    echo "## With losses forced (\`--ring-capacity 8\`)"
    echo
    echo "What rests on an absence that a loss overlaps becomes HT22."
    echo
    cat "$SCORE_TABLES/lossy"
} > docs/score.md
exit $status
