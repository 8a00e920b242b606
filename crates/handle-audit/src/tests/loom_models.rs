//! Models of the audit's protocols, one per fact, named as the fact. Loom runs each over every interleaving with at
//! most three preemptions and over every value that a weak memory may show. `ci/loom.sh` runs them.
//!
//! They run the code of the library, on tables of two stripes and three cells. The two models of order also run
//! with passes that are known to be wrong, and must fail then.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread::{self, JoinHandle};

use crate::config::AuditConfig;
use crate::drain::{Control, Drain, Observer, Pass};
use crate::focus::Focus;
use crate::merge::Taken;
use crate::pipeline::Pipeline;
use crate::recorder::Recorder;
use crate::stamp::stripe_of;
use crate::{Frame, HandleAuditEntry, HandleKind, Label, Losses, Operation};

/// Two handles on different stripes.
const ONE: u32 = 4;
const OTHER: u32 = 8;

const KIND: HandleKind = HandleKind::EVENT_AUTO;

type Passes = fn(&mut Drain) -> Pass;

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.check(model);
}

fn entry(cycle: u64) -> HandleAuditEntry {
    HandleAuditEntry::new(cycle, 0, 0, Label::OVERFLOW, 0)
}

fn pipeline(rings: usize, capacity: usize) -> Arc<Pipeline> {
    let pipeline = Pipeline::new(rings, Focus::default());
    pipeline.make_rings(&AuditConfig::default().ring_capacity(capacity));
    pipeline.switch(true);
    Arc::new(pipeline)
}

fn pass(pipeline: &Pipeline, pass: Passes) {
    pass(&mut pipeline.drain().unwrap());
}

/// A flag that carries happened-before from one producer to the next, as a guest's own synchronisation does.
fn flag() -> (Arc<AtomicBool>, Arc<AtomicBool>) {
    let flag = Arc::new(AtomicBool::new(false));
    (flag.clone(), flag)
}

/// Runs a producer on a thread of its own, for as long as it holds the recorder.
fn produce(
    pipeline: &Pipeline,
    ring: usize,
    producer: impl FnOnce(&mut Recorder) + 'static,
) -> JoinHandle<()> {
    let mut recorder = pipeline.claim(ring).unwrap();
    thread::spawn(move || producer(&mut recorder))
}

/// Collects what is folded, in order: (ring, position, stamp, operation, handle).
#[derive(Clone, Debug, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<(u8, u64, u64, Operation, u32)>>>);

impl Log {
    fn of(pipeline: &Pipeline) -> Self {
        let log = Self::default();
        pipeline.drain().unwrap().seam.0 = Some(Box::new(log.clone()));
        log
    }

    fn read(&self) -> Vec<(u8, u64, u64, Operation, u32)> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Log {
    fn folded(&mut self, taken: &Taken, operation: Operation, _stack: &[Frame]) {
        let record = &taken.record;
        let line = (taken.ring(), taken.position, record.stamp(), operation, record.handle());
        self.0.lock().unwrap().push(line);
    }
}

fn accounts_balance(losses: &Losses, attempted: u64) {
    assert_eq!(losses.attempted(), attempted);
    let in_gaps: u64 = losses.gaps.iter().map(|gap| gap.rejected.total()).sum();
    assert_eq!(in_gaps, losses.rejected());
}

/// One thread creates, a flag, another thread signals; the drain passes meanwhile.
fn create_then_signal(passes: Passes) {
    let pipeline = pipeline(2, 4);
    let (set, is_set) = flag();
    let creator = produce(&pipeline, 0, move |recorder| {
        recorder.record_create(ONE, KIND, entry(0));
        set.store(true, Ordering::Release);
    });
    let signaller = produce(&pipeline, 1, move |recorder| {
        if is_set.load(Ordering::Acquire) {
            recorder.record_signal(ONE, entry(0));
        }
    });
    pass(&pipeline, passes);
    creator.join().unwrap();
    signaller.join().unwrap();
    pass(&pipeline, passes);
    pass(&pipeline, passes);
    assert_eq!(pipeline.map.unmatched.get().total(), 0, "a signal overtook its create");
}

#[test]
fn a_create_never_folds_after_a_signal_that_it_happened_before() {
    check(3, || create_then_signal(Drain::pass));
}

#[test]
#[should_panic(expected = "a signal overtook its create")]
fn one_look_lets_a_signal_overtake_its_create() {
    check(3, || create_then_signal(Drain::pass_with_one_look));
}

/// A record of one stripe is held back. Behind it in its ring is a create on the other stripe, and what happened
/// after that comes through a third ring.
fn held_back_before_a_create(passes: Passes) {
    let pipeline = pipeline(3, 4);
    assert_ne!(stripe_of(ONE), stripe_of(OTHER));
    let (set, is_set) = flag();
    let slow = produce(&pipeline, 0, |recorder| recorder.record_signal(ONE, entry(0)));
    let creator = produce(&pipeline, 1, move |recorder| {
        recorder.record_signal(ONE, entry(0));
        recorder.record_create(OTHER, KIND, entry(0));
        set.store(true, Ordering::Release);
    });
    let signaller = produce(&pipeline, 2, move |recorder| {
        if is_set.load(Ordering::Acquire) {
            recorder.record_wait(OTHER, entry(0));
        }
    });
    pass(&pipeline, passes);
    for producer in [slow, creator, signaller] {
        producer.join().unwrap();
    }
    pass(&pipeline, passes);
    pass(&pipeline, passes);
    assert_eq!(pipeline.map.unmatched.get().get(Operation::Wait), 0, "another stripe was overtaken");
}

#[test]
fn holding_one_record_back_lets_no_other_stripe_be_overtaken() {
    check(2, || held_back_before_a_create(Drain::pass));
}

#[test]
#[should_panic(expected = "another stripe was overtaken")]
fn leaving_a_held_back_record_in_its_ring_lets_another_stripe_be_overtaken() {
    check(2, || held_back_before_a_create(Drain::pass_that_leaves_records_in_their_rings));
}

#[test]
#[should_panic(expected = "another stripe was overtaken")]
fn one_look_lets_another_stripe_be_overtaken() {
    check(2, || held_back_before_a_create(Drain::pass_with_one_look));
}

#[test]
fn no_record_is_folded_twice_or_lost() {
    check(2, || {
        let pipeline = pipeline(2, 4);
        let log = Log::of(&pipeline);
        let producers = [0, 1].map(|ring| {
            produce(&pipeline, ring, move |recorder| {
                recorder.record_signal(ONE, entry(0));
                recorder.record_wait(if ring == 0 { ONE } else { OTHER }, entry(0));
            })
        });
        pass(&pipeline, Drain::pass);
        pass(&pipeline, Drain::pass);
        for producer in producers {
            producer.join().unwrap();
        }
        pipeline.flush().unwrap();
        let mut places: Vec<_> = log.read().iter().map(|line| (line.0, line.1)).collect();
        places.sort_unstable();
        assert_eq!(places, [(0, 0), (0, 1), (1, 0), (1, 1)]);
    });
}

#[test]
fn a_flush_loses_nothing_that_happened_before_it() {
    check(3, || {
        let pipeline = pipeline(2, 4);
        let (set, is_set) = flag();
        let racing = produce(&pipeline, 0, |recorder| recorder.record_signal(ONE, entry(0)));
        let before = produce(&pipeline, 1, move |recorder| {
            recorder.record_create(ONE, KIND, entry(0));
            set.store(true, Ordering::Release);
        });
        let flusher = thread::spawn({
            let pipeline = pipeline.clone();
            move || {
                if is_set.load(Ordering::Acquire) {
                    pipeline.flush().unwrap();
                    assert!(pipeline.trail(ONE).is_some(), "the flush missed a create");
                }
            }
        });
        pass(&pipeline, Drain::pass);
        for thread in [racing, before, flusher] {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_stop_loses_nothing_and_counts_what_is_late() {
    check(2, || {
        let pipeline = pipeline(2, 4);
        let (set, is_set) = flag();
        let before = produce(&pipeline, 0, move |recorder| {
            recorder.record_create(ONE, KIND, entry(0));
            set.store(true, Ordering::Release);
        });
        let racing = produce(&pipeline, 1, |recorder| {
            recorder.record_signal(ONE, entry(0));
            recorder.record_signal(OTHER, entry(0));
        });
        let created = is_set.load(Ordering::Acquire);
        pipeline.switch(false);
        pipeline.tell(Control::Stop);
        pipeline.flush().unwrap();
        assert!(!created || pipeline.trail(ONE).is_some(), "the stop missed a create");
        let folded = pipeline.snapshot().unwrap().folded;
        before.join().unwrap();
        racing.join().unwrap();
        let snapshot = pipeline.snapshot().unwrap();
        assert_eq!(snapshot.folded, folded, "nothing is folded after the stop");
        let published = pipeline.claim(0).unwrap().position() + pipeline.claim(1).unwrap().position();
        assert_eq!(folded + snapshot.losses.late(), published);
    });
}

#[test]
fn a_claim_handed_over_keeps_order() {
    check(3, || {
        let pipeline = pipeline(2, 4);
        let log = Log::of(&pipeline);
        let first = produce(&pipeline, 0, |recorder| {
            recorder.record_create(ONE, KIND, entry(0));
        });
        let second = thread::spawn({
            let pipeline = pipeline.clone();
            move || {
                if let Ok(mut recorder) = pipeline.claim(0) {
                    recorder.record_signal(ONE, entry(0));
                }
            }
        });
        pass(&pipeline, Drain::pass);
        first.join().unwrap();
        second.join().unwrap();
        pipeline.claim(0).unwrap().record_wait(ONE, entry(0));
        pipeline.flush().unwrap();
        let log = log.read();
        assert!(log.is_sorted_by(|one, next| one.1 < next.1 && one.2 < next.2), "{log:?}");
        assert_eq!(pipeline.map.unmatched.get().total(), 0);
    });
}

#[test]
fn accounting_is_exact_when_full() {
    check(2, || {
        let pipeline = pipeline(1, 4);
        let producer = produce(&pipeline, 0, |recorder| {
            for cycle in 0..7 {
                recorder.record_signal(ONE, entry(cycle));
            }
        });
        pass(&pipeline, Drain::pass);
        producer.join().unwrap();
        accounts_balance(&pipeline.losses().unwrap(), 7);
    });
}

/// While a reader looks at the open gap, its recorder closes it and opens another.
#[test]
fn an_open_gap_is_read_with_its_own_window() {
    check(3, || {
        let pipeline = pipeline(1, 4);
        let mut recorder = pipeline.claim(0).unwrap();
        (0..6).for_each(|cycle| recorder.record_signal(ONE, entry(cycle)));
        pass(&pipeline, Drain::pass);
        let producer = thread::spawn(move || {
            (6..9).for_each(|cycle| recorder.record_signal(ONE, entry(cycle)));
        });
        for gap in pipeline.losses().unwrap().gaps {
            let window = gap.last_cycle - gap.first_cycle + 1;
            assert!(gap.rejected.total() <= window, "one rejection a cycle, but {gap:?}");
        }
        producer.join().unwrap();
        accounts_balance(&pipeline.losses().unwrap(), 9);
    });
}

#[test]
fn a_stack_is_seen_whole() {
    let frames = |create: u32| (0..6).map(|n| Frame { frame: create, lr: n }).collect::<Vec<_>>();
    check(3, move || {
        let pipeline = pipeline(1, 8);
        let producer = produce(&pipeline, 0, move |recorder| {
            recorder.record_create_with_stack(ONE, KIND, entry(0), &frames(1));
            recorder.record_create_with_stack(ONE, KIND, entry(0), &frames(2));
        });
        pass(&pipeline, Drain::pass);
        if let Some(trail) = pipeline.trail(ONE) {
            assert_eq!(trail.created_stack, Some(frames(trail.generation as u32)));
        }
        producer.join().unwrap();
        pipeline.flush().unwrap();
        assert_eq!(pipeline.trail(ONE).unwrap().created_stack, Some(frames(2)));
    });
}

/// The recorder is older than the rings. Once it sees the audit on, it finds its ring.
#[test]
fn a_recorder_that_sees_the_audit_on_records() {
    check(3, || {
        let pipeline = Arc::new(Pipeline::new(1, Focus::default()));
        let producer = produce(&pipeline, 0, |recorder| {
            recorder.record_create(ONE, KIND, entry(0));
            recorder.record_signal(ONE, entry(0));
        });
        pipeline.make_rings(&AuditConfig::default().ring_capacity(4));
        pipeline.switch(true);
        pipeline.switch(false);
        producer.join().unwrap();
        let losses = pipeline.losses().unwrap();
        assert_eq!(losses.rejected(), 0);
        assert_eq!(losses.recorded(), pipeline.claim(0).unwrap().position());
    });
}

/// A disable is a switch, then a flush: what happened before it is folded, and what happens after it is not recorded.
#[test]
fn a_disable_folds_what_happened_before_and_ends_what_comes_after() {
    check(3, || {
        let pipeline = pipeline(2, 4);
        let (set, is_set) = flag();
        let (set_off, is_off) = flag();
        let before = produce(&pipeline, 0, move |recorder| {
            recorder.record_create(ONE, KIND, entry(0));
            set.store(true, Ordering::Release);
        });
        let after = produce(&pipeline, 1, move |recorder| {
            if is_off.load(Ordering::Acquire) {
                recorder.record_create(OTHER, KIND, entry(0));
            }
        });
        let created = is_set.load(Ordering::Acquire);
        pipeline.switch(false);
        set_off.store(true, Ordering::Release);
        pipeline.flush().unwrap();
        assert!(!created || pipeline.trail(ONE).is_some(), "the disable missed a create");
        before.join().unwrap();
        after.join().unwrap();
        pipeline.flush().unwrap();
        assert!(pipeline.trail(OTHER).is_none(), "recorded after the disable");
    });
}

/// Whoever changes the focus flushes before and after, so a signal finds the focus that it happened before or after.
#[test]
fn a_focus_acts_on_what_happens_after_it_and_not_on_what_happened_before() {
    check(2, || {
        let pipeline = pipeline(2, 4);
        let (set, is_set) = flag();
        let (set_focus, is_focused) = flag();
        let before = produce(&pipeline, 0, move |recorder| {
            recorder.record_signal_attempt_ghost(ONE, entry(1));
            set.store(true, Ordering::Release);
        });
        let after = produce(&pipeline, 1, move |recorder| {
            if is_focused.load(Ordering::Acquire) {
                recorder.record_signal_attempt_ghost(ONE, entry(2));
            }
        });
        let signalled = is_set.load(Ordering::Acquire);
        pipeline.flush().unwrap();
        pipeline.tell(Control::Focus([ONE].into_iter().collect()));
        pipeline.flush().unwrap();
        set_focus.store(true, Ordering::Release);
        before.join().unwrap();
        after.join().unwrap();
        let snapshot = pipeline.snapshot().unwrap();
        let kept: Vec<u64> = (snapshot.ghosts.iter())
            .flat_map(|ghost| ghost.signals.iter().map(|signal| signal.entry.cycle))
            .collect();
        assert!(!signalled || !kept.contains(&1), "the focus acted on what happened before it");
        let told = pipeline.claim(1).unwrap().position() == 1;
        assert!(!told || kept.contains(&2), "the focus did not act on what happened after it");
    });
}

/// A reader that snapshots while another thread folds holds what happened before, whole, and its accounts balance.
#[test]
fn a_snapshot_beside_the_fold_holds_what_happened_before_it() {
    check(2, || {
        let pipeline = pipeline(2, 4);
        let (set, is_set) = flag();
        let before = produce(&pipeline, 0, move |recorder| {
            recorder.record_create(ONE, KIND, entry(0));
            recorder.record_signal(ONE, entry(1));
            set.store(true, Ordering::Release);
        });
        let folder = thread::spawn({
            let pipeline = pipeline.clone();
            move || pass(&pipeline, Drain::pass)
        });
        let recorded = is_set.load(Ordering::Acquire);
        let snapshot = pipeline.snapshot().unwrap();
        let signals = snapshot.trail(ONE).map(|trail| trail.signals.total());
        assert!(!recorded || signals == Some(1), "the snapshot missed a record");
        assert_eq!(snapshot.losses.recorded(), snapshot.folded, "accounts and trails are of one moment");
        before.join().unwrap();
        folder.join().unwrap();
    });
}

/// While one recorder goes and another comes, nobody gets the ring twice, and the gap that was open goes with it.
#[test]
fn a_claim_hands_over_the_open_gap_and_has_one_winner() {
    check(2, || {
        let pipeline = pipeline(1, 4);
        let first = produce(&pipeline, 0, |recorder| {
            (0..6).for_each(|cycle| recorder.record_signal(ONE, entry(cycle)));
        });
        let claim = |pipeline: Arc<Pipeline>| {
            move || match pipeline.claim(0) {
                Ok(mut recorder) => {
                    recorder.record_signal(ONE, entry(6));
                    1
                }
                Err(_) => 0,
            }
        };
        let second = thread::spawn(claim(pipeline.clone()));
        let third = claim(pipeline.clone())();
        first.join().unwrap();
        let attempted = 6 + third + second.join().unwrap();
        accounts_balance(&pipeline.losses().unwrap(), attempted);
    });
}
