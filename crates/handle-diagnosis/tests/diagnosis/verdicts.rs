//! Each verdict, and what only looks like it: here those on objects, HT01 to HT08 and HT18.

use handle_audit::aux::WaitAux;
use handle_audit::{HandleKind, Operation};
use handle_diagnosis::{Confidence, Ended, ThreadState};

use crate::scene::{FOR_EVER, Scene};
use crate::scenes::{self, ALL};

#[test]
fn each_scene_gets_its_verdict_first() {
    for staged in ALL {
        let said = (staged.stage)().said();
        let first = said.first().map_or("nothing", String::as_str);
        let start = format!("{} {} ", staged.code, staged.confidence);
        let end = format!(" {} {:?}", staged.culprit, staged.threads);
        assert!(first.starts_with(&start) && first.ends_with(&end), "{}: {said:#?}", staged.code);
    }
}

#[test]
fn each_finding_of_a_scene_is_the_only_one() {
    for staged in ALL {
        let findings = (staged.stage)().diagnose().findings(Confidence::Likely).count();
        assert_eq!(findings, usize::from(staged.confidence != "UNKNOWN"), "{}", staged.code);
    }
}

/// Asserts that no verdict with this code is a finding.
pub(crate) fn not_a_finding(scene: &Scene, code: &str) {
    let diagnosis = scene.diagnose();
    let wrong = diagnosis.findings(Confidence::Likely).find(|verdict| verdict.id.code() == code);
    assert!(wrong.is_none(), "{:#?}", scene.said());
}

/// Whether any verdict has this code, whatever its confidence.
pub(crate) fn says(scene: &Scene, code: &str) -> bool {
    scene.said().iter().any(|line| line.starts_with(code))
}

pub(crate) fn first_is(scene: &Scene, start: &str) {
    let said = scene.said();
    assert!(said.first().is_some_and(|first| first.starts_with(start)), "{start}: {said:#?}");
}

// HT01

#[test]
fn a_promise_that_was_kept_is_not_broken() {
    let mut scene = Scene::new("kept.elf");
    scene.event(1, 0x1004, "load");
    scene.record(Operation::Promise, 0x1004, 1, "load", "NtReadFile", 1);
    scene.record(Operation::Signal, 0x1004, 0, "load", "io_done", 0).take(1, 0x1004, "load");
    scene.park(1, 0x1004, "load");
    not_a_finding(&scene, "HT01");
}

#[test]
fn a_promise_of_a_call_that_failed_is_none() {
    let mut scene = Scene::new("failed.elf");
    scene.event(1, 0x1004, "load");
    scene.record(Operation::Promise, 0x1004, 1, "load", "NtReadFile", 1);
    scene.record(Operation::Stub, 0x1004, 1, "load", "NtReadFile", 0xC000_0002);
    scene.park(1, 0x1004, "load");
    not_a_finding(&scene, "HT01");
}

#[test]
fn a_stub_on_a_handle_that_was_signalled_before_is_a_likely_culprit() {
    let mut scene = Scene::new("half_stub.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    scene.signal(2, 0x1004, 0, "first").take(1, 0x1004, "receive");
    scene.record(Operation::Stub, 0x1004, 2, "second", "KeSetEventBoostPriority", 0).exit(2, 0x1008);
    scene.park(1, 0x1004, "receive");
    first_is(&scene, "HT01 LIKELY 0x1004 KeSetEventBoostPriority");
}

#[test]
fn an_implemented_export_that_forgets_its_event_is_named() {
    let mut scene = Scene::new("no_event.elf");
    scene.event(1, 0x1004, "load");
    scene.record(Operation::Promise, 0x1004, 1, "load", "NtReadFile", 1).park(1, 0x1004, "load");
    first_is(&scene, "HT01 STRONG 0x1004 NtReadFile");
}

// HT02

#[test]
fn a_wait_that_can_give_up_is_no_hang() {
    let mut scene = Scene::new("patient.elf");
    let patient = WaitAux { timeout: Some(50_000_000), ..FOR_EVER };
    scene.event(1, 0x1004, "setup").wait_as(1, 0x1004, "poll", patient).without_threads();
    scene.ended(Ended::Watchdog);
    not_a_finding(&scene, "HT02");
}

#[test]
fn a_stub_between_create_and_wait_is_the_first_suspect() {
    let mut scene = Scene::new("enumerate.elf");
    scene.event(1, 0x1004, "load");
    scene.record(Operation::Stub, 0x1000, 1, "load", "XamContentCreateEnumerator", 0).park(1, 0x1004, "load");
    first_is(&scene, "HT02 LIKELY 0x1004 XamContentCreateEnumerator");
}

#[test]
fn beside_a_sure_root_the_last_resort_is_a_hint() {
    let mut scene = scenes::deadlock();
    scene.event(2, 0x1020, "setup").spawn(1, 4, 0x1024).park(4, 0x1020, "other");
    let said = scene.said();
    assert!(said[0].starts_with("HT10 PROVEN"), "{said:#?}");
    assert!(!said.iter().any(|line| line.starts_with("HT02 LIKELY")), "{said:#?}");
}

// HT03

#[test]
fn a_signal_without_effect_is_no_evidence() {
    let mut scene = Scene::new("already_set.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    scene.signal(2, 0x1004, 0, "tick").take(3, 0x1004, "other");
    scene.park(1, 0x1004, "wait").record(Operation::Reset, 0x1004, 2, "tick", "NtClearEvent", 0);
    not_a_finding(&scene, "HT03");
}

#[test]
fn a_signal_that_another_thread_took_was_answered() {
    let mut scene = Scene::new("two_waiters.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008).spawn(1, 3, 0x100c);
    scene.wait(3, 0x1004, "first").park(1, 0x1004, "second");
    scene.signal(2, 0x1004, 0, "tick").wake(3, 0x1004, "first", "NtSetEvent", 0);
    not_a_finding(&scene, "HT03");
}

#[test]
fn one_member_of_a_wait_for_all_proves_nothing() {
    let mut scene = scenes::wait_all_partial();
    scene.signal(2, 0x1004, 1, "loaded");
    not_a_finding(&scene, "HT03");
    let mut scene = Scene::new("all_of_one.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008).park_on_several(1, &[0x1004], "wait", true);
    scene.signal(2, 0x1004, 0, "loaded");
    first_is(&scene, "HT03 PROVEN 0x1004 NtSetEvent");
}

#[test]
fn a_manual_event_lets_all_waiters_go() {
    let mut scene = Scene::new("manual_as_auto.elf");
    scene.manual_event(1, 0x1004, "setup").spawn(1, 2, 0x1008).spawn(1, 3, 0x100c);
    scene.wait(2, 0x1004, "worker").park(3, 0x1004, "worker");
    scene.signal(1, 0x1004, 0, "go").wake(2, 0x1004, "worker", "NtSetEvent", 0).exit(2, 0x1008);
    scene.park(1, 0x100c, "join");
    first_is(&scene, "HT03 PROVEN 0x1004 NtSetEvent");
    assert_eq!(scene.diagnose().verdicts[0].blocks, [1, 3]);
}

#[test]
fn a_thread_that_ended_lets_its_joiner_go() {
    let mut scene = Scene::new("exit_no_signal.elf");
    scene.spawn(1, 2, 0x1004).park(1, 0x1004, "join").exit(2, 0x1004);
    first_is(&scene, "HT03 PROVEN 0x1004 ExTerminateThread");
}

#[test]
fn a_signal_that_was_cleared_unseen_should_still_have_woken() {
    let mut scene = Scene::new("cleared.elf");
    scene.manual_event(1, 0x1004, "setup").spawn(1, 2, 0x1008).park(1, 0x1004, "wait");
    scene.signal(2, 0x1004, 0, "tick").record(Operation::Reset, 0x1004, 2, "tick", "NtClearEvent", 1);
    first_is(&scene, "HT03 PROVEN 0x1004 NtSetEvent");
}

// HT04

#[test]
fn a_pulse_that_woke_somebody_is_not_lost() {
    let mut scene = Scene::new("pulse_met.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008).wait(1, 0x1004, "news");
    scene.record(Operation::Pulse, 0x1004, 2, "announce", "NtPulseEvent", 0);
    scene.wake(1, 0x1004, "news", "NtPulseEvent", 0).park(1, 0x1004, "news");
    not_a_finding(&scene, "HT04");
}

#[test]
fn a_pulse_that_passes_a_waiter_by_is_lost() {
    let mut scene = Scene::new("pulse_gap.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008).park(1, 0x1004, "news");
    scene.record(Operation::Pulse, 0x1004, 2, "announce", "NtPulseEvent", 0);
    first_is(&scene, "HT04 PROVEN 0x1004 NtPulseEvent");
}

#[test]
fn a_reset_between_signal_and_wait_loses_the_signal() {
    let mut scene = Scene::new("reset_late.elf");
    scene.manual_event(1, 0x1004, "setup").spawn(1, 2, 0x1008).signal(2, 0x1004, 0, "done");
    scene.record(Operation::Reset, 0x1004, 1, "prepare", "NtClearEvent", 1).park(1, 0x1004, "wait");
    first_is(&scene, "HT04 PROVEN 0x1004 NtClearEvent");
}

#[test]
fn a_reset_after_the_signal_was_taken_is_routine() {
    let mut scene = Scene::new("routine.elf");
    scene.manual_event(1, 0x1004, "setup").spawn(1, 2, 0x1008).signal(2, 0x1004, 0, "done");
    scene.take(1, 0x1004, "wait").record(Operation::Reset, 0x1004, 1, "prepare", "NtClearEvent", 1);
    scene.park(1, 0x1004, "wait");
    not_a_finding(&scene, "HT04");
}

// HT05 and HT18

#[test]
fn who_had_a_share_is_not_robbed() {
    let mut scene = Scene::new("fair.elf");
    scene.semaphore(1, 0x1004, 2, 8, "setup").spawn(1, 2, 0x1008);
    scene.take(2, 0x1004, "a").take(1, 0x1004, "b").park(1, 0x1004, "b");
    not_a_finding(&scene, "HT05");
}

#[test]
fn a_worker_without_work_in_a_pool_is_not_robbed() {
    let mut scene = scenes::promise_broken();
    scene.spawn(1, 4, 0x1020).park(4, 0x1004, "worker");
    let said = scene.said();
    assert!(said[0].starts_with("HT01") && !said.iter().any(|line| line.starts_with("HT05")), "{said:#?}");
}

#[test]
fn a_signal_of_a_manual_event_is_not_overwritten() {
    let mut scene = Scene::new("latch.elf");
    scene.manual_event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    scene.signal(2, 0x1004, 0, "open").signal(2, 0x1004, 1, "open");
    scene.record(Operation::Reset, 0x1004, 2, "shut", "NtClearEvent", 1).park(1, 0x1004, "pass");
    not_a_finding(&scene, "HT18");
}

#[test]
fn a_release_over_the_limit_loses_the_excess() {
    let mut scene = Scene::new("overflow.elf");
    scene.semaphore(1, 0x1004, 0, 1, "setup").spawn(1, 2, 0x1008);
    scene.release(2, 0x1004, 0, 1, "produce").release(2, 0x1004, 1, 1, "produce").exit(2, 0x1008);
    scene.take(1, 0x1004, "consume").park(1, 0x1004, "consume");
    first_is(&scene, "HT18 LIKELY 0x1004 NtReleaseSemaphore");
}

// HT06

#[test]
fn several_signalled_siblings_are_late_waiters_not_twins() {
    let mut scene = scenes::wrong_twin();
    scene.event(1, 0x1010, "make_event").signal(2, 0x1010, 0, "decode_done").park(
        1,
        0x1004,
        "wait_for_decode",
    );
    not_a_finding(&scene, "HT06");
}

// HT07

#[test]
fn a_signal_to_a_handle_that_nobody_made_is_a_lead_for_a_wait_that_nobody_ends() {
    let mut scene = Scene::new("astray.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    scene.record(Operation::GhostSignal, 0xdead, 2, "finish", "NtSetEvent", 0).exit(2, 0x1008);
    scene.park(1, 0x1004, "wait");
    first_is(&scene, "HT07 LIKELY 0x1004 finish");
}

#[test]
fn a_ghost_whose_rounds_are_closed_is_no_finding() {
    let mut scene = Scene::new("healthy_ghost.elf");
    scene.take(1, 0x8201_0040, "wait").ended(Ended::Limit).state(1, ThreadState::Running);
    not_a_finding(&scene, "HT07");
}

// HT08

#[test]
fn a_close_under_a_waiter_is_the_end_of_it_unless_a_signal_came_later() {
    for (before, after, closed) in
        [(false, false, true), (true, false, true), (false, true, false), (true, true, false)]
    {
        let mut scene = Scene::new("closed.elf");
        scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008).spawn(1, 3, 0x100c);
        scene.wait(3, 0x1004, "first").park(1, 0x1004, "second");
        if before {
            scene.signal(2, 0x1004, 0, "tick").wake(3, 0x1004, "first", "NtSetEvent", 0);
        }
        scene.record(Operation::Close, 0x1004, 2, "cleanup", "NtClose", 1);
        if after {
            scene.signal(2, 0x1004, 0, "tick");
        }
        assert_eq!(says(&scene, "HT08 PROVEN"), closed, "{before} {after}: {:#?}", scene.said());
    }
}

#[test]
fn an_object_with_another_handle_is_still_there() {
    let mut scene = Scene::new("duplicate.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    scene.record(Operation::Alias, 0x1004, 1, "copy", "NtDuplicateObject", 0x100c).park(1, 0x1004, "wait");
    scene.record(Operation::Close, 0x1004, 2, "cleanup", "NtClose", 1);
    not_a_finding(&scene, "HT08");
}

#[test]
fn an_object_goes_on_under_its_next_name() {
    let mut scene = Scene::new("renamed.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    scene.record(Operation::Alias, 0x1004, 1, "copy", "NtDuplicateObject", 0x100c);
    scene.record(Operation::Promise, 0x1004, 1, "load", "NtReadFile", 9).wait(1, 0x1004, "load");
    scene.record(Operation::Close, 0x1004, 2, "cleanup", "NtClose", 1);
    scene.create(2, 0x100c, HandleKind::EVENT_AUTO, 0, "cleanup", "NtClose");
    scene.record(Operation::Alias, 0x100c, 2, "cleanup", "NtClose", 0x1004).parked(1, &[0x100c]);
    first_is(&scene, "HT01 STRONG 0x100c NtReadFile");
    scene.without_threads();
    first_is(&scene, "HT01 STRONG 0x100c NtReadFile");
    scene.signal(2, 0x100c, 0, "done").wake(1, 0x100c, "load", "NtSetEvent", 0);
    assert!(scene.diagnose().parked.is_empty(), "a wait under an earlier name ended under a later one");
}

#[test]
fn a_handle_reissued_under_its_waiter_is_a_use_after_close() {
    let mut scene = Scene::new("stale.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008).park(1, 0x1004, "wait");
    scene.record(Operation::Close, 0x1004, 2, "cleanup", "NtClose", 1).semaphore(2, 0x1004, 0, 4, "reuse");
    first_is(&scene, "HT08 PROVEN 0x1004 cleanup");
    scene.without_threads();
    first_is(&scene, "HT08 PROVEN 0x1004 cleanup");
}

#[test]
fn a_signal_after_the_close_is_a_lead() {
    let mut scene = Scene::new("late_signal.elf");
    scene.event(1, 0x1004, "setup").event(1, 0x1008, "setup").spawn(1, 2, 0x100c);
    scene.record(Operation::Close, 0x1008, 1, "cleanup", "NtClose", 0);
    scene.record(Operation::GhostSignal, 0x1008, 2, "finish", "NtSetEvent", 0).exit(2, 0x100c);
    scene.park(1, 0x1004, "wait");
    first_is(&scene, "HT08 LIKELY 0x1004 cleanup");
}
