#!/usr/bin/env bash
# Plants one bug after another and shows which test finds it. Ends with an error if one is not found, or if what finds
# it is the compiler. About a quarter of an hour on two cores.
#
# usage: ci/planted.sh [BUG | SUITE ...]     a bug under all its suites, a suite with all its bugs; otherwise everything
set -euo pipefail
cd "$(dirname "$0")/.."

# Bug, suite, and the tests of it that are run: those whose matter it is. The suites stand below.
bugs="
relaxed_publish          ring-loom  popped_once_and_in_order
off_by_one_full          ring-loom  a_slot_is_not_written_while_it_is_read
relaxed_refresh          ring-loom  a_slot_is_not_written_while_it_is_read
relaxed_line_publish     ring-loom  lines_that_are_pushed
relaxed_line_refresh     ring-loom  a_line_is_not_overwritten
relaxed_line_release     ring-loom  a_line_is_not_overwritten
one_look                 loom       a_create_never_folds_after
held_back_record_stays   loom       holding_one_record_back
limit_off_by_one         loom       a_create_never_folds_after
flush_returns_early      loom       a_flush_loses_nothing
stop_before_last_pass    loom       a_stop_loses_nothing
stop_before_last_pass    shuttle    shuttle_a_stop
stale_cell_on_hand_over  loom       a_claim_handed_over
loss_counted_twice       shuttle    shuttle_accounts
torn_copy                shuttle    shuttle_a_look
torn_copy                loom       a_copy_of_a_trail
missing_read_fence       loom       a_copy_of_a_trail
missing_write_fence      loom       a_copy_of_a_trail
relaxed_trail_publish    loom       a_trail_that_is
relaxed_trail_look       loom       a_trail_that_is
one_look                 audit      tests::differential
limit_off_by_one         audit      tests::differential
generations_mixed_up     audit      tests::differential
label_published_late     audit      label::tests
reserve_ignored          audit      tests::bounds
focus_without_flush      fuzz       every_corpus_replays
"

suite() {
    case $1 in
        ring-loom) cfg="--cfg loom" command="cargo test --release -p spsc-ring --test loom" ;;
        loom) cfg="--cfg loom" command="cargo test --release -p handle-audit --lib" ;;
        shuttle) cfg="--cfg shuttle" command="cargo test --release -p handle-audit --lib" ;;
        audit) cfg="" command="cargo test -p handle-audit --lib" ;;
        fuzz) cfg="" command="cargo test -p fuzz-targets --test replay" ;;
    esac
}

# Runs a suite with a bug planted and prints what came of it.
verdict() {
    local bug=$1 tests=$3 cfg command
    suite "$2"
    log=$(PLANTED=$bug PROPTEST_DISABLE_FAILURE_PERSISTENCE=true RUSTFLAGS="--cfg planted $cfg -A dead_code -A unused" \
        CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/planted/${cfg#--cfg }" \
        timeout 900 $command "$tests" 2>&1 < /dev/null) && {
        grep -q '^test .* ok$' <<< "$log" && echo "all passed" || echo "no test ran"
        return
    }
    if grep -q '^error: could not compile' <<< "$log"; then
        echo "does not compile"
    elif found=$(grep -m 1 -oP '^test \K\S+(?=( - should panic)? \.\.\. FAILED)' <<< "$log"); then
        echo "found by $found"
    else
        echo "broke off: $(tail -1 <<< "$log")"
    fi
}

wanted=" $* "
bugs=$(while read -r bug suite tests; do
    if [ -n "$bug" ] && { [ $# = 0 ] || [[ $wanted == *" $bug "* || $wanted == *" $suite "* ]]; }; then
        echo "$bug $suite $tests"
    fi
done <<< "$bugs")
for name in "$@"; do
    grep -qwF -- "$name" <<< "$bugs" || { echo "there is no such bug or suite: $name"; exit 2; }
done

survived=0
# The suites pass when nothing is planted, so it is the bugs that are found.
while read -r suite tests; do
    sound=$(verdict nothing "$suite" "$tests")
    [ "$sound" = "all passed" ] || { echo "$suite $tests without a bug: $sound"; survived=1; }
done < <(cut -d ' ' -f 2- <<< "$bugs" | sort -u)
printf '%-24s %-10s %s\n' "planted bug" "suite" "what came of it"
while read -r bug suite tests; do
    result=$(verdict "$bug" "$suite" "$tests")
    [[ $result == "found by "* ]] || survived=1
    printf '%-24s %-10s %s\n' "$bug" "$suite" "$result"
done <<< "$bugs"
exit $survived
