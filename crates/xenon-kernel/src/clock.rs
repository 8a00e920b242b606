//! The guest's timebase: 50 MHz, one monotonic clock for all threads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use host_os::TimeStampCounter;

/// Cycles of the guest timebase in a second.
pub const CYCLES_PER_SECOND: u64 = 50_000_000;

const NANOSECONDS_PER_CYCLE: u64 = 1_000_000_000 / CYCLES_PER_SECOND;

/// Cycles in one unit of 100 ns, in which the guest gives its timeouts.
pub(crate) const CYCLES_PER_TICK: u64 = CYCLES_PER_SECOND / 10_000_000;

/// The latest that anything can be due. It is encodable, and a virtual clock that has jumped to it, however often a guest
/// asks for the longest timeout, still has room to go on.
const LAST_CYCLE: u64 = u64::MAX >> 4;

/// Where the cycles come from.
#[derive(Debug)]
pub(crate) enum Clock {
    /// The host's monotonic clock, from the start of the run on, and the counter it is kept by, if it may be read.
    Real(Instant, Option<TimeStampCounter>),
    /// Instructions retired, one a cycle, and jumps to the next deadline when everybody is parked. Advanced by the one
    /// OS thread of a deterministic run.
    Virtual(AtomicU64),
}

impl Clock {
    pub(crate) fn new(deterministic: bool) -> Self {
        if deterministic {
            Self::Virtual(AtomicU64::new(0))
        } else {
            Self::Real(Instant::now(), TimeStampCounter::find())
        }
    }

    /// Cycles since the run began.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        match self {
            Self::Real(start, _) => {
                let elapsed = start.elapsed();
                elapsed.as_secs() * CYCLES_PER_SECOND
                    + u64::from(elapsed.subsec_nanos()) / NANOSECONDS_PER_CYCLE
            }
            Self::Virtual(cycles) => cycles.load(Relaxed),
        }
    }

    /// What a [`Follower`](crate::follower::Follower) may read between two looks at this clock.
    pub(crate) fn counter(&self) -> Option<TimeStampCounter> {
        match self {
            Self::Real(_, counter) => *counter,
            Self::Virtual(_) => None,
        }
    }

    /// Accounts for instructions; the real clock runs by itself.
    #[inline]
    pub(crate) fn retire(&self, instructions: u64) {
        if let Self::Virtual(cycles) = self {
            cycles.fetch_add(instructions, Relaxed);
        }
    }

    /// Moves a virtual clock forward to `cycle`, if that is ahead.
    pub(crate) fn jump_to(&self, cycle: u64) {
        if let Self::Virtual(cycles) = self {
            cycles.fetch_max(cycle, Relaxed);
        }
    }
}

/// The host's time for a number of guest cycles.
pub(crate) fn duration(cycles: u64) -> Duration {
    Duration::from_nanos(cycles.saturating_mul(NANOSECONDS_PER_CYCLE))
}

/// How long a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeout {
    Never,
    /// Zero, or a time that is past: look, and do not park.
    Poll,
    /// Until this cycle.
    At(u64),
}

impl Timeout {
    /// The guest's form: units of 100 ns, zero = poll, negative = from now on, positive = since the run began.
    pub(crate) fn from_ticks(ticks: i64, now: u64) -> Self {
        let at = due_cycle(ticks, now);
        if at <= now { Self::Poll } else { Self::At(at) }
    }

    /// Units of 100 ns from `now` on, rounded up; `None` for ever.
    pub(crate) fn remaining_ticks(self, now: impl FnOnce() -> u64) -> Option<u64> {
        match self {
            Self::Never => None,
            Self::Poll => Some(0),
            Self::At(cycle) => Some(cycle.saturating_sub(now()).div_ceil(CYCLES_PER_TICK)),
        }
    }
}

/// The cycle that a guest's due time means; see [`Timeout::from_ticks`].
pub(crate) fn due_cycle(ticks: i64, now: u64) -> u64 {
    let cycles = ticks.unsigned_abs().saturating_mul(CYCLES_PER_TICK);
    let at = if ticks < 0 { now.saturating_add(cycles) } else { cycles };
    at.min(LAST_CYCLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_zero_relative_or_absolute() {
        let now = 1000;
        assert_eq!(Timeout::from_ticks(0, now), Timeout::Poll);
        assert_eq!(Timeout::from_ticks(-1, now), Timeout::At(1005));
        assert_eq!(Timeout::from_ticks(1, now), Timeout::Poll, "cycle 5 is past");
        assert_eq!(Timeout::from_ticks(201, now), Timeout::At(1005));
        assert_eq!(Timeout::At(1006).remaining_ticks(|| now), Some(2));
        assert_eq!(Timeout::Never.remaining_ticks(|| now), None);
    }

    #[test]
    fn the_longest_timeouts_do_not_wrap() {
        for ticks in [i64::MIN, i64::MAX, -1 << 62] {
            assert!(matches!(Timeout::from_ticks(ticks, u64::MAX >> 8), Timeout::At(_)), "{ticks}");
            assert_eq!(
                Timeout::from_ticks(ticks, LAST_CYCLE),
                Timeout::Poll,
                "{ticks}: the end of time has come"
            );
        }
    }
}
