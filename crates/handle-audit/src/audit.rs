//! The audit as a host sees it: switch, rings to claim, trails to read, a thread that drains.

use std::sync::PoisonError;
use std::time::Duration;

use once_cell::sync::OnceCell;

use crate::capture::Capture;
use crate::config::{AuditConfig, ConfigError};
use crate::drain::Control;
use crate::focus::Focus;
use crate::losses::Losses;
use crate::pipeline::{DrainDied, Pipeline};
use crate::recorder::Recorder;
use crate::shared::ClaimError;
use crate::shim::thread::{Builder, JoinHandle};
use crate::shim::{Arc, Mutex, MutexGuard, nap};
use crate::snapshot::{Coverage, Snapshot};
use crate::trail::{Counts, GhostTrail, HandleAuditTrail};

/// Naps between looks: short enough for a ring to stay below a quarter, long enough not to chase producers.
const SHORTEST_NAP: Duration = Duration::from_micros(50);
const LONGEST_NAP: Duration = Duration::from_millis(2);

/// A quarter, in the 1/256 that a pass reports.
const AIM: u64 = 64;

static GLOBAL: OnceCell<HandleAudit> = OnceCell::new();

/// The audit of one host. See the crate's page for what it guarantees.
#[derive(Debug)]
pub struct HandleAudit {
    config: AuditConfig,
    pub(crate) pipeline: Arc<Pipeline>,
    /// Serialises enable, disable, focus changes and shutdown; never held by a recorder or by the drain.
    life: Mutex<Life>,
}

#[derive(Debug, Default)]
struct Life {
    rings_made: bool,
    /// Taken when the rings are made.
    capture: Option<Capture>,
    coverage: Coverage,
    disabled_once: bool,
    over: bool,
    drain: Option<JoinHandle<()>>,
}

impl HandleAudit {
    /// An audit. If the configuration says so, rings and drain exist and recording begins at once.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for numbers out of range.
    ///
    /// # Panics
    ///
    /// If the operating system refuses the drain its thread.
    pub fn new(config: AuditConfig) -> Result<Self, ConfigError> {
        Self::build(config, None)
    }

    /// An audit whose rings live in the memory of a capture, and whose drain writes there what it folds. A record
    /// costs more than without: it takes the slow path. See docs/capture-format.md.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for numbers out of range, also if the capture has another number of rings than the
    /// configuration.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new); also if the memory of a ring is not of a ring's size.
    pub fn with_capture(config: AuditConfig, capture: Capture) -> Result<Self, ConfigError> {
        if capture.rings.len() != config.rings {
            return Err(ConfigError::Capture { rings: config.rings, capture: capture.rings.len() });
        }
        Self::build(config, Some(capture))
    }

    fn build(config: AuditConfig, capture: Option<Capture>) -> Result<Self, ConfigError> {
        config.check()?;
        let audit = Self {
            pipeline: Arc::new(Pipeline::new(config.rings, config.focus.clone())),
            life: Mutex::new(Life { capture, ..Life::default() }),
            config,
        };
        if audit.config.enabled {
            audit.start(&mut audit.life());
            audit.pipeline.switch(true);
        }
        Ok(audit)
    }

    /// Makes this audit the one that [`HandleAudit::global`] returns, for hosts that cannot thread a reference
    /// through. The first one wins; a later one comes back.
    ///
    /// # Errors
    ///
    /// The audit itself, if there is a global one already.
    pub fn install(self) -> Result<&'static Self, Box<Self>> {
        GLOBAL.try_insert(self).map_err(|(_, refused)| Box::new(refused))
    }

    /// The installed audit.
    #[must_use]
    pub fn global() -> Option<&'static Self> {
        GLOBAL.get()
    }

    /// Becomes the recorder of a ring, numbered from 0.
    ///
    /// # Errors
    ///
    /// [`ClaimError`] if there is no such ring, or somebody has it.
    pub fn claim(&self, ring: usize) -> Result<Recorder, ClaimError> {
        self.pipeline.claim(ring)
    }

    /// Becomes the recorder of the first free ring.
    ///
    /// # Errors
    ///
    /// [`ClaimError::NoneFree`] if all are taken.
    pub fn claim_any(&self) -> Result<Recorder, ClaimError> {
        let rings = self.config.rings;
        (0..rings).find_map(|ring| self.claim(ring).ok()).ok_or(ClaimError::NoneFree { rings })
    }

    /// Whether records are taken.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.pipeline.is_on()
    }

    /// Starts recording. Handles created before are unknown, and snapshots say so. Nothing happens after a
    /// shutdown.
    ///
    /// # Errors
    ///
    /// [`DrainDied`].
    pub fn enable(&self) -> Result<(), DrainDied> {
        self.pipeline.check_process()?;
        let mut life = self.life();
        if life.over || self.is_enabled() {
            return Ok(());
        }
        self.start(&mut life);
        self.pipeline.flush()?;
        if life.disabled_once {
            life.coverage.pauses += 1;
        } else {
            life.coverage.late_start = true;
        }
        self.pipeline.tell(Control::Coverage(life.coverage));
        self.pipeline.switch(true);
        Ok(())
    }

    /// Stops recording, after a flush of what happened before.
    ///
    /// # Errors
    ///
    /// [`DrainDied`].
    pub fn disable(&self) -> Result<(), DrainDied> {
        self.pipeline.check_process()?;
        let mut life = self.life();
        if self.is_enabled() {
            self.pipeline.switch(false);
            life.disabled_once = true;
            self.pipeline.flush()?;
        }
        Ok(())
    }

    /// Picks other handles, after a flush of what happened before.
    ///
    /// # Errors
    ///
    /// [`DrainDied`].
    pub fn set_focus(&self, focus: Focus) -> Result<(), DrainDied> {
        self.pipeline.check_process()?;
        let _life = self.life();
        if !spsc_ring::planted!("focus_without_flush") {
            self.pipeline.flush()?;
        }
        self.pipeline.shared.set_focus(focus.clone());
        self.pipeline.tell(Control::Focus(focus));
        self.pipeline.flush()
    }

    /// Returns when everything that happened before the call has been folded. The caller's thread helps, so it
    /// never waits for the drain to wake up.
    ///
    /// # Errors
    ///
    /// [`DrainDied`]; it never hangs.
    pub fn flush(&self) -> Result<(), DrainDied> {
        self.pipeline.flush()
    }

    /// One pass of the drain on the caller's thread; returns how many records it folded. For hosts without a drain
    /// thread ([`AuditConfig::manual`]); harmless beside one.
    ///
    /// # Errors
    ///
    /// [`DrainDied`].
    pub fn pump(&self) -> Result<usize, DrainDied> {
        self.pipeline.pass().map(|pass| pass.folded)
    }

    /// Lengths of (signals, waits, wakes) as held, or nothing without a trail.
    #[must_use]
    pub fn counts(&self, handle: u32) -> Option<Counts> {
        self.pipeline.counts(handle)
    }

    /// A copy of one trail, as far as it was folded.
    #[must_use]
    pub fn trail(&self, handle: u32) -> Option<HandleAuditTrail> {
        self.pipeline.trail(handle)
    }

    /// A copy of one ghost trail, as far as it was folded.
    #[must_use]
    pub fn ghost(&self, handle: u32) -> Option<GhostTrail> {
        self.pipeline.ghost(handle)
    }

    /// What was refused and what was dropped, after a flush.
    ///
    /// # Errors
    ///
    /// [`DrainDied`].
    pub fn losses(&self) -> Result<Losses, DrainDied> {
        self.pipeline.losses()
    }

    /// A flush, then a copy of everything.
    ///
    /// # Errors
    ///
    /// [`DrainDied`].
    pub fn snapshot(&self) -> Result<Snapshot, DrainDied> {
        self.pipeline.snapshot()
    }

    /// From now on, `observer` is told of every record before it is folded.
    ///
    /// # Errors
    ///
    /// [`DrainDied`].
    #[cfg(any(test, feature = "observe"))]
    pub fn observe(&self, observer: Box<dyn crate::FoldObserver>) -> Result<(), DrainDied> {
        self.pipeline.drain()?.seam.0 = Some(Box::new(observer));
        Ok(())
    }

    /// Switches off, folds what was published before, and ends the drain. What a racing recorder publishes later is
    /// counted as late. Trails stay readable. A second call does nothing.
    ///
    /// # Errors
    ///
    /// [`DrainDied`].
    pub fn shutdown(&self) -> Result<(), DrainDied> {
        self.pipeline.check_process()?;
        let mut life = self.life();
        if std::mem::replace(&mut life.over, true) {
            return Ok(());
        }
        self.pipeline.switch(false);
        self.pipeline.tell(Control::Stop);
        let folded = self.pipeline.flush();
        if let Some(drain) = life.drain.take() {
            drain.thread().unpark();
            // A panic of the drain is reported by the flush.
            drop(drain.join());
        }
        folded
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes rings and drain, the first time.
    fn start(&self, life: &mut Life) {
        if std::mem::replace(&mut life.rings_made, true) {
            return;
        }
        match life.capture.take() {
            None => self.pipeline.make_rings(&self.config),
            Some(capture) => self.pipeline.make_captured_rings(&self.config, capture),
        }
        if !self.config.manual {
            let pipeline = self.pipeline.clone();
            let drain = Builder::new().name("handle-audit-drain".to_owned()).spawn(move || run(&pipeline));
            life.drain = Some(drain.expect("the operating system gives the drain a thread"));
        }
    }
}

impl Drop for HandleAudit {
    fn drop(&mut self) {
        // Nobody is left to read an error.
        let _ = self.shutdown();
    }
}

/// The drain thread: a dull loop.
fn run(pipeline: &Pipeline) {
    let mut rest = SHORTEST_NAP;
    loop {
        let Ok(mut drain) = pipeline.drain() else { return };
        if drain.stopped() {
            return;
        }
        let pass = drain.pass();
        drop(drain);
        rest = next_nap(rest, pass.fill);
        nap(rest);
    }
}

/// Aims at rings that are a quarter full when the drain looks: the nap grows while they are emptier and shrinks at
/// once when they are fuller.
fn next_nap(nap: Duration, fill: u64) -> Duration {
    let aimed = match fill {
        0..AIM => nap * 5 / 4,
        fill => nap * AIM as u32 / fill as u32,
    };
    aimed.clamp(SHORTEST_NAP, LONGEST_NAP)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{FoldObserver, HandleAuditEntry, HandleKind, Operation, label};

    /// Every record as it was told.
    #[derive(Debug)]
    struct Told(Arc<Mutex<Vec<(Operation, u32, HandleAuditEntry)>>>);

    impl FoldObserver for Told {
        fn folded(&mut self, operation: Operation, handle: u32, entry: &HandleAuditEntry) {
            self.0.lock().unwrap().push((operation, handle, *entry));
        }
    }

    #[test]
    fn an_observer_is_told_of_every_record() {
        let audit = HandleAudit::new(AuditConfig::default().manual().enabled(true)).unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        audit.observe(Box::new(Told(told.clone()))).unwrap();
        let mut recorder = audit.claim(0).unwrap();
        let entry = |cycle| HandleAuditEntry::new(cycle, 1, 0, label!("test"), 7);
        recorder.record_create(4, HandleKind::MUTANT, entry(1));
        recorder.record_signal(4, entry(2));
        // A handle that nobody knows.
        recorder.record_wait(8, entry(3));
        audit.flush().unwrap();
        let expected = [(Operation::Create, 4, 1), (Operation::Signal, 4, 2), (Operation::Wait, 8, 3)];
        assert_eq!(
            *told.lock().unwrap(),
            expected.map(|(operation, handle, at)| (operation, handle, entry(at)))
        );
    }

    #[test]
    fn the_next_nap_aims_at_rings_that_are_a_quarter_full() {
        let full = 4 * AIM;
        for (nap, fill, next) in [
            (400, 0, 500),
            (400, AIM - 1, 500),
            (400, AIM, 400),
            (400, 2 * AIM, 200),
            (400, full, 100),
            (60, full, 50),
            (1_900, 0, 2_000),
        ] {
            let (nap, next) = (Duration::from_micros(nap), Duration::from_micros(next));
            assert_eq!(next_nap(nap, fill), next, "after {nap:?}, {fill}/{full} full");
        }
    }
}
