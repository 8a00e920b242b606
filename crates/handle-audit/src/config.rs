//! How an audit is set up.

use thiserror::Error;

use crate::focus::{Focus, TraceHandles};

/// Records that a ring holds unless it is told otherwise: at a million records a second, 65 ms worth, which a drain that
/// shares its core with several hardware threads needs.
pub const DEFAULT_RING_CAPACITY: usize = 1 << 16;

/// Records that the smallest ring holds. Below it a gap record would not fit beside the reserve.
pub const MIN_RING_CAPACITY: usize = 8;

/// Records that the largest ring holds: 40 GiB would be more than a mistake.
pub const MAX_RING_CAPACITY: usize = 1 << 24;

/// Rings that an audit can have.
pub const MAX_RINGS: usize = 128;

/// How many rings, how large, with which focus; whether a thread drains them.
///
/// ```
/// use handle_audit::{AuditConfig, HandleAudit};
///
/// let audit = HandleAudit::new(AuditConfig::default().rings(2).enabled(true))?;
/// # Ok::<(), handle_audit::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditConfig {
    pub(crate) rings: usize,
    pub(crate) ring_capacity: usize,
    pub(crate) first_position: u64,
    pub(crate) focus: Focus,
    pub(crate) enabled: bool,
    pub(crate) manual: bool,
}

impl Default for AuditConfig {
    /// Eight rings (six hardware threads, one I/O worker, one for timers and the host), switched off.
    fn default() -> Self {
        Self {
            rings: 8,
            ring_capacity: DEFAULT_RING_CAPACITY,
            first_position: 0,
            focus: Focus::default(),
            enabled: false,
            manual: false,
        }
    }
}

impl AuditConfig {
    /// Rings, 1 to [`MAX_RINGS`]. Up to eight, stamps take no read-modify-write; beyond, each record takes one.
    #[must_use]
    pub fn rings(mut self, rings: usize) -> Self {
        self.rings = rings;
        self
    }

    /// Records a ring holds, [`MIN_RING_CAPACITY`] to [`MAX_RING_CAPACITY`], rounded up to a power of two. A record
    /// is 40 bytes.
    #[must_use]
    pub fn ring_capacity(mut self, records: usize) -> Self {
        self.ring_capacity = records;
        self
    }

    /// The position at which every ring begins: for tests close to the wrap-around.
    #[must_use]
    pub fn first_position(mut self, position: u64) -> Self {
        self.first_position = position;
        self
    }

    /// The handles picked by the person debugging.
    #[must_use]
    pub fn focus(mut self, focus: Focus) -> Self {
        self.focus = focus;
        self
    }

    /// Whether recording begins at once. If not, neither rings nor drain exist until
    /// [`HandleAudit::enable`](crate::HandleAudit::enable).
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Does what an option or a variable said.
    #[must_use]
    pub fn trace_handles(self, trace: TraceHandles) -> Self {
        match trace {
            TraceHandles::Off => self.enabled(false),
            TraceHandles::On(focus) => self.enabled(true).focus(focus),
        }
    }

    /// No drain thread: the host calls [`HandleAudit::pump`](crate::HandleAudit::pump).
    #[must_use]
    pub fn manual(mut self) -> Self {
        self.manual = true;
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if !(1..=MAX_RINGS).contains(&self.rings) {
            return Err(ConfigError::Rings(self.rings));
        }
        if !(MIN_RING_CAPACITY..=MAX_RING_CAPACITY).contains(&self.ring_capacity) {
            return Err(ConfigError::RingCapacity(self.ring_capacity));
        }
        Ok(())
    }
}

/// An audit cannot be set up like this.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// Too few rings, or too many.
    #[error("{0} rings: an audit has 1 to {MAX_RINGS}")]
    Rings(usize),
    /// A ring too small or too large.
    #[error("a ring of {0} records: it holds {MIN_RING_CAPACITY} to {MAX_RING_CAPACITY}")]
    RingCapacity(usize),
    /// A capture made for another audit.
    #[error("an audit of {rings} rings cannot use a capture of {capture}")]
    Capture {
        /// Rings of the configuration.
        rings: usize,
        /// Rings of the capture.
        capture: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_changes_its_own_part() {
        let focus: Focus = [4, 8].into_iter().collect();
        let config = AuditConfig::default()
            .rings(3)
            .ring_capacity(64)
            .first_position(7)
            .focus(focus.clone())
            .enabled(true)
            .manual();
        let expected = AuditConfig {
            rings: 3,
            ring_capacity: 64,
            first_position: 7,
            focus,
            enabled: true,
            manual: true,
        };
        assert_eq!(config, expected);
        assert_eq!(
            config.clone().trace_handles(TraceHandles::Off),
            AuditConfig { enabled: false, ..expected }
        );
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let config = AuditConfig::default();
        assert_eq!(config.check(), Ok(()));
        for rings in [1, MAX_RINGS] {
            assert_eq!(config.clone().rings(rings).check(), Ok(()));
        }
        for rings in [0, MAX_RINGS + 1] {
            assert_eq!(config.clone().rings(rings).check(), Err(ConfigError::Rings(rings)));
        }
        for records in [MIN_RING_CAPACITY, MAX_RING_CAPACITY] {
            assert_eq!(config.clone().ring_capacity(records).check(), Ok(()));
        }
        for records in [MIN_RING_CAPACITY - 1, MAX_RING_CAPACITY + 1] {
            assert_eq!(
                config.clone().ring_capacity(records).check(),
                Err(ConfigError::RingCapacity(records))
            );
        }
    }
}
