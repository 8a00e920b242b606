//! The whole audit under shuttle: recorders, the real drain thread, and a host that flushes, looks, changes the focus,
//! switches and stops. `ci/shuttle.sh` runs them.
//!
//! Shuttle runs one thread at a time and chooses at every access to what is shared who goes on, at random or by
//! priorities (PCT). Its memory is sequentially consistent; what a weaker one can do is for the loom models, which are
//! small. These are large. Objects have locks, as a kernel's have: whoever holds one records under its next number, so
//! for each object the order in which things happened is known.

use std::collections::{BTreeMap, BTreeSet};

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread::{self, JoinHandle};
use shuttle::{Config, Runner};

use super::agree::agree;
use super::world::{Said, model_of};
use crate::drain::Observer;
use crate::merge::Taken;
use crate::{
    AuditConfig, Focus, Frame, HandleAudit, HandleAuditEntry, HandleAuditTrail, HandleKind, Operation,
    Recorder, Snapshot, label,
};

/// How many schedules of each kind; `SHUTTLE_SCHEDULES` asks for more.
const SCHEDULES: usize = 2000;

const KIND: HandleKind = HandleKind::EVENT_AUTO;

/// Steps of one thread that do not pass before another has to; the same every time unless `SHUTTLE_SEED` is given.
fn explore(scenario: fn()) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let schedules = number("SHUTTLE_SCHEDULES").unwrap_or(SCHEDULES as u64) as usize;
    let seed = number("SHUTTLE_SEED").unwrap_or(7);
    let config = || {
        let mut config = Config::new();
        config.stack_size = 1 << 20;
        config.silence_warnings = true;
        config
    };
    Runner::new(RandomScheduler::new_from_seed(seed, schedules), config()).run(scenario);
    Runner::new(PctScheduler::new_from_seed(seed, 3, schedules), config()).run(scenario);
}

/// Sits in the drain and writes down what it says.
#[derive(Clone, Debug, Default)]
struct Scribe(std::sync::Arc<std::sync::Mutex<Vec<Said>>>);

impl Observer for Scribe {
    fn folded(&mut self, taken: &Taken, operation: Operation, stack: &[Frame]) {
        self.0.lock().unwrap().push(Said::record(taken, operation, stack));
    }

    fn focused(&mut self, focus: &Focus) {
        self.0.lock().unwrap().push(Said::Focus(focus.clone()));
    }
}

/// An audit, the objects of its host, and what the drain says.
struct Host {
    audit: HandleAudit,
    scribe: Scribe,
    /// Handle and history of each object.
    objects: Vec<(u32, Mutex<Object>)>,
    /// Records issued.
    issued: Mutex<u64>,
}

/// What was recorded of an object. Its lock is held for the length of a record.
#[derive(Default)]
struct Object {
    /// Of the last record issued.
    number: u64,
    /// Numbers of those that moved the end of their ring: neither was the audit off, nor the ring full.
    published: Vec<u64>,
}

impl Host {
    fn new(config: AuditConfig) -> Arc<Self> {
        let audit = HandleAudit::new(config.focus([12].into_iter().collect())).unwrap();
        let mut scribe = Scribe::default();
        scribe.focused(&[12].into_iter().collect());
        audit.pipeline.drain().unwrap().seam.0 = Some(Box::new(scribe.clone()));
        let objects = [4, 8, 12].map(|handle| (handle, Mutex::default())).into();
        Arc::new(Self { audit, scribe, objects, issued: Mutex::new(0) })
    }

    /// Any free ring. There are as many rings as producers, so one is free soon.
    fn claim(&self) -> Recorder {
        loop {
            match self.audit.claim_any() {
                Ok(recorder) => return recorder,
                Err(_) => thread::yield_now(),
            }
        }
    }

    /// Records something of an object, under its lock.
    fn record(&self, recorder: &mut Recorder, object: usize, tid: u32, cycle: u64, operation: Operation) {
        let (handle, object) = &self.objects[object];
        let mut object = object.lock().unwrap();
        object.number += 1;
        let number = object.number;
        let entry = HandleAuditEntry::new(cycle, tid, 0, label!("shuttle"), number);
        let frames = [Frame { frame: 16, lr: 1 }; 5];
        let end = recorder.position();
        if operation == Operation::Create && number % 2 == 0 {
            recorder.record_create_with_stack(*handle, KIND, entry, &frames);
        } else {
            recorder.record_any(operation, *handle, KIND, entry);
        }
        // A gap goes out only together with a record.
        if recorder.position() != end {
            object.published.push(number);
        }
        *self.issued.lock().unwrap() += 1;
    }

    /// A producer that records `count` times whatever `choose` says, and changes its ring now and then.
    fn produce(
        self: &Arc<Self>,
        tid: u32,
        count: u64,
        choose: impl Fn(u64) -> Operation + Send + 'static,
    ) -> JoinHandle<()> {
        let host = self.clone();
        thread::spawn(move || {
            let mut recorder = host.claim();
            for cycle in 0..count {
                if thread_rng().gen_range(0..8) == 0 {
                    drop(recorder);
                    recorder = host.claim();
                }
                let object = thread_rng().gen_range(0..host.objects.len());
                host.record(&mut recorder, object, tid, cycle, choose(thread_rng().gen_range(0..100)));
            }
        })
    }

    /// Handle and number of every record published so far.
    fn published(&self) -> BTreeSet<(u32, u64)> {
        let mut published = BTreeSet::new();
        for (handle, object) in &self.objects {
            published.extend(object.lock().unwrap().published.iter().map(|number| (*handle, *number)));
        }
        published
    }

    /// Handle and number of every record folded so far.
    fn folded(&self) -> BTreeSet<(u32, u64)> {
        let number = |said: &Said| match said {
            Said::Record(told) => Some((told.handle, told.entry.aux)),
            Said::Focus(_) => None,
        };
        self.scribe.0.lock().unwrap().iter().filter_map(number).collect()
    }

    /// What holds at the end of every run, once all producers rest.
    fn is_sound(&self) -> Snapshot {
        let snapshot = self.audit.snapshot().unwrap();
        let said = self.scribe.0.lock().unwrap().clone();
        let mut numbers: BTreeMap<u32, u64> = BTreeMap::new();
        for said in &said {
            let Said::Record(told) = said else { continue };
            let last = numbers.entry(told.handle).or_default();
            assert!(
                *last < told.entry.aux,
                "object {:#x}: {} folded after {last}",
                told.handle,
                told.entry.aux
            );
            *last = told.entry.aux;
        }
        agree(&snapshot, &model_of(&said), 0);
        let losses = &snapshot.losses;
        let published = self.published();
        assert!(self.folded().is_subset(&published), "folded what nobody published");
        assert_eq!(snapshot.folded + losses.late(), published.len() as u64, "published = folded + late");
        let in_gaps: u64 = losses.gaps.iter().map(|gap| gap.rejected.total()).sum();
        assert_eq!(in_gaps, losses.rejected(), "every rejection is in a gap");
        snapshot
    }
}

/// Operations that leave an entry in a trail.
fn everyday(dice: u64) -> Operation {
    use Operation::{Reset, Satisfied, Signal, Wait, Wake};
    [Signal, Wait, Wake, Satisfied, Reset][dice as usize % 5]
}

fn anything(dice: u64) -> Operation {
    if dice < 20 { Operation::Create } else { Operation::ALL[dice as usize % Operation::COUNT] }
}

/// A copy of a trail all of whose records were numbered from its create on, none missing.
fn is_whole(trail: &HandleAuditTrail) {
    let sequence = trail.sequence();
    assert_eq!(sequence.len() as u64 + 1, trail.totals.total(), "a torn copy: {trail:?}");
    for (entry, number) in sequence.iter().zip(1..) {
        assert_eq!((entry.seq, entry.entry.aux), (number, number + 1), "a torn copy: {trail:?}");
    }
}

/// Rings with room for all: nothing is lost, and whoever looks sees what happened before.
fn a_look_holds_what_happened_before() {
    let host = Host::new(AuditConfig::default().rings(3).ring_capacity(128).enabled(true));
    let mut recorder = host.claim();
    (0..3).for_each(|object| host.record(&mut recorder, object, 1, 0, Operation::Create));
    drop(recorder);
    let producers = [1, 2, 3].map(|tid| host.produce(tid, 8, everyday));
    for look in 0..3 {
        let before: Vec<u64> = host.objects.iter().map(|(_, object)| object.lock().unwrap().number).collect();
        let trails: Vec<_> = match look {
            0 => host.audit.snapshot().unwrap().trails,
            _ => {
                host.audit.flush().unwrap();
                host.objects.iter().map(|(handle, _)| host.audit.trail(*handle).unwrap()).collect()
            }
        };
        let handles: Vec<u32> = trails.iter().map(|trail| trail.handle).collect();
        assert_eq!(handles, [4, 8, 12], "all were created before");
        for (trail, before) in trails.iter().zip(before) {
            is_whole(trail);
            assert!(trail.totals.total() >= before, "{} of {before} records", trail.totals.total());
        }
    }
    producers.into_iter().for_each(|producer| producer.join().unwrap());
    host.audit.shutdown().unwrap();
    let snapshot = host.is_sound();
    assert_eq!((snapshot.folded, snapshot.losses.rejected()), (*host.issued.lock().unwrap(), 0));
    snapshot.trails.iter().for_each(is_whole);
}

/// Rings too small, every operation there is, other foci on the way; `rings` above three count with one counter a
/// stripe.
fn accounts_balance(rings: usize) {
    let host = Host::new(AuditConfig::default().rings(rings).ring_capacity(8).enabled(true));
    let producers = [1, 2, 3].map(|tid| host.produce(tid, 14, anything));
    for handle in [8, 4] {
        host.audit.set_focus([handle].into_iter().collect()).unwrap();
        let _ = host.audit.losses().unwrap();
    }
    producers.into_iter().for_each(|producer| producer.join().unwrap());
    let losses = host.is_sound().losses;
    assert_eq!((losses.attempted(), losses.late()), (*host.issued.lock().unwrap(), 0));
    host.audit.shutdown().unwrap();
}

/// Switched on late, off, on again, and stopped while producers go on.
fn a_stop_is_raced() {
    let host = Host::new(AuditConfig::default().rings(3).ring_capacity(16));
    let producers = [1, 2, 3].map(|tid| host.produce(tid, 12, anything));
    host.audit.enable().unwrap();
    host.audit.disable().unwrap();
    let still = host.audit.snapshot().unwrap();
    host.audit.enable().unwrap();
    let before = host.published();
    host.audit.shutdown().unwrap();
    assert!(before.is_subset(&host.folded()), "the stop lost what was published before it");
    let folded = host.audit.snapshot().unwrap().folded;
    assert!(still.folded <= folded && still.coverage.late_start);
    producers.into_iter().for_each(|producer| producer.join().unwrap());
    let snapshot = host.is_sound();
    assert_eq!(snapshot.folded, folded, "nothing is folded after the stop");
    assert_eq!(snapshot.coverage.pauses, 1);
    host.audit.enable().unwrap();
    host.audit.shutdown().unwrap();
    assert!(!host.audit.is_enabled(), "it is over");
}

#[test]
fn shuttle_a_look_holds_what_happened_before() {
    explore(a_look_holds_what_happened_before);
}

#[test]
fn shuttle_accounts_balance_when_rings_overflow() {
    explore(|| accounts_balance(3));
}

#[test]
fn shuttle_accounts_balance_with_shared_counters() {
    explore(|| accounts_balance(4));
}

#[test]
fn shuttle_a_stop_raced_by_producers_loses_nothing() {
    explore(a_stop_is_raced);
}
