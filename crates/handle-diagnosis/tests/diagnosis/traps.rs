//! Runs on which a naive tool is wrong: the obvious suspect is innocent, or the real one hides behind it.

use handle_audit::aux::{ApcAux, TimerAux, TimerEvent};
use handle_audit::{HandleKind, Operation};
use handle_diagnosis::{Confidence, Ended, ThreadState};

use crate::scene::{MS, PENDING, Scene};

/// The findings, as `HT01 STRONG 0x1004 NtReadFile [1]`.
pub(crate) fn findings(scene: &Scene) -> Vec<String> {
    let count = scene.diagnose().findings(Confidence::Likely).count();
    scene.said().into_iter().take(count).collect()
}

/// One finding, which begins so and blocks these threads.
pub(crate) fn only(scene: &Scene, expected: &str, blocks: &[u32]) {
    let found = findings(scene);
    assert!(found.len() == 1 && found[0].starts_with(expected), "{expected}: {:#?}", scene.said());
    assert_eq!(scene.diagnose().verdicts[0].blocks, blocks, "{:#?}", scene.said());
}

/// Thread `tid` waits for a read that is never served.
pub(crate) fn stuck_in_a_read(scene: &mut Scene, tid: u32, event: u32) {
    scene.event(tid, event, "open_stream");
    scene.record(Operation::Promise, event, tid, "stream", "NtReadFile", 7);
    scene.record(Operation::Stub, event, tid, "stream", "NtReadFile", PENDING).park(tid, event, "stream");
}

/// A bell that thread 2 has pulsed for main five times; main misses the sixth.
fn missed_pulse() -> Scene {
    let mut scene = Scene::new("bell.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    for _ in 0..5 {
        scene.wait(1, 0x1004, "listen");
        scene.record(Operation::Pulse, 0x1004, 2, "ring", "NtPulseEvent", 0);
        scene.wake(1, 0x1004, "listen", "NtPulseEvent", 0);
    }
    scene.record(Operation::Pulse, 0x1004, 2, "ring", "NtPulseEvent", 0);
    scene
}

#[test]
fn a_missed_pulse_is_routine_where_the_next_one_is_held_up() {
    let mut scene = missed_pulse();
    scene.park(1, 0x1004, "listen");
    stuck_in_a_read(&mut scene, 2, 0x100c);
    only(&scene, "HT01 STRONG 0x100c NtReadFile [2]", &[1, 2]);
}

#[test]
fn a_missed_pulse_is_lost_where_nobody_is_held_up() {
    let mut scene = missed_pulse();
    scene.exit(2, 0x1008).park(1, 0x1004, "listen");
    only(&scene, "HT04 PROVEN 0x1004 NtPulseEvent [1]", &[1]);
}

#[test]
fn one_pulse_that_was_missed_is_no_habit_of_the_thread_that_is_held_up() {
    let mut scene = Scene::new("bell.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    scene.record(Operation::Pulse, 0x1004, 2, "ring", "NtPulseEvent", 0).park(1, 0x1004, "listen");
    stuck_in_a_read(&mut scene, 2, 0x100c);
    assert_eq!(
        findings(&scene),
        ["HT04 PROVEN 0x1004 NtPulseEvent [1]", "HT01 STRONG 0x100c NtReadFile [2]"]
    );
}

#[test]
fn a_sibling_that_is_ready_first_is_no_twin_while_its_loader_is_stuck() {
    let mut scene = Scene::new("assets.elf");
    scene.event(1, 0x1004, "make_event").event(1, 0x1008, "make_event").spawn(1, 2, 0x100c);
    scene.signal(2, 0x1008, 0, "asset_loaded").park(1, 0x1004, "wait_for_asset");
    stuck_in_a_read(&mut scene, 2, 0x1010);
    only(&scene, "HT01 STRONG 0x1010 NtReadFile [2]", &[1, 2]);
}

#[test]
fn a_lock_made_of_a_semaphore_leads_to_its_holder() {
    let mut scene = Scene::new("lock.elf");
    scene.semaphore(1, 0x1004, 1, 1, "setup").spawn(1, 2, 0x1008).take(2, 0x1004, "lock");
    scene.park(1, 0x1004, "lock");
    stuck_in_a_read(&mut scene, 2, 0x100c);
    only(&scene, "HT01 STRONG 0x100c NtReadFile [2]", &[1, 2]);
}

#[test]
fn a_lock_made_of_a_semaphore_that_is_taken_twice() {
    let mut scene = Scene::new("twice.elf");
    scene.semaphore(1, 0x1004, 1, 1, "setup").take(1, 0x1004, "outer").park(1, 0x1004, "inner");
    only(&scene, "HT02 LIKELY 0x1004 setup [1]", &[1]);
}

#[test]
fn a_spare_thread_is_not_to_blame_where_a_stub_was_called() {
    let mut scene = Scene::new("spare.elf");
    scene.thread_made(1, 2, 0x1004).suspended(2).event(1, 0x1008, "open_content");
    scene.record(Operation::Stub, 0x1000, 1, "open_content", "XamContentOpen", 0);
    scene.create(0, 0x1000, HandleKind::THREAD, 1, "host", "host");
    scene.record(Operation::Stub, 0x1000, 1, "open_content", "XamContentOpen", 0).park(
        1,
        0x1008,
        "open_content",
    );
    only(&scene, "HT02 LIKELY 0x1008 XamContentOpen [1]", &[1]);
}

#[test]
fn many_apcs_that_were_all_delivered_leave_none_pending() {
    let mut scene = Scene::new("calls.elf");
    scene.create(0, 0x1000, HandleKind::THREAD, 1, "host", "host").event(1, 0x1004, "setup");
    let apc = |delivered| ApcAux { delivered, kernel: false, target: 1 }.encode();
    // More than a trail keeps: some of the deliveries are forgotten, and what they delivered is not.
    scene.record(Operation::Stub, 0x1000, 1, "boot", "XamUserGetName", 0);
    for _ in 0..50 {
        scene.record(Operation::Apc, 0x1000, 1, "call_later", "NtQueueApcThread", apc(false));
        scene.record(Operation::Apc, 0x1000, 1, "sleep", "KeDelayExecutionThread", apc(true));
    }
    scene.park(1, 0x1004, "wait");
    assert!(!scene.said().iter().any(|line| line.starts_with("HT14")), "{:#?}", scene.said());
}

#[test]
fn a_kernel_apc_does_not_deliver_a_user_apc() {
    let mut scene = Scene::new("two_kinds.elf");
    scene.create(0, 0x1000, HandleKind::THREAD, 1, "host", "host").event(1, 0x1004, "setup");
    let apc = |delivered, kernel| ApcAux { delivered, kernel, target: 1 }.encode();
    scene.record(Operation::Apc, 0x1000, 1, "read", "NtReadFile", apc(false, false));
    scene.record(Operation::Apc, 0x1000, 1, "poke", "KeInsertQueueApc", apc(false, true));
    scene
        .record(Operation::Apc, 0x1000, 1, "poke", "KeInsertQueueApc", apc(true, true))
        .park(1, 0x1004, "wait");
    only(&scene, "HT14 STRONG 0x1004 thread 1 [1]", &[1]);
}

#[test]
fn a_timer_that_fires_once_is_not_enough_for_two_waits() {
    let mut scene = Scene::new("once.elf");
    scene.create(1, 0x1004, HandleKind::TIMER_AUTO, 0, "setup", "NtCreateTimer");
    let due = scene.clock + 10 * MS;
    scene.armed(1, 0x1004, "setup", due).wait(1, 0x1004, "tick").pass(10 * MS);
    let fired = TimerAux { event: TimerEvent::Fired, periodic: false, due };
    scene
        .timer(0, 0x1004, "host", "timers", fired)
        .wake(1, 0x1004, "tick", "timers", 0)
        .park(1, 0x1004, "tick");
    only(&scene, "HT13 LIKELY 0x1004 setup [1]", &[1]);
}

#[test]
fn an_overwritten_signal_that_nobody_missed_is_a_hint() {
    let mut scene = Scene::new("redundant.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    scene.signal(2, 0x1004, 0, "poke").signal(2, 0x1004, 1, "poke").take(1, 0x1004, "listen");
    scene.signal(2, 0x1004, 0, "poke").take(1, 0x1004, "listen").park(1, 0x1004, "listen");
    scene.state(2, ThreadState::Running).ended(Ended::Interrupted).pass(9000 * MS);
    assert!(findings(&scene).is_empty(), "{:#?}", scene.said());
    assert!(scene.said()[1].starts_with("HT18 HINT"), "{:#?}", scene.said());
}

#[test]
fn of_two_reads_on_one_event_the_one_that_is_not_served_is_to_blame() {
    let mut scene = Scene::new("two_reads.elf");
    scene.event(1, 0x1004, "setup");
    scene.record(Operation::Promise, 0x1004, 1, "read_head", "NtReadFile", 1);
    scene.record(Operation::Promise, 0x1004, 1, "read_body", "NtReadFile", 2);
    scene.signal(0, 0x1004, 0, "io").take(1, 0x1004, "wait_for_both").park(1, 0x1004, "wait_for_both");
    only(&scene, "HT01 LIKELY 0x1004 NtReadFile [1]", &[1]);
}

#[test]
fn a_thread_that_waits_for_its_own_end_is_a_circle_of_one() {
    let mut scene = Scene::new("self.elf");
    scene.spawn(1, 2, 0x1004).park(2, 0x1004, "join_all").park(1, 0x1004, "join");
    only(&scene, "HT10 PROVEN 0x1004 thread 2 [2]", &[1, 2]);
    let summary = &scene.diagnose().verdicts[0].summary;
    assert_eq!(summary, "Thread 2 waits for its own end.");
}

#[test]
fn a_harmless_stub_does_not_outweigh_a_signaller_that_is_stuck() {
    let mut scene = Scene::new("notify.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    for _ in 0..3 {
        scene.wait(1, 0x1004, "frame").signal(2, 0x1004, 0, "present").wake(
            1,
            0x1004,
            "frame",
            "NtSetEvent",
            0,
        );
    }
    scene.record(Operation::Stub, 0x1004, 1, "frame", "NtQueryEvent", 0).park(1, 0x1004, "frame");
    stuck_in_a_read(&mut scene, 2, 0x100c);
    only(&scene, "HT01 STRONG 0x100c NtReadFile [2]", &[1, 2]);
}
