//! The watchdog: ends a run in which the guest has made no progress for too long, measured in guest time.
//!
//! A hang is told from a pause by looking twice: halfway through its patience the watchdog says so, and who reports on
//! the run can take a first look while it goes on. Any progress after that starts the patience anew.

use std::sync::atomic::Ordering::Relaxed;

use crate::kernel::Kernel;
use crate::outcome::Ended;

/// Called halfway through the patience, by the thread that keeps the time: it must not take long.
pub(crate) type Halfway<'h> = &'h (dyn Fn() + Sync);

/// The watchdog of one run.
pub(crate) struct Watchdog<'k> {
    kernel: &'k Kernel,
    halfway: Halfway<'k>,
    called: Option<Called>,
}

/// The last time that it said so.
#[derive(Clone, Copy)]
struct Called {
    /// The cycle of the newest progress then.
    progress: u64,
    at: u64,
}

impl<'k> Watchdog<'k> {
    pub(crate) fn new(kernel: &'k Kernel, halfway: Halfway<'k>) -> Self {
        Self { kernel, halfway, called: None }
    }

    /// The cycle at which it wants to look next, unless it has no patience to lose.
    pub(crate) fn alarm(&self) -> Option<u64> {
        let patience = self.kernel.config.watchdog?;
        let progress = self.last_progress();
        Some(match self.called.filter(|called| called.progress == progress) {
            Some(called) => called.at.saturating_add(patience - patience / 2),
            None => progress.saturating_add(patience / 2),
        })
    }

    /// Says that the patience is half over, or ends the run, if it is time.
    pub(crate) fn check(&mut self) {
        let now = self.kernel.clock.now();
        if self.alarm().is_none_or(|alarm| now < alarm) {
            return;
        }
        let progress = self.last_progress();
        if self.called.is_some_and(|called| called.progress == progress) {
            self.kernel.end(Ended::Watchdog);
        } else {
            (self.halfway)();
            self.called = Some(Called { progress, at: now });
        }
    }

    /// The cycle of the newest sign of progress on any ring.
    fn last_progress(&self) -> u64 {
        self.kernel.counters.iter().map(|counters| counters.progress.load(Relaxed)).max().unwrap_or(0)
    }
}
