//! Near misses of the verdicts on owners, threads, time and the run as a whole: HT09 to HT22, without HT18.

use handle_audit::aux::{ApcAux, ThreadEvent, TimerAux, TimerEvent, WaitAux};
use handle_audit::{HandleKind, Label, Operation};
use handle_diagnosis::{Confidence, Ended, ThreadState};

use crate::scene::{FOR_EVER, MS, Scene, TIMEOUT};
use crate::scenes;
use crate::verdicts::{first_is, not_a_finding};

// HT09 and HT10

#[test]
fn an_owner_that_released_before_it_ended_is_innocent() {
    let mut scene = Scene::new("released.elf");
    scene.mutant(1, 0x1004, "setup").spawn(1, 2, 0x1008).take(2, 0x1004, "work").unlock(2, 0x1004, "work");
    scene.exit(2, 0x1008).event(1, 0x100c, "setup").park(1, 0x100c, "wait");
    not_a_finding(&scene, "HT09");
}

#[test]
fn a_recursive_owner_owns_until_its_last_release() {
    let mut scene = Scene::new("recursive.elf");
    scene.mutant(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    scene.take(2, 0x1004, "outer").take(2, 0x1004, "inner").unlock(2, 0x1004, "inner").exit(2, 0x1008);
    scene.park(1, 0x1004, "wait");
    first_is(&scene, "HT09 PROVEN 0x1004 thread 2");
}

#[test]
fn waits_that_can_give_up_are_no_deadlock() {
    let mut scene = scenes::deadlock();
    scene.threads.as_mut().expect("a list").iter_mut().for_each(|thread| thread.deadline = Some(u64::MAX));
    not_a_finding(&scene, "HT10");
}

#[test]
fn an_alertable_wait_in_a_live_circle_leaves_a_way_out() {
    let mut scene = scenes::deadlock();
    scene.alertable(2).ended(Ended::Watchdog);
    first_is(&scene, "HT10 STRONG");
    scene.ended(Ended::Deadlock);
    first_is(&scene, "HT10 PROVEN");
}

#[test]
fn a_join_can_close_the_circle() {
    let mut scene = Scene::new("join.elf");
    let kind = HandleKind::host(Label::from_data("CriticalSection"));
    scene.create(1, 0x8200_9000, kind, 0, "setup", "RtlInitializeCriticalSection").spawn(1, 2, 0x1008);
    scene.take(1, 0x8200_9000, "shutdown").park(2, 0x8200_9000, "worker").park(1, 0x1008, "shutdown");
    first_is(&scene, "HT10 PROVEN");
    assert_eq!(scene.diagnose().verdicts[0].threads, [1, 2]);
}

// HT11

#[test]
fn who_waits_for_a_joiner_of_a_deadlock_is_its_victim() {
    let diagnosis = scenes::deadlock().diagnose();
    let victim = diagnosis.verdicts.iter().find(|verdict| verdict.id.code() == "HT11").expect("main is one");
    assert_eq!((victim.threads.as_slice(), victim.root), ([1].as_slice(), Some(1)));
    assert_eq!(victim.confidence, Confidence::Proven, "a join and two owners leave no doubt");
    assert_eq!(diagnosis.verdicts[0].blocks, [1, 2, 3]);
}

// HT12

#[test]
fn a_thread_that_never_ran_explains_what_nobody_signals() {
    let mut scene = Scene::new("asleep.elf");
    scene.event(1, 0x1004, "setup").thread_made(1, 2, 0x1008).suspended(2).park(1, 0x1004, "wait_for_init");
    first_is(&scene, "HT12 LIKELY 0x1008 spawn");
}

#[test]
fn a_thread_that_ran_was_resumed() {
    let mut scene = Scene::new("ran.elf");
    scene.thread_made(1, 2, 0x1004);
    scene.life(ThreadEvent::Resumed, 0x1004, 1, "go", "NtResumeThread", 0).started(2, 0x1004);
    scene.event(2, 0x1008, "work").park(2, 0x1008, "work").park(1, 0x1004, "join");
    not_a_finding(&scene, "HT12");
}

// HT13

#[test]
fn a_timer_that_is_not_due_is_alive() {
    let mut scene = Scene::new("later.elf");
    scene.create(1, 0x1004, HandleKind::TIMER_AUTO, 0, "setup", "NtCreateTimer");
    let due = scene.clock + 100_000 * MS;
    scene.armed(1, 0x1004, "setup", due).park(1, 0x1004, "wait").pass(5000 * MS).ended(Ended::Interrupted);
    not_a_finding(&scene, "HT13");
}

#[test]
fn a_timer_that_was_never_armed_is_dead() {
    let mut scene = Scene::new("unarmed.elf");
    scene.create(1, 0x1004, HandleKind::TIMER_AUTO, 0, "setup", "NtCreateTimer");
    scene.record(Operation::Stub, 0x1004, 1, "arm", "NtSetTimerEx", 0).park(1, 0x1004, "wait");
    first_is(&scene, "HT13 STRONG 0x1004 NtSetTimerEx");
}

#[test]
fn a_periodic_timer_that_fires_once_is_dead() {
    let mut scene = Scene::new("once.elf");
    scene.create(1, 0x1004, HandleKind::TIMER_AUTO, 0, "setup", "NtCreateTimer");
    let due = scene.clock + 10 * MS;
    let timer = TimerAux { event: TimerEvent::Armed, periodic: true, due };
    scene.timer(1, 0x1004, "setup", "NtSetTimerEx", timer).wait(1, 0x1004, "tick").pass(10 * MS);
    scene.timer(0, 0x1004, "host", "timers", TimerAux { event: TimerEvent::Fired, ..timer });
    scene.wake(1, 0x1004, "tick", "timers", 0).park(1, 0x1004, "tick").pass(400 * MS).ended(Ended::Watchdog);
    first_is(&scene, "HT13 STRONG 0x1004 NtSetTimerEx");
}

// HT14

#[test]
fn an_apc_that_was_delivered_starves_nobody() {
    let mut scene = scenes::apc_starved();
    let delivered = ApcAux { delivered: true, kernel: false, target: 1 };
    scene.record(Operation::Apc, 0x1000, 1, "wait", "NtWaitForSingleObjectEx", delivered.encode());
    not_a_finding(&scene, "HT14");
}

#[test]
fn an_alertable_wait_that_gets_no_apc_accuses_the_kernel() {
    let mut scene = scenes::apc_starved();
    scene.alertable(1);
    first_is(&scene, "HT14 STRONG 0x1004 NtQueueApcThread");
}

// HT15

#[test]
fn a_member_with_a_verdict_of_its_own_is_the_root() {
    let mut scene = Scene::new("all_promised.elf");
    scene.manual_event(1, 0x1004, "start").manual_event(1, 0x1008, "start").spawn(1, 2, 0x100c);
    scene.signal(2, 0x1004, 0, "loaded").record(Operation::Promise, 0x1008, 1, "start", "NtReadFile", 4);
    scene.park_on_several(1, &[0x1004, 0x1008], "wait", true);
    first_is(&scene, "HT01 STRONG 0x1008 NtReadFile");
}

#[test]
fn a_wait_for_any_is_not_partial() {
    let mut scene = Scene::new("any.elf");
    scene.manual_event(1, 0x1004, "start").manual_event(1, 0x1008, "start");
    scene.park_on_several(1, &[0x1004, 0x1008], "wait", false);
    not_a_finding(&scene, "HT15");
    first_is(&scene, "HT02 LIKELY");
}

// HT16

#[test]
fn a_poll_that_succeeds_now_and_then_is_progress() {
    let mut scene = scenes::busy_poll();
    scene.signal(3, 0x1004, 0, "raise").take(2, 0x1004, "poll_gpu");
    not_a_finding(&scene, "HT16");
}

#[test]
fn a_poll_that_nobody_waits_for_is_nobodys_business() {
    let mut scene = Scene::new("lonely.elf");
    scene.event(1, 0x1004, "setup");
    for _ in 0..40 {
        let poll = WaitAux { timeout: Some(0), ..FOR_EVER };
        scene.wait_as(1, 0x1004, "poll", poll).pass(MS).satisfied(1, 0x1004, "poll", TIMEOUT);
    }
    scene.state(1, ThreadState::Running).ended(Ended::Watchdog);
    not_a_finding(&scene, "HT16");
}

// HT17

#[test]
fn a_short_silence_breaks_no_habit() {
    let mut scene = Scene::new("steady.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    for _ in 0..20 {
        scene.wait(1, 0x1004, "tick").pass(16 * MS).signal(2, 0x1004, 0, "tick");
        scene.wake(1, 0x1004, "tick", "NtSetEvent", 0);
    }
    scene.park(1, 0x1004, "tick").pass(40 * MS).state(2, ThreadState::Running).ended(Ended::Watchdog);
    not_a_finding(&scene, "HT17");
}

// HT20

#[test]
fn an_idle_worker_is_never_a_finding_whatever_the_end() {
    for ended in [Ended::Finished, Ended::Deadlock, Ended::Watchdog, Ended::Interrupted, Ended::Limit] {
        let mut scene = scenes::idle_by_design();
        scene.pass(10_000 * MS).ended(ended);
        assert_eq!(
            scene.diagnose().findings(Confidence::Likely).count(),
            0,
            "{ended:?}: {:#?}",
            scene.said()
        );
    }
}

#[test]
fn a_worker_that_main_waits_for_is_not_idle() {
    let mut scene = scenes::idle_by_design();
    scene.ended(Ended::Deadlock).record(Operation::Promise, 0x1004, 1, "main", "NtReadFile", 2);
    scene.park(1, 0x1008, "join");
    first_is(&scene, "HT01 STRONG 0x1004 NtReadFile");
}

// HT21 and HT22

#[test]
fn a_finished_run_without_waits_says_nothing() {
    let mut scene = Scene::new("done.elf");
    scene.state(1, ThreadState::Exited).ended(Ended::Finished);
    assert!(scene.diagnose().verdicts.is_empty());
}

#[test]
fn an_untraced_hang_says_how_to_trace_it() {
    let mut scene = scenes::never_signalled();
    scene.tamper = |snapshot| *snapshot = handle_audit::Snapshot::default();
    let verdicts = scene.diagnose().verdicts;
    assert_eq!(verdicts[0].id.code(), "HT22");
    assert!(verdicts[0].next.contains("--trace-handles"), "{}", verdicts[0].next);
}

#[test]
fn waiters_of_one_object_are_one_finding() {
    let mut scene = Scene::new("crowd.elf");
    scene.manual_event(1, 0x1004, "setup");
    for tid in 2..7 {
        scene.spawn(1, tid, 0x1008 + 4 * tid).park(tid, 0x1004, "wait_for_go");
    }
    scene.park(1, 0x1004, "wait_for_go");
    let diagnosis = scene.diagnose();
    let findings: Vec<_> = diagnosis.findings(Confidence::Likely).collect();
    assert_eq!(findings.len(), 1, "{:#?}", scene.said());
    assert_eq!(findings[0].blocks, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_release_that_finds_a_waiter_must_wake_it() {
    let mut scene = Scene::new("amount.elf");
    scene.semaphore(1, 0x1004, 0, 8, "setup").spawn(1, 2, 0x1008).park(1, 0x1004, "consume");
    scene.release(2, 0x1004, 0, 2, "produce");
    first_is(&scene, "HT03 PROVEN 0x1004 NtReleaseSemaphore");
}
