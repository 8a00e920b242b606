//! Recorders, drain and map put together, without a thread: what the audit runs on, and what models and tests
//! drive directly.

use crossbeam_queue::SegQueue;
use spsc_ring::{line_ring, ring_from};
use thiserror::Error;

use crate::capture::Capture;
use crate::config::AuditConfig;
use crate::drain::{Control, Drain, Pass};
use crate::focus::Focus;
use crate::lane::{Intake, Lane};
use crate::losses::Losses;
use crate::map::TrailMap;
use crate::recorder::Recorder;
use crate::shared::{ClaimError, Seat, Shared};
use crate::shim::{Arc, Mutex, MutexGuard, Ordering};
use crate::snapshot::Snapshot;
use crate::trail::{Counts, GhostTrail, HandleAuditTrail};

/// Nothing is folded any more.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DrainDied {
    /// The drain panicked while it folded. What it had folded before can still be read.
    #[error("the drain died while folding: trails hold what was folded before, and nothing later")]
    Panicked,
    /// This process is a forked child of the one that made the audit. It has no drain, and no trails: its parent has.
    /// Recorders go on here until their rings are full, and nobody sees it.
    #[error("this process is a forked child: the audit belongs to its parent")]
    Forked,
}

#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) shared: Arc<Shared>,
    pub(crate) map: Arc<TrailMap>,
    control: Arc<SegQueue<Control>>,
    /// Held for the length of a pass, by whoever runs it: the drain thread, or a caller that flushes.
    drain: Mutex<Drain>,
    /// The process that has the drain. In a forked child locks may stay held for ever.
    process: u32,
}

impl Pipeline {
    pub(crate) fn new(rings: usize, focus: Focus) -> Self {
        let shared = Arc::new(Shared::new(rings, focus));
        let map = Arc::new(TrailMap::new(rings));
        let control = Arc::new(SegQueue::new());
        let drain = Mutex::new(Drain::new(shared.clone(), map.clone(), control.clone()));
        Self { shared, map, control, drain, process: std::process::id() }
    }

    /// Makes the rings, hands their reading ends to the drain and puts the producers in their places.
    pub(crate) fn make_rings(&self, config: &AuditConfig) {
        let ring = |_| ring_from(config.ring_capacity, config.first_position);
        let rings = self.shared.places.iter().map(ring);
        self.seat(rings.map(|(producer, consumer)| (Lane::heap(producer), Intake::Heap(consumer))).unzip());
    }

    /// The same in the memory of a capture.
    pub(crate) fn make_captured_rings(&self, config: &AuditConfig, capture: Capture) {
        let ring = |(memory, seal)| line_ring(memory, seal, config.first_position);
        let rings = capture.rings.into_iter().map(ring);
        self.tell(Control::Capture(capture.sink));
        self.seat(
            rings.map(|(producer, consumer)| (Lane::captured(producer), Intake::captured(consumer))).unzip(),
        );
        // A capture knows the focus before the first record. A drain that died says so to whoever flushes.
        drop(self.drain());
    }

    fn seat(&self, (lanes, intakes): (Vec<Lane>, Vec<Intake>)) {
        self.tell(Control::Rings(intakes));
        for (place, producer) in self.shared.places.iter().zip(lanes) {
            place.put(Seat { producer, gap: None });
        }
    }

    pub(crate) fn switch(&self, on: bool) {
        self.shared.on.store(on, Ordering::Release);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.shared.on.load(Ordering::Acquire)
    }

    pub(crate) fn claim(&self, ring: usize) -> Result<Recorder, ClaimError> {
        let rings = self.shared.places.len();
        let place = self.shared.places.get(ring).ok_or(ClaimError::NoSuchRing { ring, rings })?;
        if place.claim() {
            Ok(Recorder::new(self.shared.clone(), ring))
        } else {
            Err(ClaimError::Claimed { ring })
        }
    }

    pub(crate) fn tell(&self, message: Control) {
        self.control.push(message);
    }

    /// Says if this is not the process that made the audit. To be asked before any lock is taken.
    pub(crate) fn check_process(&self) -> Result<(), DrainDied> {
        if std::process::id() == self.process { Ok(()) } else { Err(DrainDied::Forked) }
    }

    /// The drain, after it has listened.
    pub(crate) fn drain(&self) -> Result<MutexGuard<'_, Drain>, DrainDied> {
        self.check_process()?;
        let mut drain = self.drain.lock().map_err(|_| DrainDied::Panicked)?;
        drain.listen();
        Ok(drain)
    }

    /// One pass, by the caller.
    pub(crate) fn pass(&self) -> Result<Pass, DrainDied> {
        Ok(self.drain()?.pass())
    }

    /// Folds everything that happened before the call. The caller lends its thread: there is nobody to wake, and of a
    /// drain that is starved of processor time it waits at most for the pass that is under way.
    pub(crate) fn flush(&self) -> Result<(), DrainDied> {
        self.drain()?.fold_all();
        Ok(())
    }

    /// The accounts, after a flush.
    pub(crate) fn losses(&self) -> Result<Losses, DrainDied> {
        Ok(self.drain()?.accounts())
    }

    /// Everything, after a flush. Only the accounts are taken with the drain held; the copies of the trails are
    /// made while it may go on.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, DrainDied> {
        let (losses, focus, coverage, folded) = {
            let mut drain = self.drain()?;
            (drain.accounts(), drain.focus().clone(), drain.coverage, drain.folded)
        };
        Ok(self.map.freeze(losses, focus, coverage, folded, || self.drain.lock()))
    }

    pub(crate) fn counts(&self, handle: u32) -> Option<Counts> {
        self.check_process().ok()?;
        self.map.counts(handle, || self.drain.lock())
    }

    pub(crate) fn trail(&self, handle: u32) -> Option<HandleAuditTrail> {
        self.check_process().ok()?;
        self.map.trail(handle, || self.drain.lock())
    }

    pub(crate) fn ghost(&self, handle: u32) -> Option<GhostTrail> {
        self.check_process().ok()?;
        self.map.ghost(handle)
    }
}
