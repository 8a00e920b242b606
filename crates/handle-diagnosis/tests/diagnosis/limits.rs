//! What each rule asks for, on the near side and on the far side of it: verdicts on objects and on polls.

use handle_audit::{HandleKind, Label, Operation};
use handle_diagnosis::{Ended, ThreadState};

use crate::scene::{MS, POLL, Scene, TIMEOUT};
use crate::scenes;
use crate::traps::only;
use crate::verdicts::{first_is, says};

fn says_nothing_of(scene: &Scene, code: &str, why: &str) {
    assert!(!says(scene, code), "{why}: {:#?}", scene.said());
}

/// Main waits for an event that two others may use.
fn event_of_three(stage: impl FnOnce(&mut Scene)) -> Scene {
    let mut scene = Scene::new("three.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008).spawn(1, 3, 0x100c);
    stage(&mut scene);
    scene
}

fn pulse(scene: &mut Scene) -> &mut Scene {
    scene.record(Operation::Pulse, 0x1004, 2, "ring", "NtPulseEvent", 0)
}

fn reset(scene: &mut Scene, previous: u64) -> &mut Scene {
    scene.record(Operation::Reset, 0x1004, 2, "clear", "NtClearEvent", previous)
}

// HT01

#[test]
fn only_calls_that_are_alike_and_were_accepted_leave_one_open() {
    const REFUSED: u64 = 0xC000_0002;
    for (first, status, second, broken) in [
        ("NtReadFile", None, "NtReadFile", true),
        ("NtWriteFile", None, "NtReadFile", false),
        ("NtReadFile", Some(REFUSED), "NtReadFile", false),
    ] {
        let mut scene = Scene::new("two_calls.elf");
        scene.event(1, 0x1004, "setup").record(Operation::Promise, 0x1004, 1, "load", first, 1);
        if let Some(status) = status {
            scene.record(Operation::Stub, 0x1004, 1, "load", first, status);
        }
        scene.record(Operation::Promise, 0x1004, 1, "load_more", second, 2);
        scene.signal(0, 0x1004, 0, "io").take(1, 0x1004, "wait").park(1, 0x1004, "wait");
        assert_eq!(says(&scene, "HT01"), broken, "{first} {status:?} {second}: {:#?}", scene.said());
    }
}

#[test]
fn a_stub_that_a_signal_followed_or_that_failed_swallowed_nothing() {
    for (status, signalled_since, swallowed) in
        [(0, false, true), (0, true, false), (0xC000_0002, false, false)]
    {
        let scene = event_of_three(|scene| {
            scene.signal(2, 0x1004, 0, "deliver").take(1, 0x1004, "receive");
            scene.record(Operation::Stub, 0x1004, 2, "boost", "KeSetEventBoostPriority", status);
            if signalled_since {
                scene.signal(2, 0x1004, 0, "deliver").take(1, 0x1004, "receive");
            }
            scene.park(1, 0x1004, "receive");
        });
        assert_eq!(says(&scene, "HT01"), swallowed, "{status:#x} {signalled_since}: {:#?}", scene.said());
    }
}

// HT02

#[test]
fn the_last_resort_needs_an_object_that_is_signalled_and_a_wait_for_ever() {
    type Stage = fn(&mut Scene);
    let stages: [(&str, Stage, bool); 7] = [
        (
            "an object of a kind of its own, whatever it is born with",
            |scene| {
                scene
                    .create(1, 0x1004, HandleKind::host(Label::from_data("File")), 7, "open", "NtCreateFile")
                    .park(1, 0x1004, "wait");
            },
            true,
        ),
        (
            "a lock that is taken twice",
            |scene| {
                scene.semaphore(1, 0x1004, 1, 1, "setup").take(1, 0x1004, "lock").park(1, 0x1004, "lock");
            },
            true,
        ),
        (
            "the same, by one who gives up",
            |scene| {
                scene.semaphore(1, 0x1004, 1, 1, "setup").take(1, 0x1004, "lock").park(1, 0x1004, "lock");
                scene.gives_up(1);
            },
            false,
        ),
        (
            "an event that one who gives up waits for",
            |scene| {
                scene.event(1, 0x1004, "setup").park(1, 0x1004, "wait").gives_up(1);
            },
            false,
        ),
        (
            "a thread that runs",
            |scene| {
                scene.park(1, 0x1008, "join");
            },
            false,
        ),
        (
            "a thread that nobody knows",
            |scene| {
                scene
                    .create(1, 0x1004, HandleKind::THREAD, 0, "open", "NtOpenThread")
                    .park(1, 0x1004, "join");
            },
            false,
        ),
        (
            "a mutant that somebody owns",
            |scene| {
                scene.mutant(1, 0x1004, "setup").take(2, 0x1004, "lock").park(1, 0x1004, "lock");
            },
            false,
        ),
    ];
    for (why, stage, said) in stages {
        let mut scene = Scene::new("last_resort.elf");
        scene.spawn(1, 2, 0x1008).state(2, ThreadState::Running).ended(Ended::Watchdog);
        stage(&mut scene);
        assert_eq!(says(&scene, "HT02"), said, "{why}: {:#?}", scene.said());
        assert!(!says(&scene, "HT09"), "{why}: {:#?}", scene.said());
    }
}

// HT03

#[test]
fn without_a_record_of_the_wait_nobody_should_have_been_woken() {
    let mut scene = Scene::new("unrecorded.elf");
    scene.create(1, 0x1004, HandleKind::EVENT_MANUAL, 1, "setup", "NtCreateEvent").parked(1, &[0x1004]);
    says_nothing_of(&scene, "HT03", "it may have been set for a wait that is over");
    scene.wait(1, 0x1004, "wait");
    first_is(&scene, "HT03 STRONG 0x1004 NtCreateEvent");
}

#[test]
fn a_signal_that_was_taken_and_then_cleared_was_answered() {
    let scene = event_of_three(|scene| {
        scene.wait(3, 0x1004, "first").park(1, 0x1004, "second").signal(2, 0x1004, 0, "tick");
        reset(scene.wake(3, 0x1004, "first", "NtSetEvent", 0), 0);
    });
    says_nothing_of(&scene, "HT03", "the other had it");
}

// HT04

#[test]
fn a_pulse_is_not_lost_where_a_signal_came_or_another_was_let_go() {
    let scene = event_of_three(|scene| {
        pulse(scene).wait(3, 0x1004, "first").park(1, 0x1004, "second");
        scene.signal(2, 0x1004, 0, "ring").wake(3, 0x1004, "first", "NtSetEvent", 0);
    });
    says_nothing_of(&scene, "HT04", "what was missed came again");
    let scene = event_of_three(|scene| {
        pulse(scene.wait(3, 0x1004, "first").park(1, 0x1004, "second"));
        scene.wake(3, 0x1004, "first", "NtPulseEvent", 0);
    });
    says_nothing_of(&scene, "HT04", "an event that resets itself lets one go");
    let scene = event_of_three(|scene| {
        pulse(scene.event(1, 0x1010, "setup").park_on_several(1, &[0x1004, 0x1010], "both", true));
    });
    says_nothing_of(&scene, "HT04", "it needs the other too");
    let mut semaphore = Scene::new("semaphore.elf");
    pulse(semaphore.semaphore(1, 0x1004, 0, 4, "setup")).park(1, 0x1004, "wait");
    says_nothing_of(&semaphore, "HT04", "no event");
}

#[test]
fn a_signal_is_cleared_by_the_first_reset_after_it_if_that_found_it_set() {
    type Stage = fn(&mut Scene);
    let stages: [(&str, Stage, Option<&str>); 7] = [
        (
            "set and cleared",
            |scene| {
                reset(scene.signal(2, 0x1004, 0, "done"), 1);
            },
            Some("PROVEN"),
        ),
        (
            "cleared before too",
            |scene| {
                reset(reset(scene, 0).signal(2, 0x1004, 0, "done"), 1);
            },
            Some("PROVEN"),
        ),
        (
            "cleared twice: what the second one cleared was not recorded",
            |scene| {
                reset(reset(scene.signal(2, 0x1004, 0, "done"), 1), 1);
            },
            None,
        ),
        (
            "it was clear already",
            |scene| {
                reset(scene.signal(2, 0x1004, 0, "done"), 0);
            },
            None,
        ),
        (
            "another saw it",
            |scene| {
                reset(scene.signal(2, 0x1004, 0, "done").take(3, 0x1004, "look"), 1);
            },
            Some("LIKELY"),
        ),
        (
            "another looked before",
            |scene| {
                scene.wait(3, 0x1004, "look").satisfied(3, 0x1004, "look", TIMEOUT);
                reset(scene.signal(2, 0x1004, 0, "done"), 1);
            },
            Some("PROVEN"),
        ),
        (
            "another looked after",
            |scene| {
                reset(scene.signal(2, 0x1004, 0, "done"), 1);
                scene.wait(3, 0x1004, "look").satisfied(3, 0x1004, "look", TIMEOUT);
            },
            Some("PROVEN"),
        ),
    ];
    for (why, stage, confidence) in stages {
        let mut scene = Scene::new("cleared.elf");
        scene.manual_event(1, 0x1004, "setup").spawn(1, 2, 0x1008).spawn(1, 3, 0x100c);
        stage(&mut scene);
        scene.park(1, 0x1004, "wait");
        match confidence {
            Some(confidence) => first_is(&scene, &format!("HT04 {confidence} 0x1004 NtClearEvent")),
            None => says_nothing_of(&scene, "HT04", why),
        }
    }
}

// HT05 and HT18

#[test]
fn who_took_less_than_there_was_has_stolen_nothing() {
    let scene = event_of_three(|scene| {
        scene.signal(2, 0x1004, 0, "deliver").signal(2, 0x1004, 1, "deliver").take(3, 0x1004, "receive");
        scene.exit(2, 0x1008).exit(3, 0x100c).park(1, 0x1004, "receive");
    });
    only(&scene, "HT18 LIKELY 0x1004 thread 2 [1]", &[1]);
    let mut scene = Scene::new("mutant.elf");
    scene.mutant(1, 0x1004, "setup").spawn(1, 2, 0x1008).state(2, ThreadState::Running);
    scene.take(2, 0x1004, "lock").unlock(2, 0x1004, "lock").take(2, 0x1004, "lock").park(1, 0x1004, "lock");
    says_nothing_of(&scene, "HT05", "a mutant is owned, not used up");
    let mut scene = scenes::credit_stolen();
    scene.gives_up(1);
    says_nothing_of(&scene, "HT05", "it gives up");
}

#[test]
fn who_had_a_share_is_robbed_by_one_who_came_later_and_was_served_first() {
    let share = |later: u64, earlier: bool| {
        let mut scene = Scene::new("queue.elf");
        scene.semaphore(1, 0x1004, 0, 8, "setup").spawn(1, 2, 0x1008).spawn(1, 3, 0x100c).spawn(1, 4, 0x1010);
        scene.release(2, 0x1004, 0, 1, "produce").take(1, 0x1004, "consume");
        if earlier {
            scene.wait(4, 0x1004, "early");
        }
        scene.park(1, 0x1004, "consume").wait(3, 0x1004, "late").release(2, 0x1004, 0, 1, "produce");
        if earlier {
            scene.wake(4, 0x1004, "early", "NtReleaseSemaphore", 0);
        }
        scene.wake(3, 0x1004, "late", "NtReleaseSemaphore", later).exit(2, 0x1008).exit(3, 0x100c);
        scene.exit(4, 0x1010);
        scene
    };
    only(&share(0, false), "HT05 STRONG 0x1004 thread 3 [1]", &[1]);
    says_nothing_of(&share(TIMEOUT, true), "HT05", "who came later got nothing");
}

#[test]
fn what_is_likely_comes_before_a_hint_of_a_more_specific_rule() {
    let overwritten = |scene: &mut Scene, handle: u32| {
        scene.signal(2, handle, 0, "poke").signal(2, handle, 1, "poke").take(1, handle, "listen");
        scene.signal(2, handle, 0, "poke").take(1, handle, "listen");
    };
    let scene = event_of_three(|scene| {
        overwritten(scene, 0x1004);
        scene.exit(2, 0x1008).park(1, 0x1004, "listen");
    });
    first_is(&scene, "HT17 LIKELY 0x1004 thread 2 [1]");
    let scene = event_of_three(|scene| {
        scene.event(1, 0x1010, "setup");
        overwritten(scene, 0x1004);
        overwritten(scene, 0x1010);
        scene.state(2, ThreadState::Running).park_on_several(1, &[0x1004, 0x1010], "listen", false);
    });
    assert!(scene.said().contains(&"HT18 HINT 0x1004 thread 2 [1]".to_owned()), "{:#?}", scene.said());
}

#[test]
fn a_release_up_to_the_limit_loses_nothing() {
    for (limit, lost) in [(1, true), (2, false)] {
        let mut scene = Scene::new("limit.elf");
        scene.semaphore(1, 0x1004, 0, limit, "setup").spawn(1, 2, 0x1008);
        scene.release(2, 0x1004, 0, 2, "produce").exit(2, 0x1008);
        (0..limit).for_each(|_| {
            scene.take(1, 0x1004, "consume");
        });
        scene.park(1, 0x1004, "consume");
        assert_eq!(says(&scene, "HT18"), lost, "{:#?}", scene.said());
    }
}

// HT06

#[test]
fn a_twin_has_signals_and_no_waits() {
    let made = |stage: fn(&mut Scene)| {
        let mut scene = Scene::new("twins.elf");
        for handle in [0x1004, 0x1008, 0x100c] {
            scene.event(1, handle, "make_event");
        }
        scene.spawn(1, 2, 0x1010);
        stage(&mut scene);
        scene.exit(2, 0x1010).park(1, 0x1004, "wait");
        scene
    };
    let one = made(|scene| {
        scene.signal(2, 0x1008, 0, "done");
    });
    only(&one, "HT06 LIKELY 0x1004 done [1]", &[1]);
    let both = made(|scene| {
        scene.signal(2, 0x1008, 0, "done").signal(2, 0x100c, 0, "done");
    });
    says_nothing_of(&both, "HT06", "two are late waiters rather than a mistake");
    let used = made(|scene| {
        scene.signal(2, 0x1008, 0, "done").take(1, 0x1008, "wait");
    });
    says_nothing_of(&used, "HT06", "it has a waiter of its own");
}

// HT16

/// Main joins thread 2, which polls so often with so much time between two polls.
fn poller(polls: u32, cycles: u64) -> Scene {
    let mut scene = Scene::new("poll.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008).park(1, 0x1008, "join");
    scene.polled(2, 0x1004, "poll", polls, cycles).state(2, ThreadState::Running).ended(Ended::Watchdog);
    scene
}

#[test]
fn eight_timeouts_that_follow_each_other_within_50_ms_are_a_poll() {
    // Each of the two records of a poll takes 500 cycles more.
    for (polls, cycles, is_poll) in
        [(7, MS, false), (8, MS, true), (8, 50 * MS - 1000, true), (8, 50 * MS - 999, false)]
    {
        assert_eq!(says(&poller(polls, cycles), "HT16"), is_poll, "{polls} x {cycles}");
    }
}

#[test]
fn who_waits_for_ever_or_has_ended_does_not_poll() {
    let mut scene = poller(40, MS);
    assert!(says(&scene, "HT16"), "{:#?}", scene.said());
    scene.park(2, 0x1004, "poll");
    says_nothing_of(&scene, "HT16", "it gives up no more");
    let mut scene = poller(40, MS);
    scene.state(2, ThreadState::Exited);
    says_nothing_of(&scene, "HT16", "it has ended");
}

#[test]
fn in_a_hang_all_need_the_only_thread_that_can_act() {
    type Stage = fn(&mut Scene);
    let stages: [(&str, Stage, Option<&[u32]>); 5] = [
        ("alone", |_| (), Some(&[1])),
        (
            "another is stuck too",
            |scene| {
                scene.park(3, 0x1010, "wait");
            },
            Some(&[1, 3]),
        ),
        (
            "another runs",
            |scene| {
                scene.state(3, ThreadState::Running);
            },
            None,
        ),
        (
            "another gives up some day",
            |scene| {
                scene.park(3, 0x1010, "wait").gives_up(3);
            },
            None,
        ),
        (
            "the run was cut short, and nobody needs the one that polls",
            |scene| {
                scene.spawn(0, 4, 0x1018).park(3, 0x1018, "join").state(4, ThreadState::Running);
                scene.ended(Ended::Limit).pass(9000 * MS);
            },
            None,
        ),
    ];
    for (why, stage, blocks) in stages {
        let mut scene = Scene::new("alone.elf");
        scene.event(0, 0x1004, "setup").event(0, 0x1010, "setup").spawn(0, 2, 0x1008).spawn(0, 3, 0x1014);
        scene.park(1, 0x1010, "wait").state(3, ThreadState::Exited).polled(2, 0x1004, "poll", 40, MS);
        scene.state(2, ThreadState::Running).ended(Ended::Watchdog);
        stage(&mut scene);
        match blocks {
            Some(blocks) => only(&scene, "HT16 LIKELY 0x1004 thread 2 [2]", blocks),
            None => says_nothing_of(&scene, "HT16", why),
        }
    }
    let mut scene = Scene::new("cut_short.elf");
    scene.event(0, 0x1004, "setup").event(0, 0x1010, "setup").spawn(0, 2, 0x1008).park(1, 0x1010, "wait");
    scene.polled(2, 0x1004, "poll", 40, MS).wait_as(2, 0x1004, "poll", POLL).parked(2, &[0x1004]).gives_up(2);
    only(&scene, "HT16 LIKELY 0x1004 thread 2 [2]", &[1]);
    scene.ended(Ended::Limit).pass(9000 * MS);
    says_nothing_of(&scene, "HT16", "it is no hang");
}
