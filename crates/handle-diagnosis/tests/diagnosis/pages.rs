//! What a page says beside its verdicts: what was lost, what is listed and what is only counted, what one handle shows.

use handle_audit::{Frame, Operation, Snapshot};
use handle_diagnosis::{
    Case, Ended, Layout, RunSummary, ThreadState, VerdictId, diagnose, explain, report, show,
};

use crate::scene::{MS, Scene};
use crate::scenes;

fn page(scene: &Scene) -> String {
    scene.report(&Layout::new(160))
}

fn whole_page(scene: &Scene) -> String {
    scene.report(&Layout::new(160).all(true))
}

/// A page of one handle without its styles.
fn shown(scene: &Scene, handle: u32) -> String {
    let text = scene.case(|case| show(case, handle, &Layout::new(160))).expect("something is known of it");
    anstream::adapter::strip_str(&text).to_string()
}

fn says(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
}

/// So many threads wait for one event.
fn crowd(size: u32) -> Scene {
    let mut scene = Scene::new("crowd.elf");
    scene.manual_event(1, 0x1004, "setup").park(1, 0x1004, "gate");
    for tid in 2..=size {
        scene.spawn(0, tid, 0x2000 + 4 * tid).park(tid, 0x1004, "gate");
    }
    scene
}

#[test]
fn each_kind_of_loss_is_told_alone() {
    type Tamper = fn(&mut Snapshot);
    let kinds: [(Tamper, &str); 4] = [
        (|snapshot| snapshot.losses.rings[0].late = 1, "losses      1 record came after the end"),
        (|snapshot| snapshot.losses.rings[0].stacks_dropped = 2, "losses      2 stacks did not fit"),
        (
            |snapshot| snapshot.losses.threads_not_kept = 3,
            "losses      3 records of threads beyond the limit not kept",
        ),
        (|_| {}, "losses      none of 4 records"),
    ];
    for (tamper, line) in kinds {
        let mut scene = scenes::never_signalled();
        scene.tamper = tamper;
        says(&page(&scene), &[line]);
    }
}

#[test]
fn larger_rings_are_recommended_where_a_ring_was_full_and_no_verdict_says_so() {
    const HELP: &str = "--ring-capacity makes the rings larger";
    let mut scene = scenes::never_signalled();
    assert!(!page(&scene).contains(HELP));
    scene.tamper = |snapshot| {
        let full = snapshot.losses.rings[0].clone();
        snapshot.losses.rings.push(handle_audit::RingAccount { ring: 1, ..full });
        snapshot.losses.rings[0].rejected = [(Operation::Signal, 5)].into_iter().collect();
    };
    says(&page(&scene), &["lost on 1 ring (5 signals)", HELP]);
    assert!(!page(&scenes::insufficient_evidence()).contains(HELP));
}

#[test]
fn of_handles_that_nobody_made_one_that_was_signalled_is_named() {
    let mut scene = scenes::never_signalled();
    scene.take(1, 0x2000, "poll").signal(1, 0x3000, 0, "kick").take(1, 0x4000, "poll");
    says(&page(&scene), &["named handles that nobody made, such as 0x3000"]);
}

#[test]
fn only_the_first_of_several_lines_has_a_label() {
    let mut scene = scenes::never_signalled();
    scene.ended(Ended::Fault).run.fault = Some("bad address\nin load_level".to_owned());
    scene.run.unrecorded = vec!["one".to_owned(), "two".to_owned()];
    let text = page(&scene);
    says(&text, &["  fault       bad address\n              in load_level\n"]);
    says(
        &text,
        &["  blind spots not recorded by the host: one\n              not recorded by the host: two\n"],
    );
    let text = explain(VerdictId::PromiseBroken, &Layout::new(160));
    says(
        &anstream::adapter::strip_str(&text).to_string(),
        &["  causes      The export is a stub", "\n              The request is completed"],
    );
}

#[test]
fn what_is_not_known_of_a_run_is_not_said() {
    let (snapshot, run) =
        (Snapshot::default(), RunSummary { guest: "old.elf".into(), ..RunSummary::default() });
    let case = Case::new(&snapshot, &run);
    let text = report(&case, &diagnose(&case), &Layout::new(160));
    let text = anstream::adapter::strip_str(&text).to_string();
    assert!(text.starts_with("old.elf: finished\n"), "{text}");
    says(&text, &["0 instructions, 0 guest threads, 0 handles, 0.0 s"]);
}

#[test]
fn long_lists_end_with_a_count() {
    // Eight threads of a chain and sixteen of the list of threads are shown.
    for (size, chain, threads) in
        [(8, None, None), (9, Some(1), None), (16, Some(8), None), (18, Some(10), Some(2))]
    {
        let text = page(&crowd(size));
        let more: Vec<&str> =
            text.lines().map(str::trim).filter(|line| line.ends_with("more: --all")).collect();
        let expected: Vec<String> =
            [chain, threads].into_iter().flatten().map(|more| format!("and {more} more: --all")).collect();
        assert_eq!(more, expected, "{text}");
        assert!(!whole_page(&crowd(size)).contains("more: --all"));
    }
}

#[test]
fn six_handles_are_shown_and_the_rest_is_counted() {
    let parked = |threads: u32| {
        let mut scene = Scene::new("many.elf");
        for tid in 1..=threads {
            scene.event(tid, 0x1004 + 4 * tid, "setup").park(tid, 0x1004 + 4 * tid, "wait");
        }
        page(&scene)
    };
    assert!(!parked(6).contains("htrail show HANDLE"));
    says(&parked(7), &["and 1 more: --all, or htrail show HANDLE FILE.htrail"]);
}

#[test]
fn a_chain_is_indented_by_its_depth() {
    let mut scene = Scene::new("chain.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008).spawn(2, 3, 0x100c);
    scene.event(2, 0x1010, "setup").event(1, 0x1014, "load");
    scene.record(Operation::Promise, 0x1014, 1, "load", "NtReadFile", 3);
    scene.park(1, 0x1014, "load").park(2, 0x1004, "middle").park(3, 0x1010, "end");
    let text = page(&scene);
    says(&text, &["\n    thread 1 (main) waits", "\n    └─ thread 2 waits", "\n       └─ thread 3 waits"]);
    let verdicts = scene.diagnose().verdicts;
    let last = verdicts.iter().find(|verdict| verdict.threads == [3]).expect("it is a victim");
    let path: Vec<&str> = last.evidence.iter().map(|evidence| evidence.note.as_str()).collect();
    assert_eq!(
        path,
        [
            "needs thread 2, which made it and has not signalled it",
            "needs thread 1, which made it and has not signalled it"
        ]
    );
}

#[test]
fn a_thread_list_says_what_each_waits_for() {
    let mut scene = Scene::new("threads.elf");
    scene.event(1, 0x1004, "setup").event(1, 0x1008, "setup");
    scene.spawn(1, 2, 0x100c).spawn(1, 3, 0x1010).spawn(1, 4, 0x1014);
    scene.park_on_several(1, &[0x1004, 0x1008], "both", true);
    scene.park_on_several(2, &[0x1004, 0x1008], "either", false);
    scene.park_on_several(3, &[0x1004], "one", true).state(4, ThreadState::Waiting);
    let threads = scene.threads.as_mut().expect("a list");
    let sleeper = threads.iter_mut().find(|thread| thread.tid == 4).expect("it is listed");
    sleeper.deadline = Some(99 * MS);
    sleeper.stack = vec![Frame { frame: 0x700f_ff00, lr: 0x8200_0040 }];
    let text = whole_page(&scene);
    let row = |tid: &str| -> Vec<&str> {
        let line = text.lines().find(|line| line.trim_start().starts_with(tid) && line.contains("waiting"));
        line.unwrap_or_else(|| panic!("{tid} in\n{text}")).split("  ").map(str::trim).collect()
    };
    assert!(row("1 main").contains(&"0x1004 0x1008 (all)"), "{text}");
    assert!(row("2 ").contains(&"0x1004 0x1008"), "{text}");
    assert!(row("3 ").contains(&"0x1004"), "{text}");
    assert!(row("4 ").contains(&"time"), "{text}");
    says(&text, &["\n  Thread 4\n    0x700fff00 start+0x1c\n"]);
    assert!(!page(&scene).contains("0x700fff00"), "stacks are for --all");
}

#[test]
fn a_reissued_handle_shows_both_of_its_lives() {
    let mut scene = Scene::new("reissued.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008).park(1, 0x1004, "wait");
    assert!(!shown(&scene, 0x1004).contains("generation"));
    scene.record(Operation::Close, 0x1004, 2, "cleanup", "NtClose", 1).semaphore(2, 0x1004, 0, 4, "reuse");
    says(
        &shown(&scene, 0x1004),
        &[
            "Semaphore 0x1004  generation 2\n",
            "before      generation 1, Event/Auto: 10.030 ms thread 1 (main) NtCreateEvent at setup",
            "closed: 10.070 ms thread 2 NtClose at cleanup",
            "thread 1 (main) still waits: 10.060 ms",
            "in all: 1 create, 1 wait, 1 close",
        ],
    );
}

#[test]
fn a_ghost_shows_the_signals_that_reached_it() {
    let mut scene = Scene::in_focus("ghosts.elf", &[0xdead]);
    scene.signal(1, 0xdead, 0, "kick").signal(1, 0xdead, 0, "kick");
    says(
        &shown(&scene, 0xdead),
        &["ghost 0xdead  signalled and never created", "totals      2 signals", "NtSetEvent"],
    );
}

#[test]
fn waits_beyond_those_shown_are_counted_also_those_that_were_not_kept() {
    let scene = crowd(70);
    says(&page(&scene), &["and 67 more\n"]);
    says(&shown(&scene, 0x1004), &["and 6 more\n"]);
}

#[test]
fn each_confidence_has_its_colour() {
    let mut hint = scenes::never_signalled();
    hint.ended(Ended::Finished).pass(5000 * MS);
    for (scene, word, colour) in [
        (scenes::deadlock(), "PROVEN", 31),
        (scenes::promise_broken(), "STRONG", 31),
        (scenes::never_signalled(), "LIKELY", 33),
        (hint, "HINT", 36),
    ] {
        let styled = scene.case(|case| report(case, &diagnose(case), &Layout::new(80)));
        assert!(styled.contains(&format!("\u{1b}[1m\u{1b}[{colour}m{word}")), "{word} in {styled:?}");
    }
}
