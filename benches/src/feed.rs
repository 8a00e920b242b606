//! Events through an audit: recorded in batches, folded in passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use handle_audit::{AuditConfig, HandleAudit, HandleKind, Operation, Recorder, label};

use crate::pushers::TID;
use crate::workload::{Event, handle};

/// Records an event at a cycle of its own: where events go round, time must not.
///
/// # Panics
///
/// If it is not one that [`crate::workload::events`] makes.
#[inline(always)]
pub fn record(recorder: &mut Recorder, event: &Event, cycle: u64) {
    let event = Event { cycle, ..*event };
    match event.operation {
        Operation::Signal => recorder.record_signal(event.handle, event.entry(label!("NtSetEvent"))),
        Operation::Wait => recorder.record_wait(event.handle, event.entry(label!("NtWaitForSingleObjectEx"))),
        Operation::Wake => recorder.record_wake(event.handle, event.entry(label!("KeSetEvent"))),
        other => panic!("{other} is not in the mix"),
    }
}

/// An audit with this many handles, on and drained by whoever pumps.
#[must_use]
pub fn audit_with(handles: u32, rings: usize, ring_capacity: usize) -> HandleAudit {
    let config = AuditConfig::default().rings(rings).ring_capacity(ring_capacity).enabled(true).manual();
    let audit = HandleAudit::new(config).expect("rings in range");
    let mut recorder = audit.claim(0).expect("nobody has it");
    for index in 0..handles {
        let event = Event { operation: Operation::Create, handle: handle(index), tid: TID, cycle: 0 };
        recorder.record_create(event.handle, HandleKind::EVENT_AUTO, event.entry(label!("NtCreateEvent")));
        if (index as usize).is_multiple_of(ring_capacity / 2) {
            audit.flush().expect("the drain lives");
        }
    }
    audit.flush().expect("the drain lives");
    audit
}

/// Records that lie in the ring when a timed pass begins.
pub const BATCH: usize = 1 << 12;

/// Events that every candidate folds before it is timed: until lists are full, or as full as memory allows. What is
/// timed is what goes on, not the first touch of fresh pages.
#[must_use]
pub const fn warm_up(handles: u32) -> usize {
    let full = 80 * handles as usize;
    if full < 16 << 20 { full } else { 16 << 20 }
}

/// Does `work` while another thread reads and sleeps for a millisecond in turns. That thread lives no longer than the
/// work, so that nothing else pays for it.
pub fn beside_a_reader<T>(read: impl Fn() + Sync, work: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                read();
                thread::sleep(Duration::from_millis(1));
            }
        });
        let result = work();
        stop.store(true, Ordering::Relaxed);
        result
    })
}

/// An audit, its recorder, and the events that go round.
#[derive(Debug)]
pub struct Feed {
    audit: Arc<HandleAudit>,
    recorder: Recorder,
    events: Vec<Event>,
    next: usize,
    cycle: u64,
}

impl Feed {
    /// A feed of these events into an audit with that many handles.
    #[must_use]
    pub fn new(handles: u32, events: Vec<Event>) -> Self {
        let audit = Arc::new(audit_with(handles, 8, 4 * BATCH));
        let recorder = audit.claim(0).expect("nobody has it");
        Self { audit, recorder, events, next: 0, cycle: 0 }
    }

    /// The audit.
    #[must_use]
    pub fn audit(&self) -> &HandleAudit {
        &self.audit
    }

    /// The audit, for another thread.
    #[must_use]
    pub fn audit_handle(&self) -> Arc<HandleAudit> {
        self.audit.clone()
    }

    /// Records a batch, untimed, and folds it; returns the time of the fold: take, merge, fold.
    pub fn batch(&mut self) -> Duration {
        if self.next + BATCH > self.events.len() {
            self.next = 0;
        }
        for event in &self.events[self.next..self.next + BATCH] {
            record(&mut self.recorder, event, self.cycle);
            self.cycle += 1;
        }
        self.next += BATCH;
        let begin = Instant::now();
        // A reader may flush, and so fold, at the same time: what counts is when nothing is left.
        while self.audit.pump().expect("the drain lives") > 0 {}
        begin.elapsed()
    }

    /// Records a batch of creates of handles that have a trail.
    pub fn record_creates(&mut self) {
        for event in &self.events[..BATCH] {
            let entry = event.entry(label!("NtCreateEvent"));
            self.recorder.record_create(event.handle, HandleKind::EVENT_AUTO, entry);
        }
    }

    /// Time to fold at least `events` events, and how many there were.
    pub fn fold(&mut self, events: u64) -> (Duration, u64) {
        let batches = events.div_ceil(BATCH as u64);
        ((0..batches).map(|_| self.batch()).sum(), batches * BATCH as u64)
    }
}

/// What a sustained run came to.
#[derive(Clone, Copy, Debug)]
pub struct Sustained {
    /// Records folded a second.
    pub rate: f64,
    /// Records rejected: 0, or the rate was not sustained.
    pub rejected: u64,
}

/// Records as fast as the fold keeps up with, from `producers` threads for about `time`, while this thread folds
/// without a pause. Nothing is lost: a producer that is half a ring ahead of the fold yields until it is not.
///
/// # Panics
///
/// If the audit refuses a ring.
#[must_use]
pub fn sustained(handles: u32, producers: usize, events: &[Event], time: Duration) -> Sustained {
    const RING: usize = 1 << 15;
    const STEP: usize = 1 << 10;
    let audit = audit_with(handles, producers.max(1), RING);
    let stop = AtomicBool::new(false);
    let folded = AtomicU64::new(0);
    let made = AtomicU64::new(0);
    let (mut elapsed, mut total) = (Duration::ZERO, 0);
    thread::scope(|scope| {
        for ring in 0..producers {
            let mut recorder = audit.claim(ring).expect("nobody has it");
            let (stop, folded, made) = (&stop, &folded, &made);
            // A guest thread runs on one hardware thread at a time.
            let of_ring = |event: &Event| Event { tid: event.tid + 16 * ring as u32, ..*event };
            let own = &events[events.len() / producers * ring..][..events.len() / producers];
            let own: Vec<Event> = own.iter().map(of_ring).collect();
            scope.spawn(move || {
                for (step, first) in own.chunks_exact(STEP).cycle().zip((0..).step_by(STEP)) {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    // All producers together stay half a ring ahead, so that no ring can overrun.
                    while made.load(Ordering::Relaxed).saturating_sub(folded.load(Ordering::Acquire))
                        > RING as u64 / 2
                    {
                        thread::yield_now();
                    }
                    step.iter().zip(first..).for_each(|(event, cycle)| record(&mut recorder, event, cycle));
                    made.fetch_add(STEP as u64, Ordering::Relaxed);
                }
            });
        }
        let begin = Instant::now();
        while begin.elapsed() < time {
            for _ in 0..16 {
                match audit.pump().expect("the drain lives") {
                    0 => thread::yield_now(),
                    some => total += some as u64,
                }
                folded.store(total, Ordering::Release);
            }
        }
        elapsed = begin.elapsed();
        stop.store(true, Ordering::Relaxed);
        // A producer that waits for the fold would not see the stop.
        folded.store(u64::MAX, Ordering::Release);
    });
    audit.flush().expect("the drain lives");
    Sustained {
        rate: total as f64 / elapsed.as_secs_f64(),
        rejected: audit.losses().expect("the drain lives").rejected(),
    }
}
