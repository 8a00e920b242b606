//! How sure a verdict may be: losses, late starts, and how the run ended.

use handle_audit::{Gap, Operation, Snapshot};
use handle_diagnosis::{
    Confidence, Ended, ExitCode, Look, ThreadState, VerdictId, diagnose, diagnose_live, exit_code,
};

use crate::scene::{MS, Scene};
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
    scene.ended(Ended::Finished).tamper = |snapshot| snapshot.coverage.late_start = true;
    assert_eq!(code(&scene, likely), 3, "a late start");
    scene.tamper = lose_everything;
    assert_eq!(code(&scene, likely), 3, "losses");
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
    let poll = handle_audit::aux::WaitAux { timeout: Some(10_000), ..crate::scene::FOR_EVER };
    for _ in 0..40 {
        scene.wait_as(2, 0x1004, "poll_gpu", poll).pass(MS);
        scene.wake(2, 0x1004, "poll_gpu", "timeout", crate::scene::TIMEOUT);
    }
    scene.wait_as(2, 0x1004, "poll_gpu", poll).parked(2, &[0x1004]);
    scene.threads.as_mut().expect("a list").iter_mut().for_each(|thread| {
        thread.deadline = (thread.tid == 2).then_some(u64::MAX);
    });
    assert_eq!(live(&scene, &first)[0], "HT16 STRONG");
}
