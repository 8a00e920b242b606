//! What a verdict shows and whom it names: its evidence line by line, its sentence, its advice.

use handle_audit::aux::{ThreadEvent, TimerAux, TimerEvent};
use handle_audit::{HandleKind, Operation};
use handle_diagnosis::{Ended, ThreadState, Verdict};

use crate::scene::{MS, Scene, TIMEOUT};
use crate::scenes;
use crate::traps::only;
use crate::verdicts::{first_is, says};

fn first(scene: &Scene) -> Verdict {
    scene.diagnose().verdicts.swap_remove(0)
}

/// The evidence of the first verdict: thread, operation, and what it is said to show.
fn shown(scene: &Scene) -> Vec<String> {
    let lines = first(scene).evidence.into_iter().map(|evidence| match evidence.record {
        Some(record) => format!("{} {} {}", record.entry.tid, record.operation.name(), evidence.note),
        None => evidence.note,
    });
    lines.collect()
}

// HT02 and HT03

#[test]
fn the_last_resort_says_who_made_it_and_what_came_to_nothing_since() {
    let made_by = |tid: u32, called: u64| {
        let mut scene = Scene::new("maker.elf");
        scene.record(Operation::Stub, 0x1000, 1, "boot", "XamTooEarly", 0).event(tid, 0x1004, "setup");
        scene.record(Operation::Stub, 0x1000, 1, "load", "XamContentOpen", called).park(1, 0x1004, "wait");
        scene
    };
    let itself = made_by(1, 0);
    first_is(&itself, "HT02 LIKELY 0x1004 XamContentOpen [1]");
    assert!(
        first(&itself).summary.contains(", which it made itself and nobody"),
        "{}",
        first(&itself).summary
    );
    let other = made_by(2, 0xC000_0002);
    first_is(&other, "HT02 LIKELY 0x1004 setup [1]");
    assert!(first(&other).summary.contains(", which thread 2 made and nobody"), "{}", first(&other).summary);
}

#[test]
fn a_signal_nobody_took_came_before_the_wait_or_after_it() {
    let of = |early: bool| {
        let mut scene = Scene::new("order.elf");
        scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
        if early {
            scene.signal(2, 0x1004, 0, "present").park(1, 0x1004, "wait");
        } else {
            scene.park(1, 0x1004, "wait").signal(2, 0x1004, 0, "present");
        }
        scene
    };
    let wait = "1 wait still waits, for ever";
    assert_eq!(shown(&of(true)), ["1 create ", "2 signal signalled before, nobody took it", wait]);
    assert_eq!(
        shown(&of(false)),
        ["1 create ", wait, "2 signal signalled after the wait began, nobody took it"]
    );
}

// HT05 and HT18

#[test]
fn of_each_who_took_the_last_time_is_shown() {
    let mut scene = Scene::new("takers.elf");
    scene.semaphore(1, 0x1004, 0, 8, "setup").spawn(1, 2, 0x1008).spawn(1, 3, 0x100c).spawn(1, 4, 0x1010);
    scene.release(4, 0x1004, 0, 3, "produce").take(2, 0x1004, "greedy").take(3, 0x1004, "modest");
    scene.take(2, 0x1004, "greedy");
    let last = scene.clock;
    scene.wait(2, 0x1004, "greedy").satisfied(2, 0x1004, "greedy", TIMEOUT);
    scene.exit(2, 0x1008).exit(3, 0x100c).exit(4, 0x1010).park(1, 0x1004, "consume");
    only(&scene, "HT05 STRONG 0x1004 thread 2 [1]", &[1]);
    assert_eq!(
        shown(&scene),
        [
            "1 create ",
            "3 satisfied thread 3 took 1, this the last",
            "2 satisfied thread 2 took 2, this the last",
            "1 wait still waits, for ever",
        ]
    );
    assert_eq!(first(&scene).evidence[2].record.expect("a record").entry.cycle, last);
    assert!(first(&scene).summary.ends_with("it had 3 signals, and thread 2 took 2 of them."));
}

#[test]
fn who_signals_for_a_call_is_not_to_blame_for_what_was_overwritten() {
    let twice_by = |tid: u32| {
        let mut scene = Scene::new("served.elf");
        scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
        scene.record(Operation::Promise, 0x1004, 1, "load", "NtReadFile", 1);
        scene.signal(tid, 0x1004, 0, "deliver").signal(tid, 0x1004, 1, "deliver").exit(2, 0x1008);
        scene.take(1, 0x1004, "receive").park(1, 0x1004, "receive");
        scene
    };
    first_is(&twice_by(0), "HT18 LIKELY 0x1004 NtReadFile [1]");
    assert!(first(&twice_by(0)).next.contains("See whether load+"), "{}", first(&twice_by(0)).next);
    first_is(&twice_by(2), "HT18 LIKELY 0x1004 thread 2 [1]");
    assert!(first(&twice_by(2)).next.contains("See whether deliver+"), "{}", first(&twice_by(2)).next);
    let mut over = Scene::new("over.elf");
    over.semaphore(1, 0x1004, 0, 1, "setup").spawn(1, 2, 0x1008).release(2, 0x1004, 0, 2, "produce");
    over.exit(2, 0x1008).take(1, 0x1004, "consume").park(1, 0x1004, "consume");
    assert_eq!(first(&over).next, "Make NtReleaseSemaphore refuse a release beyond the limit of 1.");
}

// HT07

#[test]
fn a_ghost_is_called_what_it_is_and_shows_its_first_use_and_its_last_signal() {
    let parked_on = |handle: u32, focus: &[u32], signals: u32| {
        let mut scene = Scene::in_focus("ghosts.elf", focus);
        scene.spawn(1, 2, 0x1008);
        (0..signals).for_each(|_| {
            scene.signal(2, handle, 0, "kick");
        });
        scene.exit(2, 0x1008).park(1, handle, "wait");
        scene
    };
    let scene = parked_on(0x2000, &[], 2);
    first_is(&scene, "HT07 STRONG 0x2000 kick [1]");
    assert_eq!(
        first(&scene).summary,
        "Thread 1 (main) waits for handle 0x2000, a handle that no call returned; 2 signals reached it."
    );
    assert_eq!(shown(&scene), ["2 signal the first use", "1 wait still waits, for ever"]);
    let scene = parked_on(0x8201_0060, &[0x8201_0060], 3);
    assert_eq!(
        first(&scene).summary,
        "Thread 1 (main) waits for the object at 0x82010060, which the guest itself initialised; 3 signals reached it."
    );
    assert_eq!(shown(&scene), ["2 signal the last signal, to no object", "1 wait still waits, for ever"]);
    // Nothing but the ghost is known.
    let mut scene = parked_on(0x2000, &[], 0);
    scene.tamper = |snapshot| snapshot.trails.clear();
    first_is(&scene, "HT07 STRONG 0x2000 wait [1]");
}

#[test]
fn a_wait_for_a_ghost_lasts_until_the_same_thread_ends_it() {
    let mut scene = Scene::new("apc.elf");
    // The signal is from an APC, which runs on top of the wait.
    scene.wait(1, 0x2000, "wait").signal(1, 0x2000, 0, "in_the_apc").parked(1, &[0x2000]).alertable(1);
    assert_eq!(shown(&scene).last().map(String::as_str), Some("1 wait still waits, for ever"));
    let mut scene = Scene::new("over.elf");
    scene.take(1, 0x2000, "wait").parked(1, &[0x2000]);
    assert_eq!(
        shown(&scene).last().map(String::as_str),
        Some("still waits, says the host; the call was not recorded")
    );
}

#[test]
fn a_signal_went_astray_where_it_reached_nothing_since_the_object_was_made() {
    let called = |operation, early: bool, closed: bool| {
        let mut scene = Scene::new("astray.elf");
        scene.spawn(0, 2, 0x1008);
        if closed {
            scene.event(2, 0x2000, "open").record(Operation::Close, 0x2000, 2, "shut", "NtClose", 0);
        }
        if !early {
            scene.event(0, 0x1004, "setup");
        }
        scene.record(operation, 0x2000, 2, "kick", "NtSetEvent", 0);
        if early {
            scene.event(0, 0x1004, "setup");
        }
        scene.exit(2, 0x1008).park(1, 0x1004, "wait");
        scene
    };
    for operation in [Operation::Signal, Operation::GhostSignal] {
        let scene = called(operation, false, false);
        first_is(&scene, "HT07 LIKELY 0x1004 kick [1]");
        let summary = first(&scene).summary;
        assert!(
            summary.ends_with(
                ", which nobody signalled, while thread 2 called NtSetEvent on 0x2000, a handle that nobody made."
            ),
            "{summary}"
        );
        first_is(&called(operation, true, false), "HT02 LIKELY");
    }
    let scene = called(Operation::GhostSignal, false, true);
    first_is(&scene, "HT08 LIKELY 0x1004 shut [1]");
    assert!(
        first(&scene).summary.ends_with("on 0x2000, which was closed by then."),
        "{}",
        first(&scene).summary
    );
    first_is(&called(Operation::GhostSignal, true, true), "HT02 LIKELY");
}

// HT10

#[test]
fn a_circle_is_told_edge_by_edge() {
    let mut scene = Scene::new("mixed.elf");
    scene.mutant(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    scene.take(1, 0x1004, "shutdown").park(2, 0x1004, "worker").park(1, 0x1008, "shutdown");
    let verdict = first(&scene);
    assert_eq!(
        verdict.summary,
        "Thread 1 (main) and thread 2 wait for each other: thread 1 waits for the end of thread 2; thread 2 waits \
         for 0x1004, which thread 1 owns."
    );
    assert_eq!(verdict.next, "Take them in one order everywhere: compare shutdown+0x2c and worker+0x30.");
    assert_eq!(
        shown(&scene),
        [
            "1 satisfied since then thread 1 owns it",
            "2 wait thread 2 waits for it",
            "1 wait thread 1 waits for the end of thread 2",
        ]
    );
}

#[test]
fn what_to_do_about_a_circle_depends_on_its_edges() {
    let next = |stage: fn(&mut Scene)| {
        let mut scene = Scene::new("circle.elf");
        scene.mutant(1, 0x1004, "setup").mutant(1, 0x1008, "setup").spawn(1, 2, 0x100c).spawn(1, 3, 0x1010);
        stage(&mut scene);
        first(&scene).next
    };
    let joins = next(|scene| {
        scene.park(2, 0x1010, "stop").park(3, 0x100c, "halt");
    });
    assert_eq!(joins, "See which of these waits should not be there: stop+0x2c and halt+0x30.");
    let one_place = next(|scene| {
        scene.take(2, 0x1004, "lock").take(3, 0x1008, "lock").park(2, 0x1008, "lock").park(3, 0x1004, "lock");
    });
    assert_eq!(
        one_place,
        "Take them in one order everywhere: all wait at lock+0x2c, so compare its callers (--all)."
    );
    let own_end = next(|scene| {
        scene.park(2, 0x100c, "stop");
    });
    assert_eq!(own_end, "See how stop+0x2c came to the handle of its own thread.");
    let mut patient = scenes::deadlock();
    patient.gives_up(2).ended(Ended::Watchdog);
    assert!(!says(&patient, "HT10"), "one of them gives up: {:#?}", patient.said());
}

// HT12 and HT13

#[test]
fn a_thread_that_somebody_tried_to_start_may_be_anybodys() {
    type Stage = fn(&mut Scene);
    let stages: [(Stage, &str); 3] = [
        (
            |scene| {
                scene.life(ThreadEvent::Resumed, 0x1008, 3, "go", "NtResumeThread", 1);
            },
            "HT12 LIKELY 0x1008 NtResumeThread [1]",
        ),
        (
            |scene| {
                scene.record(Operation::Stub, 0x1008, 3, "go", "NtResumeThread", 0);
            },
            "HT12 LIKELY 0x1008 NtResumeThread [1]",
        ),
        (|_| (), "HT02 LIKELY 0x1004 setup [1]"),
    ];
    for (stage, expected) in stages {
        let mut scene = Scene::new("asleep.elf");
        scene.event(1, 0x1004, "setup").spawn(0, 3, 0x100c).thread_made(3, 2, 0x1008).suspended(2);
        stage(&mut scene);
        scene.exit(3, 0x100c).park(1, 0x1004, "wait");
        first_is(&scene, expected);
    }
}

/// A timer that was armed to be due after 10 ms, so long ago.
fn timer(periodic: bool, fired: bool, cycles: u64) -> Scene {
    let mut scene = Scene::new("timer.elf");
    scene.create(1, 0x1004, HandleKind::TIMER_AUTO, 0, "setup", "NtCreateTimer");
    // The record itself is 500 cycles later.
    let due = scene.clock + 500 + 10 * MS;
    let armed = TimerAux { event: TimerEvent::Armed, periodic, due };
    scene.timer(1, 0x1004, "setup", "NtSetTimerEx", armed).wait(1, 0x1004, "tick");
    scene.clock = due - 500;
    if fired {
        scene.timer(0, 0x1004, "host", "timers", TimerAux { event: TimerEvent::Fired, ..armed });
        scene.wake(1, 0x1004, "tick", "timers", 0).wait(1, 0x1004, "tick");
    }
    scene.parked(1, &[0x1004]).ended(Ended::Watchdog).clock = due + cycles;
    scene
}

#[test]
fn a_timer_is_dead_10_ms_after_it_was_to_fire() {
    for (periodic, fired, late, dead) in [
        (false, false, 10 * MS, false),
        (false, false, 10 * MS + 1, true),
        (true, true, 30 * MS, false),
        (true, true, 30 * MS + 1, true),
    ] {
        let scene = timer(periodic, fired, late);
        assert_eq!(says(&scene, "HT13 STRONG"), dead, "{periodic} {fired} {late}: {:#?}", scene.said());
    }
}

#[test]
fn a_timer_that_can_be_had_is_not_dead() {
    let mut scene = Scene::new("unrecorded.elf");
    scene.create(1, 0x1004, HandleKind::TIMER_MANUAL, 0, "setup", "NtCreateTimer");
    let armed = TimerAux { event: TimerEvent::Armed, periodic: false, due: scene.clock };
    scene.timer(1, 0x1004, "setup", "NtSetTimerEx", armed);
    scene.timer(0, 0x1004, "host", "timers", TimerAux { event: TimerEvent::Fired, ..armed });
    scene.parked(1, &[0x1004]).ended(Ended::Watchdog);
    assert!(!says(&scene, "HT13"), "{:#?}", scene.said());
}

// HT15

#[test]
fn a_wait_for_all_is_partial_only_as_far_as_is_known() {
    let mut scene = Scene::new("locked.elf");
    scene.manual_event(1, 0x1004, "setup").mutant(1, 0x1010, "setup").spawn(1, 2, 0x1008);
    scene.signal(2, 0x1004, 0, "done").take(2, 0x1010, "lock").state(2, ThreadState::Running);
    scene.park_on_several(1, &[0x1004, 0x1010], "both", true).ended(Ended::Watchdog);
    assert!(!says(&scene, "HT15"), "an owner may give it back: {:#?}", scene.said());
}

// HT17

/// So many signals by thread 2 for main, each after a time.
fn ticks(scene: &mut Scene, times: &[u64]) {
    for cycles in times {
        scene.wait(1, 0x1004, "wait").pass(*cycles).signal(2, 0x1004, 0, "tick");
        scene.wake(1, 0x1004, "wait", "NtSetEvent", 0);
    }
}

fn ticking(stage: impl FnOnce(&mut Scene)) -> Scene {
    let mut scene = Scene::new("ticks.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008).spawn(1, 3, 0x100c).state(3, ThreadState::Exited);
    stage(&mut scene);
    scene
}

#[test]
fn a_heartbeat_is_that_of_one_source() {
    let mut scene = ticking(|scene| {
        scene.signal(3, 0x1004, 0, "once").take(1, 0x1004, "wait");
        scene
            .record(Operation::Signal, 0x1004, 2, "boost", "KeSetEventBoostPriority", 0)
            .take(1, 0x1004, "wait");
        scene.record(Operation::Reset, 0x1004, 2, "clear", "NtClearEvent", 0);
        ticks(scene, &[16 * MS; 20]);
    });
    scene.park(1, 0x1004, "wait").pass(1000 * MS).state(2, ThreadState::Running).ended(Ended::Watchdog);
    first_is(&scene, "HT17 STRONG 0x1004 thread 2 [1]");
    assert_eq!(
        first(&scene).summary,
        "Thread 1 (main) waits for Event/Auto 0x1004, which thread 2 signalled 20 times, every 16.030 ms, and has \
         been silent for 1 000.020 ms."
    );
}

#[test]
fn ten_periods_of_silence_break_a_habit_and_more_so_a_steady_one() {
    // The signal is 500 cycles after the time has passed, and the two records of a round take 1000 more.
    let period = 16 * MS + 1500;
    for (times, silence, verdict) in [
        ([16 * MS; 12], 10 * period - 1, None),
        ([16 * MS; 12], 10 * period, Some("HT17 STRONG")),
        (
            [[16 * MS; 9].as_slice(), &[22 * MS; 3]].concat().try_into().expect("twelve"),
            10 * period,
            Some("HT17 LIKELY"),
        ),
    ] {
        let mut scene = ticking(|scene| ticks(scene, &times));
        let last = scene.clock - 500;
        scene.park(1, 0x1004, "wait").state(2, ThreadState::Running).ended(Ended::Watchdog);
        scene.clock = last + silence;
        match verdict {
            Some(verdict) => first_is(&scene, verdict),
            None => assert!(!says(&scene, "HT17"), "{:#?}", scene.said()),
        }
    }
}

#[test]
fn a_source_that_ended_before_the_wait_needs_no_habit() {
    let scene = ticking(|scene| {
        ticks(scene, &[MS; 3]);
        scene.exit(2, 0x1008).park(1, 0x1004, "wait");
    });
    first_is(&scene, "HT17 LIKELY 0x1004 thread 2 [1]");
    assert!(
        first(&scene).summary.ends_with("thread 2 signalled 3 times and then ended."),
        "{}",
        first(&scene).summary
    );
    let scene = ticking(|scene| {
        ticks(scene, &[MS; 3]);
        scene.wait(3, 0x1004, "early").park(1, 0x1004, "wait").signal(2, 0x1004, 0, "tick");
        scene.wake(3, 0x1004, "early", "NtSetEvent", 0).exit(2, 0x1008);
    });
    assert!(!says(&scene, "HT17"), "it signalled after the wait: {:#?}", scene.said());
}
