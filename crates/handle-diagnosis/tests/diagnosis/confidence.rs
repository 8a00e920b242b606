//! How sure a verdict may be: losses, late starts, and how the run ended.

use handle_audit::{Gap, Operation, Snapshot};
use handle_diagnosis::{
    Case, Confidence, Ended, ExitCode, Look, ThreadState, VerdictId, diagnose, diagnose_live, exit_code,
};

use crate::scene::{MS, POLL, Scene};
use crate::scenes::{self, ALL};

/// A loss of everything, all the time.
fn lose_everything(snapshot: &mut Snapshot) {
    let rejected = Operation::ALL.into_iter().map(|operation| (operation, 1)).collect();
    snapshot.losses.gaps.push(Gap { ring: 0, first_cycle: 0, last_cycle: u64::MAX, rejected });
    snapshot.losses.rings[0].rejected = rejected;
}

#[test]
fn a_loss_in_the_window_leaves_nothing_above_unknown() {
    for staged in ALL {
        let mut scene = (staged.stage)();
        scene.tamper = lose_everything;
        let diagnosis = scene.diagnose();
        assert!(
            diagnosis.findings(Confidence::Hint).next().is_none(),
            "{}: {:#?}",
            staged.code,
            scene.said()
        );
        if !matches!(staged.code, "HT20" | "HT21") {
            assert_eq!(diagnosis.verdicts[0].id, VerdictId::InsufficientEvidence, "{}", staged.code);
        }
    }
}

#[test]
fn a_loss_before_the_window_takes_nothing_away() {
    for staged in ALL.iter().filter(|staged| !matches!(staged.code, "HT07" | "HT22")) {
        let mut scene = (staged.stage)();
        scene.tamper = |snapshot| {
            let rejected = [(Operation::Signal, 5)].into_iter().collect();
            snapshot.losses.gaps.push(Gap { ring: 0, first_cycle: 1, last_cycle: 2, rejected });
        };
        let said = scene.said();
        assert!(said[0].starts_with(&format!("{} {}", staged.code, staged.confidence)), "{said:#?}");
    }
}

#[test]
fn after_a_rejected_create_a_generation_is_not_certain() {
    let mut scene = scenes::promise_broken();
    scene.tamper = |snapshot| {
        // After the create of the event and before the promise: the window of the promise itself is whole.
        let rejected = [(Operation::Create, 1)].into_iter().collect();
        let created = snapshot.trail(0x1014).expect("it is there").created.entry.cycle;
        snapshot.losses.gaps.push(Gap {
            ring: 0,
            first_cycle: created + 1,
            last_cycle: created + 1,
            rejected,
        });
    };
    assert_eq!(scene.diagnose().verdicts[0].id, VerdictId::InsufficientEvidence, "{:#?}", scene.said());
}

#[test]
fn a_gap_hides_what_it_overlaps_and_the_creates_that_it_lost() {
    // Before the create of the event, between it and the promise, and after both, as far as their trail tells and the
    // clocks of two rings can be relied upon.
    for (operation, at, hidden) in [
        (Operation::Signal, -1, false),
        (Operation::Signal, 1, false),
        (Operation::Signal, 600, true),
        (Operation::Create, -101, false),
        (Operation::Create, -100, true),
        (Operation::Create, 0, true),
        (Operation::Create, 1, true),
    ] {
        let scene = scenes::promise_broken();
        let mut snapshot = scene.snapshot();
        let cycle = snapshot.trail(0x1014).expect("it is there").created.entry.cycle.strict_add_signed(at);
        let rejected = [(operation, 1)].into_iter().collect();
        snapshot.losses.gaps.push(Gap { ring: 0, first_cycle: cycle, last_cycle: cycle, rejected });
        let diagnosis = diagnose(&Case::new(&snapshot, &scene.run));
        let expected = if hidden { VerdictId::InsufficientEvidence } else { VerdictId::PromiseBroken };
        assert_eq!(diagnosis.verdicts[0].id, expected, "{operation:?} {at}");
    }
}

#[test]
fn a_hole_says_that_nobody_knows_what_is_missing() {
    let mut scene = scenes::promise_broken();
    scene.tamper = |snapshot| snapshot.losses.gaps.push(Gap::hole(0, 10 * MS));
    let verdict = scene.diagnose().verdicts.swap_remove(0);
    assert_eq!(
        verdict.summary,
        "Thread 1 (main) is blocked on Event/Auto 0x1014; it looks like HT01 promise-broken, but an unknown number of \
         records is missing from 10.000 ms on: their memory or their file was damaged."
    );
    assert_eq!(verdict.next, "Run again; nobody else may write into the capture meanwhile.");
}

#[test]
fn a_loss_has_a_verdict_of_its_own_where_nothing_else_is_said() {
    let staged = |ended, parked: bool, tamper: fn(&mut Snapshot)| {
        let mut scene = Scene::new("lossy.elf");
        scene.spawn(0, 2, 0x1008).state(2, ThreadState::Running).ended(ended).tamper = tamper;
        if parked {
            scene.park(1, 0x1008, "join");
        } else {
            scene.state(1, ThreadState::Exited);
        }
        let verdict = scene.diagnose().verdicts.swap_remove(0);
        (verdict.id.code(), verdict.threads, verdict.summary)
    };
    let late: fn(&mut Snapshot) = |snapshot| snapshot.coverage.late_start = true;
    let late_start = "ecording began after the guest did, and the handle may be older.";
    let said = |code, threads: &[u32], summary: &str| (code, threads.to_vec(), summary.to_owned());
    assert_eq!(staged(Ended::Watchdog, false, late), said("HT22", &[], &format!("R{late_start}")));
    let blocked = format!("Thread 1 (main) is blocked on Thread 0x1008, and r{late_start}");
    assert_eq!(staged(Ended::Watchdog, true, late), said("HT22", &[1], &blocked));
    assert_eq!(staged(Ended::Limit, true, late), said("HT22", &[1], &blocked));
    assert_eq!(staged(Ended::Limit, false, late).0, "HT21", "nobody waits, and nothing hangs");
    assert_eq!(staged(Ended::Limit, true, |_| ()).0, "HT21", "nothing was lost");
}

#[test]
fn pauses_and_late_starts_are_losses() {
    let mut scene = scenes::promise_broken();
    scene.tamper = |snapshot| snapshot.coverage.pauses = 1;
    assert!(scene.said()[0].starts_with("HT22"));
    let mut scene = scenes::ghost();
    scene.tamper = |snapshot| snapshot.coverage.late_start = true;
    assert!(scene.said()[0].starts_with("HT22"), "the handle may be older than the recording");
    let mut scene = scenes::promise_broken();
    scene.tamper = |snapshot| snapshot.coverage.late_start = true;
    assert!(scene.said()[0].starts_with("HT01 STRONG"), "its create was seen, so all since was seen");
}

#[test]
fn in_a_finished_run_an_open_wait_is_at_most_a_hint() {
    for staged in ALL {
        let mut scene = (staged.stage)();
        scene.ended(Ended::Finished).pass(10_000 * MS);
        // A promise is broken, and a deadlock is one, whoever has finished; main itself cannot be parked then.
        let held_up = matches!(staged.code, "HT01" | "HT10");
        let findings = scene.diagnose().findings(Confidence::Likely).count();
        assert_eq!(findings > 0, held_up, "{}: {:#?}", staged.code, scene.said());
    }
}

#[test]
fn what_was_cut_short_may_still_come() {
    for ended in [Ended::Interrupted, Ended::Limit] {
        for stage in [scenes::never_signalled, scenes::wrong_twin, scenes::wait_all_partial] {
            let mut scene = stage();
            scene.ended(ended).pass(100 * MS);
            assert_eq!(scene.diagnose().findings(Confidence::Likely).count(), 0, "{:#?}", scene.said());
            scene.pass(5000 * MS);
            assert_eq!(scene.diagnose().findings(Confidence::Likely).count(), 1, "{:#?}", scene.said());
        }
    }
}

#[test]
fn a_stub_that_was_to_signal_needs_no_patience_and_one_nearby_does() {
    let cut_short = |stage: fn(&mut Scene)| {
        let mut scene = Scene::new("cut_short.elf");
        scene.event(1, 0x1004, "setup");
        stage(&mut scene);
        scene.park(1, 0x1004, "load").ended(Ended::Limit);
        scene.said()[0].clone()
    };
    let promised = cut_short(|scene| {
        scene.record(Operation::Promise, 0x1004, 1, "load", "NtReadFile", 1);
        scene.record(Operation::Stub, 0x1004, 1, "load", "NtReadFile", 0x103);
    });
    assert_eq!(promised, "HT01 STRONG 0x1004 NtReadFile [1]");
    let forgotten = cut_short(|scene| {
        scene.record(Operation::Promise, 0x1004, 1, "load", "NtReadFile", 1);
    });
    assert_eq!(forgotten, "HT21 UNKNOWN - - []");
    let nearby = cut_short(|scene| {
        scene.record(Operation::Stub, 0x1000, 1, "load", "XamContentOpen", 0);
    });
    assert_eq!(nearby, "HT21 UNKNOWN - - []");
}

#[test]
fn one_that_runs_may_help_in_a_finished_run_where_nothing_better_is_known_and_only_there() {
    let mut scene = scenes::never_signalled();
    scene.spawn(0, 2, 0x1008).state(2, ThreadState::Running).ended(Ended::Limit).pass(5000 * MS);
    assert_eq!(scene.said()[0], "HT02 LIKELY 0x1004 load_level [1]", "the run is not finished");
    let mut scene = scenes::wrong_twin();
    scene.spawn(0, 3, 0x1010).spawn(0, 4, 0x1014).park(3, 0x1000, "join").state(4, ThreadState::Running);
    scene.ended(Ended::Finished).pass(9000 * MS);
    assert_eq!(scene.said()[0], "HT06 LIKELY 0x1004 decode_done [1]", "a twin is better than nothing");
}

#[test]
fn who_gives_up_is_stuck_for_a_while_only() {
    let mut scene = scenes::promise_broken();
    scene.gives_up(1).ended(Ended::Watchdog);
    assert!(scene.said().contains(&"HT01 HINT 0x1014 NtReadFile [1]".to_owned()), "{:#?}", scene.said());
}

#[test]
fn what_contradicts_the_kernel_needs_no_patience() {
    for ended in [Ended::Interrupted, Ended::Limit] {
        for stage in
            [scenes::signalled_not_woken, scenes::deadlock, scenes::owner_dead, scenes::use_after_close]
        {
            let mut scene = stage();
            scene.ended(ended);
            let top = &scene.diagnose().verdicts[0];
            assert_eq!(top.confidence, Confidence::Proven, "{:#?}", scene.said());
        }
    }
}

#[test]
fn an_unrecorded_change_lowers_confidence_and_is_named() {
    let mut scene = Scene::new("unrecorded.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    // It was set, says the reset; no record says by whom.
    scene.record(Operation::Reset, 0x1004, 2, "prepare", "NtClearEvent", 1);
    scene.record(Operation::Promise, 0x1004, 1, "load", "NtReadFile", 1).park(1, 0x1004, "load");
    let diagnosis = scene.diagnose();
    assert_eq!(diagnosis.verdicts[0].confidence, Confidence::Likely, "{:#?}", scene.said());
    assert!(
        diagnosis.blind_spots[0].contains("0x1004 changed without a record"),
        "{:?}",
        diagnosis.blind_spots
    );
}

fn code(scene: &Scene, bar: Confidence) -> u8 {
    scene.case(|case| exit_code(case, &diagnose(case), bar)).code()
}

#[test]
fn exit_codes() {
    let likely = Confidence::Likely;
    let mut scene = Scene::new("done.elf");
    scene.state(1, ThreadState::Exited).ended(Ended::Finished);
    assert_eq!(code(&scene, likely), 0);
    scene.ended(Ended::Limit);
    assert_eq!(code(&scene, likely), 3, "cut short");
    scene.ended(Ended::Interrupted);
    assert_eq!(code(&scene, likely), 3);
    scene.ended(Ended::Fault);
    assert_eq!(code(&scene, likely), 1);
    scene.ended(Ended::Finished);
    type Tamper = fn(&mut Snapshot);
    let losses: [(&str, Tamper); 5] = [
        ("a late start", |snapshot| snapshot.coverage.late_start = true),
        ("a pause", |snapshot| snapshot.coverage.pauses = 1),
        ("a record after the end", |snapshot| snapshot.losses.rings[0].late = 1),
        ("a hole", |snapshot| snapshot.losses.gaps.push(Gap::hole(0, 1))),
        ("losses", lose_everything),
    ];
    for (what, tamper) in losses {
        scene.tamper = tamper;
        assert_eq!(code(&scene, likely), 3, "{what}");
    }
    assert_eq!(code(&scenes::idle_by_design(), likely), 0, "idle threads are no finding");
    assert_eq!(code(&scenes::no_sync_gap(), likely), 3);
    for staged in ALL.iter().filter(|staged| staged.confidence != "UNKNOWN") {
        assert_eq!(code(&(staged.stage)(), likely), 1, "{}", staged.code);
    }
}

#[test]
fn the_bar_moves_what_fails() {
    let mut scene = scenes::promise_broken();
    scene.ended(Ended::Interrupted).pass(5000 * MS);
    assert_eq!(code(&scene, Confidence::Strong), 1);
    assert_eq!(
        code(&scene, Confidence::Proven),
        3,
        "a STRONG finding is below the bar, and the run was interrupted"
    );
    let mut scene = scenes::never_signalled();
    scene.ended(Ended::Finished).pass(5000 * MS);
    assert_eq!(
        (code(&scene, Confidence::Likely), code(&scene, Confidence::Hint)),
        (0, 1),
        "{:#?}",
        scene.said()
    );
    assert_eq!(ExitCode::Clean.code(), 0);
}

#[test]
fn accepted_verdicts_go_with_what_they_explain() {
    let diagnosis = scenes::deadlock().diagnose();
    let codes = |diagnosis: &handle_diagnosis::Diagnosis| -> Vec<&str> {
        diagnosis.verdicts.iter().map(|verdict| verdict.id.code()).collect()
    };
    assert_eq!(codes(&diagnosis), ["HT10", "HT11"]);
    assert_eq!(codes(&diagnosis.without(&[VerdictId::Deadlock])), [""; 0]);
    let boot = scenes::promise_broken().diagnose().without(&[VerdictId::Victim]);
    assert_eq!(codes(&boot), ["HT01", "HT20"]);
    assert_eq!(boot.verdicts[1].rank, 2);
}

/// What a second look says that agrees with `first`.
fn live(scene: &Scene, first: &handle_diagnosis::Diagnosis) -> Vec<String> {
    let diagnosis = scene.case(|case| diagnose_live(case, &Look::from(first)));
    diagnosis.verdicts.iter().map(|verdict| format!("{} {}", verdict.id, verdict.confidence)).collect()
}

#[test]
fn a_live_run_shows_what_two_looks_agree_on() {
    for staged in ALL {
        let mut scene = (staged.stage)();
        let first = scene.diagnose();
        scene.pass(100 * MS);
        // Time alone may turn one verdict into another, such as a habit into one that was broken.
        let said: Vec<String> =
            scene.diagnose().verdicts.iter().map(|v| format!("{} {}", v.id, v.confidence)).collect();
        assert_eq!(live(&scene, &first), said, "{}: nothing moved", staged.code);
    }
}

#[test]
fn who_moved_between_two_looks_is_not_stuck() {
    let mut scene = scenes::promise_broken();
    scene.ended(Ended::Interrupted).pass(5000 * MS);
    let first = scene.diagnose();
    scene.wake(1, 0x1014, "wait_for_disc", "late", 0).park(1, 0x1014, "wait_for_disc").pass(5000 * MS);
    assert!(scene.said()[0].starts_with("HT01"), "one look alone: {:#?}", scene.said());
    assert_eq!(live(&scene, &first), ["HT21 UNKNOWN", "HT20 UNKNOWN"]);
}

#[test]
fn what_only_the_second_look_says_is_a_flicker() {
    let mut scene = Scene::new("in_flight.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008).park(1, 0x1004, "wait");
    let first = scene.diagnose();
    // The signal is recorded, the wake that it brings is not yet.
    scene.signal(2, 0x1004, 0, "finish").state(2, ThreadState::Running).ended(Ended::Interrupted);
    assert!(scene.said()[0].starts_with("HT03 PROVEN"), "one look alone: {:#?}", scene.said());
    assert_eq!(live(&scene, &first), ["HT21 UNKNOWN"]);
}

#[test]
fn who_joins_a_wait_between_two_looks_confirms_it() {
    let mut scene = scenes::promise_broken();
    let first = scene.diagnose();
    scene.spawn(3, 4, 0x1020).park(4, 0x1014, "wait_for_disc");
    assert_eq!(live(&scene, &first)[0], "HT01 STRONG");
}

#[test]
fn a_poller_moves_and_those_that_wait_for_it_do_not() {
    let mut scene = scenes::busy_poll();
    let first = scene.diagnose();
    scene.pass(MS).take(2, 0x1004, "unrelated").pass(MS);
    scene.polled(2, 0x1004, "poll_gpu", 40, MS).wait_as(2, 0x1004, "poll_gpu", POLL).parked(2, &[0x1004]);
    scene.gives_up(2);
    assert_eq!(live(&scene, &first)[0], "HT16 STRONG");
}
