//! Three grades of evidence: the first five operations alone, all operations, and the host's list of threads.

use handle_audit::aux::WaitAux;
use handle_audit::{HandleKind, Operation};
use handle_diagnosis::{Confidence, Ended, Layout, ThreadState, show};

use crate::needs::answered;
use crate::scene::{FOR_EVER, MS, Scene};
use crate::scenes::{self, ALL};

/// The same call by call, recorded with the first five operations only.
fn basic(scene: &mut Scene) {
    scene.tamper = |snapshot| {
        let further = |operation: Operation| operation > Operation::Wake;
        for trail in &mut snapshot.trails {
            trail.others = handle_audit::EntryList::default();
            trail.aliases.clear();
            trail.totals = trail.totals.iter().filter(|(operation, _)| !further(*operation)).collect();
        }
        for thread in &mut snapshot.threads {
            thread.last.retain(|record| !further(record.operation));
        }
        for ring in &mut snapshot.losses.rings {
            ring.folded = ring.folded.iter().filter(|(operation, _)| !further(*operation)).collect();
        }
    };
}

#[test]
fn five_operations_alone_prove_nothing() {
    for staged in ALL {
        for with_list in [true, false] {
            let mut scene = (staged.stage)();
            basic(&mut scene);
            if !with_list {
                scene.without_threads();
            }
            let diagnosis = scene.diagnose();
            assert!(!diagnosis.grade.further_operations);
            let most = diagnosis.verdicts.iter().map(|verdict| verdict.confidence).max();
            assert!(most <= Some(Confidence::Likely), "{}: {:#?}", staged.code, scene.said());
        }
    }
}

#[test]
fn each_grade_says_what_it_could_not_know() {
    let mut scene = scenes::never_signalled();
    assert!(scene.diagnose().blind_spots.is_empty());
    scene.without_threads();
    assert_eq!(scene.diagnose().blind_spots.len(), 1);
    basic(&mut scene);
    let text = scene.report(&Layout::new(100));
    assert!(text.contains("only create, signal, wait and wake were recorded"), "{text}");
    assert!(text.contains("no list of threads"), "{text}");
    let mut scene = scenes::never_signalled();
    scene.tamper = |snapshot| snapshot.coverage.pauses = 2;
    assert_eq!(scene.diagnose().blind_spots, ["recording was switched off 2 times on the way"]);
}

#[test]
fn without_satisfied_records_a_wait_counts_only_if_nothing_came_after() {
    let mut scene = Scene::basic("basic.elf");
    scene.event(1, 0x1004, "setup").event(1, 0x1008, "setup");
    // The first wait returned at once, and no record says so.
    scene.wait(1, 0x1004, "first").wait(1, 0x1008, "second").without_threads();
    let parked = scene.diagnose().parked;
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].on, [0x1008]);
    scene.event(1, 0x100c, "later");
    assert!(scene.diagnose().parked.is_empty(), "the thread went on");
}

#[test]
fn without_a_list_a_thread_is_parked_in_its_newest_call_unless_it_has_ended() {
    // Two waits from one place, each for one handle: the end of the first was not recorded.
    let mut scene = Scene::new("wrapper.elf");
    scene.event(1, 0x1004, "setup").event(1, 0x1008, "setup").spawn(1, 2, 0x100c);
    scene.wait(1, 0x1004, "wrapper").wait(1, 0x1008, "wrapper").without_threads();
    let parked = |scene: &Scene| -> Vec<(u32, Vec<u32>)> {
        scene.diagnose().parked.into_iter().map(|parked| (parked.tid, parked.on)).collect()
    };
    assert_eq!(parked(&scene), [(1, vec![0x1008])]);
    scene.wait(2, 0x1004, "wait").wait(0, 0x1004, "host");
    assert_eq!(parked(&scene), [(1, vec![0x1008]), (2, vec![0x1004])], "the host itself is no thread");
    scene.exit(2, 0x100c).without_threads();
    assert_eq!(parked(&scene), [(1, vec![0x1008])]);
    // Two handles of one call.
    let several = WaitAux { any: true, ..FOR_EVER };
    scene.wait_as(1, 0x1004, "either", several).wait_as(1, 0x1008, "either", several);
    assert_eq!(parked(&scene), [(1, vec![0x1004, 0x1008])]);
    let mut basic = Scene::basic("basic.elf");
    basic
        .event(1, 0x1004, "wrapper")
        .wait(1, 0x1004, "wrapper")
        .event(1, 0x1008, "wrapper")
        .without_threads();
    assert_eq!(parked(&basic), [], "it has done something else at that place since");
}

#[test]
fn who_waits_for_any_of_several_needs_whom_all_of_them_need_also_without_a_list() {
    let mut scene = Scene::new("any.elf");
    scene.event(1, 0x1004, "setup").event(1, 0x1010, "setup").spawn(1, 2, 0x1008).spawn(1, 3, 0x1014);
    answered(&mut scene, 0x1004, 2);
    answered(&mut scene, 0x1010, 3);
    scene.park_on_several(1, &[0x1004, 0x1010], "either", false).without_threads();
    assert_eq!(scene.diagnose().parked[0].needs, None);
}

#[test]
fn an_object_under_its_next_name_is_not_what_the_reissued_one_is() {
    let mut scene = Scene::new("renamed.elf");
    scene.event(1, 0x1004, "setup").spawn(1, 2, 0x1008);
    scene.record(Operation::Alias, 0x1004, 1, "copy", "NtDuplicateObject", 0x1010).wait(1, 0x1004, "wait");
    // The close takes the first name, and the object goes on under the second one.
    scene.record(Operation::Close, 0x1004, 2, "shut", "NtClose", 1);
    scene.create(2, 0x1010, HandleKind::EVENT_AUTO, 0, "shut", "NtClose");
    scene.record(Operation::Alias, 0x1010, 2, "shut", "NtClose", 0x1004);
    scene.event(2, 0x1004, "reuse").parked(1, &[0x1010]);
    assert_eq!(scene.said()[0], "HT08 PROVEN 0x1004 shut [1]", "{:#?}", scene.said());
}

#[test]
fn the_host_decides_who_is_parked() {
    let mut scene = Scene::new("host.elf");
    scene.event(1, 0x1004, "setup").wait(1, 0x1004, "wait").state(1, ThreadState::Running);
    let diagnosis = scene.diagnose();
    assert!(diagnosis.parked.is_empty());
    assert!(diagnosis.blind_spots[0].contains("its end was not recorded"), "{:?}", diagnosis.blind_spots);
    scene.parked(1, &[0x1004]);
    assert_eq!(scene.diagnose().parked.len(), 1);
}

#[test]
fn most_verdicts_need_no_list_of_threads() {
    // A poller is no open wait, and a thread that never ran shows only by its state.
    let needs_list = ["HT16", "HT20", "HT21"];
    for staged in ALL.iter().filter(|staged| !needs_list.contains(&staged.code)) {
        let mut scene = (staged.stage)();
        scene.without_threads();
        let said = scene.said();
        assert!(
            said[0].starts_with(&format!("{} {}", staged.code, staged.confidence)),
            "{}: {said:#?}",
            staged.code
        );
    }
}

#[test]
fn a_wait_that_only_the_host_knows_is_shown_as_such() {
    let mut scene = Scene::new("unrecorded_wait.elf");
    scene.event(1, 0x1004, "setup").parked(1, &[0x1004]);
    let text = scene.report(&Layout::new(160));
    assert!(text.contains("the call was not recorded"), "{text}");
}

#[test]
fn a_handle_can_be_shown_by_any_of_its_names() {
    let mut scene = scenes::promise_broken();
    scene.record(Operation::Alias, 0x1014, 1, "copy", "NtDuplicateObject", 0x2000);
    let shown = |handle: u32| scene.case(|case| show(case, handle, &Layout::new(80)));
    assert_eq!(shown(0x2000), shown(0x1014));
    assert!(shown(0x1014).expect("it is known").contains("load_title"));
    assert_eq!(shown(0x9999), None);
    let ghost = scenes::ghost().case(|case| show(case, 0x8201_0060, &Layout::new(80)));
    assert!(ghost.expect("it is a lead").contains("used and never created"));
}

#[test]
fn a_slow_run_is_no_hang() {
    let mut scene = scenes::victim();
    scene.ended(Ended::Interrupted).pass(900 * MS);
    assert_eq!(scene.diagnose().findings(Confidence::Likely).count(), 0, "{:#?}", scene.said());
}

#[test]
fn without_resets_and_satisfied_records_an_old_signal_is_not_unanswered() {
    let mut scene = Scene::basic("cleared.elf");
    scene.manual_event(1, 0x1004, "setup").spawn(1, 2, 0x1008).signal(2, 0x1004, 0, "done");
    // It was cleared here, and no record says so.
    scene.park(1, 0x1004, "wait").state(2, ThreadState::Exited);
    assert!(!scene.said().iter().any(|line| line.starts_with("HT03")), "{:#?}", scene.said());
    scene.signal(2, 0x1004, 0, "again");
    assert!(scene.said()[0].starts_with("HT03 LIKELY"), "{:#?}", scene.said());
}
