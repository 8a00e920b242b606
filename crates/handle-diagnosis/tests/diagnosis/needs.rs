//! Whom a parked thread needs, and who is blocked through whom.

use handle_audit::{HandleKind, Operation};
use handle_diagnosis::{Confidence, Ended, ThreadState};

use crate::scene::{MS, POLL, Scene};
use crate::scenes;
use crate::traps::{findings, only, stuck_in_a_read};

/// The thread that a parked one needs, and why.
fn need(scene: &Scene, tid: u32) -> Option<(u32, String)> {
    let parked = scene.diagnose().parked;
    let one = parked.into_iter().find(|parked| parked.tid == tid).expect("it is parked");
    one.needs.map(|need| (need.tid, need.how))
}

type Stage = fn(&mut Scene);

/// Thread 2 is stuck in a read; main waits for an object of it, in a way that leaves no doubt about whom it needs.
fn beside_a_stuck_thread(stage: Stage) -> Scene {
    let mut scene = Scene::new("beside.elf");
    scene.spawn(1, 2, 0x1008);
    stage(&mut scene);
    stuck_in_a_read(&mut scene, 2, 0x100c);
    scene
}

/// `round` of a wait of main that thread 2 ends.
pub(crate) fn answered(scene: &mut Scene, handle: u32, by: u32) {
    scene.wait(1, handle, "frame").signal(by, handle, 0, "present");
    scene.wake(1, handle, "frame", "NtSetEvent", 0);
}

#[test]
fn who_never_signalled_is_needed_only_where_nothing_else_would_help() {
    let stages: [(&str, Stage, Option<u32>); 7] = [
        (
            "it made the event",
            |scene| {
                scene.event(2, 0x1004, "setup").park(1, 0x1004, "wait");
            },
            Some(2),
        ),
        (
            "a timer needs nobody",
            |scene| {
                scene.create(2, 0x1004, HandleKind::TIMER_AUTO, 0, "setup", "NtCreateTimer");
                let due = scene.clock + 100_000 * MS;
                scene.armed(2, 0x1004, "setup", due).park(1, 0x1004, "wait").ended(Ended::Watchdog);
            },
            None,
        ),
        (
            "it can be had",
            |scene| {
                scene.create(2, 0x1004, HandleKind::EVENT_MANUAL, 1, "setup", "NtCreateEvent");
                scene.parked(1, &[0x1004]);
            },
            None,
        ),
        (
            "a call was to signal it",
            |scene| {
                scene.event(2, 0x1004, "setup");
                scene.record(Operation::Promise, 0x1004, 2, "load", "NtReadFile", 3);
                scene.record(Operation::Stub, 0x1004, 2, "load", "NtReadFile", 0xC000_0002);
                scene.park(1, 0x1004, "wait");
            },
            None,
        ),
        (
            "the host signalled it before",
            |scene| {
                scene.event(2, 0x1004, "setup").signal(0, 0x1004, 0, "io").take(1, 0x1004, "wait");
                scene.park(1, 0x1004, "wait");
            },
            None,
        ),
        (
            "it signalled it itself before",
            |scene| {
                scene.event(2, 0x1004, "setup").signal(1, 0x1004, 0, "io").take(1, 0x1004, "wait");
                scene.park(1, 0x1004, "wait");
            },
            None,
        ),
        (
            "the one who pulsed it before has ended",
            |scene| {
                scene.event(2, 0x1004, "setup").spawn(1, 3, 0x1020).wait(1, 0x1004, "wait");
                scene.record(Operation::Pulse, 0x1004, 3, "ring", "NtPulseEvent", 0);
                scene.wake(1, 0x1004, "wait", "NtPulseEvent", 0).exit(3, 0x1020).park(1, 0x1004, "wait");
            },
            None,
        ),
    ];
    for (why, stage, needed) in stages {
        let scene = beside_a_stuck_thread(stage);
        assert_eq!(need(&scene, 1).map(|(tid, _)| tid), needed, "{why}: {:#?}", scene.said());
    }
}

#[test]
fn a_wait_for_any_needs_whom_all_of_its_objects_need() {
    for (second, blocks) in [(2, vec![1, 2]), (3, vec![2])] {
        let mut scene = Scene::new("any.elf");
        scene.event(1, 0x1004, "setup").event(1, 0x1010, "setup").spawn(1, 2, 0x1008).spawn(1, 3, 0x1014);
        answered(&mut scene, 0x1004, 2);
        answered(&mut scene, 0x1010, second);
        scene.park_on_several(1, &[0x1004, 0x1010], "either", false).state(3, ThreadState::Running);
        stuck_in_a_read(&mut scene, 2, 0x100c);
        only(&scene, "HT01 STRONG 0x100c NtReadFile [2]", &blocks);
    }
}

#[test]
fn of_those_who_signalled_before_one_that_can_run_is_needed() {
    let mut scene = Scene::new("two.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008).spawn(1, 3, 0x1010);
    for by in [2, 2, 2, 3] {
        answered(&mut scene, 0x1004, by);
    }
    scene.park(1, 0x1004, "frame").state(3, ThreadState::Running);
    stuck_in_a_read(&mut scene, 2, 0x100c);
    assert_eq!(need(&scene, 1), Some((3, "signalled it 1 time before".to_owned())));
    scene.exit(3, 0x1010);
    assert_eq!(need(&scene, 1), Some((2, "signalled it 3 times before".to_owned())));
}

#[test]
fn who_signals_siblings_that_somebody_waits_for_is_needed() {
    let mut scene = Scene::new("siblings.elf");
    scene.event(1, 0x1004, "make_event").event(1, 0x1010, "make_event").spawn(1, 2, 0x1008);
    scene.signal(2, 0x1010, 0, "done").state(2, ThreadState::Running).park(1, 0x1004, "wait");
    assert_eq!(need(&scene, 1), None, "it may have the wrong handle");
    scene.take(3, 0x1010, "other");
    assert_eq!(need(&scene, 1), Some((2, "signals others made at the same place".to_owned())));
}

#[test]
fn nobody_needs_a_thread_that_has_ended_or_is_not_known() {
    let mut scene = Scene::new("ended.elf");
    scene.spawn(1, 2, 0x1004).park(1, 0x1004, "join");
    assert_eq!(need(&scene, 1), Some((2, "has not ended".to_owned())));
    scene.exit(2, 0x1004);
    assert_eq!(need(&scene, 1), None);
    let mut scene = Scene::new("unknown.elf");
    scene.create(1, 0x1004, HandleKind::THREAD, 0, "open", "NtOpenThread").park(1, 0x1004, "join");
    assert_eq!(need(&scene, 1), None);
}

#[test]
fn a_habit_is_read_from_the_object_where_the_thread_has_done_much_since() {
    let mut scene = Scene::new("busy.elf");
    scene.semaphore(1, 0x1004, 0, 16, "setup").event(1, 0x1010, "setup").spawn(1, 2, 0x1008);
    scene.worked(2, 0x1004, 1, 8);
    for _ in 0..20 {
        scene.take(2, 0x1010, "elsewhere");
    }
    scene.park(2, 0x1004, "worker").state(1, ThreadState::Exited).ended(Ended::Limit);
    assert!(scene.said().contains(&"HT20 UNKNOWN - - [2]".to_owned()), "{:#?}", scene.said());
    assert_eq!(
        scene.diagnose().verdicts.last().expect("it is idle").summary,
        "1 thread is idle: it waits where it has waited 8 times before, and nobody waits for it."
    );
}

/// Thread 2 always listens at one place and has missed a pulse; thread 3 has been served by it three times.
fn idle_listener() -> Scene {
    let mut scene = Scene::new("listener.elf");
    scene.event(1, 0x1004, "setup").event(1, 0x1010, "setup").spawn(1, 2, 0x1008).spawn(1, 3, 0x1014);
    for _ in 0..4 {
        scene.wait(2, 0x1004, "listen");
        scene.record(Operation::Pulse, 0x1004, 1, "ring", "NtPulseEvent", 0);
        scene.wake(2, 0x1004, "listen", "NtPulseEvent", 0);
        scene.wait(3, 0x1010, "serve").signal(2, 0x1010, 0, "answer").wake(
            3,
            0x1010,
            "serve",
            "NtSetEvent",
            0,
        );
    }
    scene.record(Operation::Pulse, 0x1004, 1, "ring", "NtPulseEvent", 0).state(1, ThreadState::Exited);
    scene.park(2, 0x1004, "listen");
    scene
}

#[test]
fn an_idle_thread_is_worth_a_word_once_somebody_needs_it_who_is_not_idle() {
    let mut scene = idle_listener();
    scene.exit(3, 0x1014);
    assert_eq!(scene.said(), ["HT21 UNKNOWN - - []", "HT20 UNKNOWN - - [2]"], "nobody needs it");
    let mut scene = idle_listener();
    scene.park(3, 0x1010, "serve");
    assert_eq!(scene.said(), ["HT21 UNKNOWN - - []", "HT20 UNKNOWN - - [2, 3]"], "who needs it is idle too");
    let mut scene = idle_listener();
    scene.park(3, 0x1010, "hurry");
    only(&scene, "HT04 PROVEN 0x1004 NtPulseEvent [2]", &[2, 3]);
    scene.ended(Ended::Finished).pass(9000 * MS);
    assert_eq!(
        scene.said(),
        ["HT20 UNKNOWN - - [2, 3]"],
        "in a finished run habit alone makes nobody needed"
    );
    scene.spawn(1, 4, 0x1020).park(4, 0x1008, "join");
    assert_eq!(scene.said()[0], "HT04 PROVEN 0x1004 NtPulseEvent [2]", "a join does");
}

#[test]
fn an_idle_thread_that_the_kernel_should_have_woken_is_worth_a_word() {
    let mut scene = Scene::new("worker.elf");
    scene.semaphore(1, 0x1004, 0, 16, "setup").spawn(1, 2, 0x1008).worked(2, 0x1004, 1, 8);
    scene.park(2, 0x1004, "worker").release(1, 0x1004, 0, 1, "dispatch").state(1, ThreadState::Exited);
    only(&scene, "HT03 PROVEN 0x1004 NtReleaseSemaphore [2]", &[2]);
}

#[test]
fn in_a_finished_run_what_holds_others_up_is_a_finding() {
    let mut scene = scenes::deadlock();
    scene.state(1, ThreadState::Exited).ended(Ended::Finished);
    only(&scene, "HT10 PROVEN 0x1004 thread 3 [2, 3]", &[2, 3]);
    let joined = || {
        let mut scene = Scene::new("joined.elf");
        scene.spawn(1, 2, 0x1008).spawn(1, 3, 0x100c).event(2, 0x1004, "setup");
        scene.park(2, 0x1004, "wait").park(3, 0x1008, "join").state(1, ThreadState::Exited);
        scene.ended(Ended::Finished);
        scene
    };
    let mut scene = joined();
    scene.pass(9000 * MS);
    only(&scene, "HT02 LIKELY 0x1004 setup [2]", &[2, 3]);
    scene.spawn(3, 4, 0x1020).state(4, ThreadState::Running);
    assert!(findings(&scene).is_empty(), "one that runs may still signal: {:#?}", scene.said());
    let mut scene = joined();
    scene.pass(100 * MS);
    assert!(findings(&scene).is_empty(), "it is too early to tell: {:#?}", scene.said());
}

#[test]
fn a_victim_is_as_sure_as_the_weakest_of_its_edges() {
    let mut scene = Scene::new("weak.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008).spawn(1, 3, 0x1010);
    scene.wait(2, 0x1004, "frame").signal(1, 0x1004, 0, "present").wake(2, 0x1004, "frame", "NtSetEvent", 0);
    stuck_in_a_read(&mut scene, 1, 0x100c);
    scene.park(2, 0x1004, "frame").park(3, 0x1008, "join");
    let said = scene.said();
    assert_eq!(said[0], "HT01 STRONG 0x100c NtReadFile [1]");
    assert!(said.contains(&"HT11 LIKELY 0x1004 thread 1 [2]".to_owned()), "{said:#?}");
    assert!(said.contains(&"HT11 LIKELY 0x1008 thread 2 [3]".to_owned()), "a join behind a habit: {said:#?}");
}

#[test]
fn a_verdict_without_evidence_has_no_victims() {
    let mut scene = scenes::promise_broken();
    assert!(scene.said().iter().any(|line| line.starts_with("HT11")), "{:#?}", scene.said());
    scene.tamper = |snapshot| snapshot.coverage.pauses = 1;
    assert!(!scene.said().iter().any(|line| line.starts_with("HT11")), "{:#?}", scene.said());
}

#[test]
fn those_who_wait_for_the_same_are_counted() {
    let summary = |more: &[u32]| {
        let mut scene = Scene::new("gate.elf");
        scene.manual_event(0, 0x1004, "setup").park(1, 0x1004, "wait");
        for tid in more {
            scene.spawn(0, *tid, 0x2000 + 4 * tid).park(*tid, 0x1004, "wait");
        }
        scene.diagnose().verdicts[0].summary.clone()
    };
    assert!(summary(&[]).ends_with("nobody ever signalled."), "{}", summary(&[]));
    assert!(summary(&[2]).ends_with(" 1 other thread waits there too."), "{}", summary(&[2]));
    assert!(summary(&[2, 3]).ends_with(" 2 other threads wait there too."), "{}", summary(&[2, 3]));
}

#[test]
fn the_last_resort_is_a_hint_beside_a_sure_root_that_it_does_not_lead_to() {
    let mut scene = Scene::new("beside.elf");
    scene.spawn(0, 2, 0x1008).spawn(0, 4, 0x1024).event(4, 0x1020, "setup").park(4, 0x1020, "other");
    assert_eq!(findings(&scene), ["HT02 LIKELY 0x1020 setup [4]"]);
    stuck_in_a_read(&mut scene, 2, 0x100c);
    only(&scene, "HT01 STRONG 0x100c NtReadFile [2]", &[2]);
    assert!(scene.said().contains(&"HT02 HINT 0x1020 setup [4]".to_owned()), "{:#?}", scene.said());
}

/// Thread 2 polls an event in vain, and is parked in a poll; main joins it.
fn poller() -> Scene {
    let mut scene = scenes::busy_poll();
    scene.wait_as(2, 0x1004, "poll_gpu", POLL).parked(2, &[0x1004]).gives_up(2);
    scene
}

#[test]
fn a_poll_explains_its_own_wait_and_what_nobody_else_explains() {
    let mut scene = poller();
    assert_eq!(scene.said()[0], "HT16 STRONG 0x1004 thread 2 [2]");
    let about_it = |scene: &Scene| scene.said().iter().filter(|line| line.ends_with("[2]")).count();
    assert_eq!(about_it(&scene), 1, "its own wait is no verdict: {:#?}", scene.said());
    scene.spawn(0, 3, 0x1010).event(3, 0x1014, "setup").park(3, 0x1014, "wait");
    only(&scene, "HT16 STRONG 0x1004 thread 2 [2]", &[1, 3]);
    assert!(!scene.said().iter().any(|line| line.starts_with("HT02")), "{:#?}", scene.said());
}

#[test]
fn a_poll_does_not_explain_what_has_a_reason_of_its_own() {
    let mut scene = poller();
    scene.spawn(0, 3, 0x1010).spawn(0, 5, 0x1018).event(3, 0x1014, "setup");
    scene.signal(5, 0x1014, 0, "deliver").signal(5, 0x1014, 1, "deliver").exit(5, 0x1018);
    scene.take(3, 0x1014, "receive").park(3, 0x1014, "receive").spawn(0, 6, 0x1020).park(6, 0x1010, "join");
    assert_eq!(findings(&scene), ["HT16 STRONG 0x1004 thread 2 [2]", "HT18 LIKELY 0x1014 thread 5 [3]"]);
    assert_eq!(scene.diagnose().verdicts[0].blocks, [1]);
}

#[test]
fn beside_a_sure_root_a_poll_explains_only_who_needs_it() {
    let mut scene = poller();
    scene.spawn(0, 3, 0x1010).event(3, 0x1014, "setup").park(3, 0x1014, "wait").spawn(0, 4, 0x1020);
    stuck_in_a_read(&mut scene, 4, 0x1024);
    let diagnosis = scene.diagnose();
    let blocks: Vec<_> = diagnosis
        .findings(Confidence::Likely)
        .map(|verdict| (verdict.id.code(), verdict.blocks.as_slice()))
        .collect();
    assert_eq!(blocks, [("HT16", &[1][..]), ("HT01", &[4][..])], "{:#?}", scene.said());
    assert!(scene.said().contains(&"HT02 HINT 0x1014 setup [3]".to_owned()), "{:#?}", scene.said());
}

#[test]
fn a_poller_that_is_blocked_through_a_sure_root_is_no_root() {
    let mut scene = poller();
    // It stops polling and waits for a lock whose owner reads for ever.
    scene.mutant(1, 0x1014, "setup").spawn(0, 3, 0x1018).take(3, 0x1014, "lock");
    stuck_in_a_read(&mut scene, 3, 0x1020);
    scene.parked(2, &[0x1014]);
    let said = scene.said();
    assert!(!said.iter().any(|line| line.starts_with("HT16")), "{said:#?}");
    assert_eq!(scene.diagnose().verdicts[0].blocks, [1, 2, 3], "{said:#?}");
}

#[test]
fn what_a_steady_source_says_is_explained_by_its_poll() {
    let mut scene = Scene::new("source.elf");
    scene.event(1, 0x1004, "setup").event(1, 0x1010, "setup").spawn(1, 2, 0x1008);
    for _ in 0..20 {
        scene.wait(1, 0x1010, "tick").pass(16 * MS).signal(2, 0x1010, 0, "tick");
        scene.wake(1, 0x1010, "tick", "NtSetEvent", 0);
    }
    scene.park(1, 0x1010, "tick");
    scene.polled(2, 0x1004, "poll", 40, 10 * MS).state(2, ThreadState::Running).ended(Ended::Watchdog);
    only(&scene, "HT16 LIKELY 0x1004 thread 2 [2]", &[1]);
}

#[test]
fn a_thread_that_was_suspended_after_it_ran_was_not_lost() {
    let mut scene = Scene::new("paused.elf");
    scene.spawn(1, 2, 0x1004).suspended(2).park(1, 0x1004, "join");
    assert_eq!(scene.said(), ["HT11 STRONG 0x1004 thread 2 [1]"]);
    assert!(scene.diagnose().verdicts[0].summary.contains("is suspended"));
    // A host that does not say when a thread starts: what it did says that it ran.
    let mut scene = Scene::new("silent.elf");
    scene.thread_made(1, 2, 0x1004).event(2, 0x1008, "work").suspended(2).park(1, 0x1004, "join");
    assert_eq!(scene.said(), ["HT11 STRONG 0x1004 thread 2 [1]"]);
    let mut scene = Scene::new("never.elf");
    scene.thread_made(1, 2, 0x1004).suspended(2).park(1, 0x1004, "join");
    assert_eq!(scene.said(), ["HT12 PROVEN 0x1004 spawn [1]"]);
}

#[test]
fn without_a_list_a_thread_never_ran_if_its_records_say_so() {
    let joined = |mut scene: Scene, ran: bool| {
        scene.thread_made(1, 2, 0x1004);
        if ran {
            scene.event(2, 0x1008, "work");
        }
        scene.wait(1, 0x1004, "join").without_threads();
        scene.said().iter().any(|line| line.starts_with("HT12"))
    };
    assert!(joined(Scene::new("never.elf"), false));
    assert!(!joined(Scene::new("ran.elf"), true));
    assert!(!joined(Scene::basic("basic.elf"), false), "a start would not have been recorded");
}
