//! One scene for each verdict: the shortest run that deserves it.

use handle_audit::aux::{ApcAux, ThreadEvent};
use handle_audit::{Gap, HandleKind, Label, Operation};
use handle_diagnosis::{Ended, ThreadState};

use crate::scene::{MS, PENDING, Scene};

/// A scene, and what it must be called: code, confidence, culprit, the threads that it is about.
pub(crate) struct Staged {
    pub(crate) code: &'static str,
    pub(crate) confidence: &'static str,
    pub(crate) culprit: &'static str,
    pub(crate) threads: &'static [u32],
    pub(crate) stage: fn() -> Scene,
}

const fn staged(
    code: &'static str,
    confidence: &'static str,
    culprit: &'static str,
    threads: &'static [u32],
    stage: fn() -> Scene,
) -> Staged {
    Staged { code, confidence, culprit, threads, stage }
}

pub(crate) const ALL: &[Staged] = &[
    staged("HT01", "STRONG", "NtReadFile", &[1], promise_broken),
    staged("HT02", "LIKELY", "load_level", &[1], never_signalled),
    staged("HT03", "PROVEN", "NtSetEvent", &[1], signalled_not_woken),
    staged("HT04", "PROVEN", "KePulseEvent", &[1], lost_pulse),
    staged("HT05", "STRONG", "thread 2", &[1], credit_stolen),
    staged("HT06", "LIKELY", "decode_done", &[1], wrong_twin),
    staged("HT07", "STRONG", "wait_for_vblank", &[1], ghost),
    staged("HT08", "PROVEN", "cleanup", &[1], use_after_close),
    staged("HT09", "PROVEN", "thread 2", &[1], owner_dead),
    staged("HT10", "PROVEN", "thread 3", &[2, 3], deadlock),
    staged("HT11", "LIKELY", "thread 2", &[1], victim),
    staged("HT12", "PROVEN", "NtResumeThread", &[1], lost_resume),
    staged("HT13", "STRONG", "NtSetTimerEx", &[1], dead_timer),
    staged("HT14", "STRONG", "thread 1", &[1], apc_starved),
    staged("HT15", "STRONG", "start_all", &[1], wait_all_partial),
    staged("HT16", "STRONG", "thread 2", &[2], busy_poll),
    staged("HT17", "STRONG", "thread 2", &[1], heartbeat_stopped),
    staged("HT18", "LIKELY", "thread 2", &[1], coalesced),
    staged("HT20", "UNKNOWN", "-", &[2, 3], idle_by_design),
    staged("HT21", "UNKNOWN", "-", &[2], no_sync_gap),
    staged("HT22", "UNKNOWN", "-", &[1], insufficient_evidence),
];

/// The boot waits for a read that the host never serves; a video waits for the boot; a worker is idle.
pub(crate) fn promise_broken() -> Scene {
    let mut scene = Scene::in_focus("boot_hang.elf", &[0x1014]);
    scene.semaphore(1, 0x1004, 0, 16, "boot_sequence").manual_event(1, 0x1008, "boot_sequence");
    scene.spawn(1, 2, 0x100c).spawn(1, 3, 0x1010);
    scene.worked(2, 0x1004, 1, 8).park(2, 0x1004, "worker").park(3, 0x1008, "intro_video");
    scene.create_with_stack(1, 0x1014, HandleKind::EVENT_AUTO, &["load_title", "boot_sequence", "main"]);
    scene.record(Operation::Promise, 0x1014, 1, "load_title", "NtReadFile", 3);
    scene.record(Operation::Stub, 0x1014, 1, "load_title", "NtReadFile", PENDING);
    scene.park(1, 0x1014, "wait_for_disc");
    scene
}

pub(crate) fn never_signalled() -> Scene {
    let mut scene = Scene::new("level.elf");
    scene.manual_event(1, 0x1004, "load_level").park(1, 0x1004, "load_level");
    scene
}

pub(crate) fn signalled_not_woken() -> Scene {
    let mut scene = Scene::new("wake_lost.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    scene.park(1, 0x1004, "wait_for_frame").signal(2, 0x1004, 0, "present").exit(2, 0x1008);
    scene
}

pub(crate) fn lost_pulse() -> Scene {
    let mut scene = Scene::new("pulse.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    scene.record(Operation::Pulse, 0x1004, 2, "announce", "KePulseEvent", 0).exit(2, 0x1008);
    scene.park(1, 0x1004, "wait_for_news");
    scene
}

pub(crate) fn credit_stolen() -> Scene {
    let mut scene = Scene::new("stolen.elf");
    scene.semaphore(1, 0x1004, 0, 8, "setup").spawn(1, 2, 0x1008).spawn(1, 3, 0x100c);
    scene.release(3, 0x1004, 0, 2, "produce").take(2, 0x1004, "greedy").take(2, 0x1004, "greedy");
    scene.exit(2, 0x1008).exit(3, 0x100c).park(1, 0x1004, "consume");
    scene
}

pub(crate) fn wrong_twin() -> Scene {
    let mut scene = Scene::new("twins.elf");
    scene.event(1, 0x1004, "make_event").event(1, 0x1008, "make_event").spawn(1, 2, 0x100c);
    scene.signal(2, 0x1008, 0, "decode_done").exit(2, 0x100c).park(1, 0x1004, "wait_for_decode");
    scene
}

/// A KEVENT that the guest wrote by hand.
pub(crate) fn ghost() -> Scene {
    let mut scene = Scene::new("ghost.elf");
    scene.park(1, 0x8201_0060, "wait_for_vblank");
    scene
}

pub(crate) fn use_after_close() -> Scene {
    let mut scene = Scene::new("closed.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008).park(1, 0x1004, "wait_for_save");
    scene.record(Operation::Close, 0x1004, 2, "cleanup", "NtClose", 1).exit(2, 0x1008);
    scene
}

pub(crate) fn owner_dead() -> Scene {
    let mut scene = Scene::new("owner.elf");
    let kind = HandleKind::host(Label::from_data("CriticalSection"));
    scene.create(1, 0x8200_9000, kind, 0, "setup", "RtlInitializeCriticalSection").spawn(1, 2, 0x1008);
    scene.take(2, 0x8200_9000, "stream_chunk").exit(2, 0x1008).park(1, 0x8200_9000, "flush_stream");
    scene
}

/// Two mutants in opposite order; main joins one of the two threads.
pub(crate) fn deadlock() -> Scene {
    let mut scene = Scene::new("deadlock.elf");
    scene.mutant(1, 0x1004, "main").mutant(1, 0x1008, "main").spawn(1, 2, 0x100c).spawn(1, 3, 0x1010);
    scene.take(2, 0x1004, "physics").take(3, 0x1008, "mixer");
    scene.park(1, 0x100c, "join").park(2, 0x1008, "physics").park(3, 0x1004, "mixer");
    scene
}

/// A frame loop: main waits for the worker, the worker for the next frame, and each has always answered the other.
pub(crate) fn victim() -> Scene {
    let mut scene = Scene::new("frames.elf");
    scene.event(1, 0x1004, "setup").event(1, 0x1008, "setup").spawn(1, 2, 0x100c);
    for _ in 0..12 {
        scene.wait(2, 0x1004, "next_frame").signal(1, 0x1004, 0, "render").wake(
            2,
            0x1004,
            "next_frame",
            "NtSetEvent",
            0,
        );
        scene.wait(1, 0x1008, "frame_done").signal(2, 0x1008, 0, "draw").wake(
            1,
            0x1008,
            "frame_done",
            "NtSetEvent",
            0,
        );
    }
    scene.park(2, 0x1004, "next_frame").park(1, 0x1008, "frame_done");
    scene
}

pub(crate) fn lost_resume() -> Scene {
    let mut scene = Scene::new("resume.elf");
    scene.thread_made(1, 2, 0x1004);
    scene.life(ThreadEvent::Resumed, 0x1004, 1, "start_worker", "NtResumeThread", 1).suspended(2);
    scene.park(1, 0x1004, "join");
    scene
}

pub(crate) fn dead_timer() -> Scene {
    let mut scene = Scene::new("timer.elf");
    scene.create(1, 0x1004, HandleKind::TIMER_AUTO, 0, "setup", "NtCreateTimer");
    let due = scene.clock + 20 * MS;
    scene
        .armed(1, 0x1004, "setup", due)
        .park(1, 0x1004, "wait_for_tick")
        .pass(500 * MS)
        .ended(Ended::Watchdog);
    scene
}

pub(crate) fn apc_starved() -> Scene {
    let mut scene = Scene::new("apc.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    let queued = ApcAux { delivered: false, kernel: false, target: 1 };
    scene.record(Operation::Apc, 0x1000, 2, "read_done", "NtQueueApcThread", queued.encode()).exit(2, 0x1008);
    scene.park(1, 0x1004, "wait_for_read");
    scene
}

pub(crate) fn wait_all_partial() -> Scene {
    let mut scene = Scene::new("all.elf");
    for handle in [0x1004, 0x1008, 0x100c] {
        scene.manual_event(1, handle, "start_all");
    }
    scene.spawn(1, 2, 0x1010).signal(2, 0x1004, 0, "loaded").signal(2, 0x100c, 0, "loaded").exit(2, 0x1010);
    scene.park_on_several(1, &[0x1004, 0x1008, 0x100c], "wait_for_all", true);
    scene
}

pub(crate) fn busy_poll() -> Scene {
    let mut scene = Scene::new("poll.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008).park(1, 0x1008, "join");
    scene.polled(2, 0x1004, "poll_gpu", 40, MS).state(2, ThreadState::Running).ended(Ended::Watchdog);
    scene
}

pub(crate) fn heartbeat_stopped() -> Scene {
    let mut scene = Scene::new("heartbeat.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    for _ in 0..20 {
        scene.wait(1, 0x1004, "wait_for_tick").pass(16 * MS).signal(2, 0x1004, 0, "tick");
        scene.wake(1, 0x1004, "wait_for_tick", "NtSetEvent", 0);
    }
    scene
        .park(1, 0x1004, "wait_for_tick")
        .pass(1000 * MS)
        .state(2, ThreadState::Running)
        .ended(Ended::Watchdog);
    scene
}

/// Two signals in a row on an auto event; the second was lost, and main waits for it.
pub(crate) fn coalesced() -> Scene {
    let mut scene = Scene::new("coalesced.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    scene.signal(2, 0x1004, 0, "deliver").signal(2, 0x1004, 1, "deliver").exit(2, 0x1008);
    scene.take(1, 0x1004, "receive").park(1, 0x1004, "receive");
    scene
}

pub(crate) fn idle_by_design() -> Scene {
    let mut scene = Scene::new("pool.elf");
    scene.semaphore(1, 0x1004, 0, 16, "main").spawn(1, 2, 0x1008).spawn(1, 3, 0x100c);
    scene.worked(2, 0x1004, 1, 8).worked(3, 0x1004, 1, 6);
    scene.park(2, 0x1004, "worker").park(3, 0x1004, "worker").state(1, ThreadState::Exited);
    scene.ended(Ended::Finished).run.exit_value = Some(0);
    scene
}

pub(crate) fn no_sync_gap() -> Scene {
    let mut scene = Scene::new("spin.elf");
    scene
        .spawn(1, 2, 0x1004)
        .state(2, ThreadState::Running)
        .state(1, ThreadState::Exited)
        .ended(Ended::Limit);
    scene
}

pub(crate) fn insufficient_evidence() -> Scene {
    let mut scene = never_signalled();
    scene.run.guest = "lossy.elf".to_owned();
    scene.tamper = |snapshot| {
        let rejected = [(Operation::Signal, 12), (Operation::Wake, 3)].into_iter().collect();
        let last_cycle = snapshot.threads[0].last[0].entry.cycle + 3 * MS;
        snapshot.losses.gaps.push(Gap { ring: 0, first_cycle: last_cycle - 2 * MS, last_cycle, rejected });
        snapshot.losses.rings[0].rejected = rejected;
    };
    scene
}
