//! What can be recorded, and counters that have one cell for each.

use std::fmt;

/// What happened to a handle. The first five are all that a small host needs; the others feed the diagnosis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Operation {
    /// The handle was created: a new generation begins.
    Create = 1,
    /// The object was signalled.
    Signal = 2,
    /// A signal to a handle that the host could not resolve.
    GhostSignal = 3,
    /// A Wait call named the handle.
    Wait = 4,
    /// A parked thread was let go, whatever the reason.
    Wake = 5,
    /// A wait returned without parking.
    Satisfied = 6,
    /// The object was cleared.
    Reset = 7,
    /// The object was pulsed.
    Pulse = 8,
    /// The handle was closed.
    Close = 9,
    /// The handle got another name.
    Alias = 10,
    /// The handle was passed to an export as its completion object.
    Promise = 11,
    /// An export that is not implemented returned as if it had worked.
    Stub = 12,
    /// A guest thread started, exited, was suspended or resumed.
    Thread = 13,
    /// A timer was armed, fired or cancelled.
    Timer = 14,
    /// An APC was queued or delivered.
    Apc = 15,
}

impl Operation {
    /// How many operations there are.
    pub const COUNT: usize = 15;

    /// All of them, in order of their codes.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Create,
        Self::Signal,
        Self::GhostSignal,
        Self::Wait,
        Self::Wake,
        Self::Satisfied,
        Self::Reset,
        Self::Pulse,
        Self::Close,
        Self::Alias,
        Self::Promise,
        Self::Stub,
        Self::Thread,
        Self::Timer,
        Self::Apc,
    ];

    /// The name used in reports and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Signal => "signal",
            Self::GhostSignal => "signal_attempt_ghost",
            Self::Wait => "wait",
            Self::Wake => "wake",
            Self::Satisfied => "satisfied",
            Self::Reset => "reset",
            Self::Pulse => "pulse",
            Self::Close => "close",
            Self::Alias => "alias",
            Self::Promise => "promise",
            Self::Stub => "stub",
            Self::Thread => "thread",
            Self::Timer => "timer",
            Self::Apc => "apc",
        }
    }

    /// The operation with this code, 1 to 15.
    #[must_use]
    #[inline]
    pub const fn from_code(code: u8) -> Option<Self> {
        // Spelt out, this is a comparison; a look into the table would be a load.
        Some(match code {
            1 => Self::Create,
            2 => Self::Signal,
            3 => Self::GhostSignal,
            4 => Self::Wait,
            5 => Self::Wake,
            6 => Self::Satisfied,
            7 => Self::Reset,
            8 => Self::Pulse,
            9 => Self::Close,
            10 => Self::Alias,
            11 => Self::Promise,
            12 => Self::Stub,
            13 => Self::Thread,
            14 => Self::Timer,
            15 => Self::Apc,
            _ => return None,
        })
    }

    /// One of the first five, which every host records. The others feed the diagnosis.
    #[must_use]
    pub const fn is_basic(self) -> bool {
        (self as u8) <= Self::Wake as u8
    }

    /// Its index in a table of [`Operation::COUNT`] cells.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize - 1
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A count per operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperationCounts([u64; Operation::COUNT]);

impl OperationCounts {
    /// The count of one operation.
    #[must_use]
    pub const fn get(&self, operation: Operation) -> u64 {
        self.0[operation.index()]
    }

    /// Adds `count` to one operation.
    pub fn add(&mut self, operation: Operation, count: u64) {
        self.0[operation.index()] += count;
    }

    /// Adds every count of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (operation, count) in other.iter() {
            self.add(operation, count);
        }
    }

    /// What is counted here beyond `other`, cell by cell, never below zero.
    #[must_use]
    pub fn beyond(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|index| self.0[index].saturating_sub(other.0[index])))
    }

    /// The sum over all operations.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The operations that were counted at least once, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Operation, u64)> {
        Operation::ALL
            .into_iter()
            .map(|operation| (operation, self.get(operation)))
            .filter(|(_, count)| *count > 0)
    }
}

impl FromIterator<(Operation, u64)> for OperationCounts {
    fn from_iter<I: IntoIterator<Item = (Operation, u64)>>(counts: I) -> Self {
        let mut all = Self::default();
        for (operation, count) in counts {
            all.add(operation, count);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_has_one_code_and_one_name() {
        for (code, operation) in (1..).zip(Operation::ALL) {
            assert_eq!((Operation::from_code(code), operation as u8), (Some(operation), code));
            assert_eq!(operation.index(), usize::from(code) - 1);
            assert_eq!(operation.is_basic(), code <= 5);
        }
        assert_eq!([0, 16].map(Operation::from_code), [None, None]);
        let names = Operation::ALL.map(Operation::name).join(" ");
        assert_eq!(
            names,
            "create signal signal_attempt_ghost wait wake satisfied reset pulse close alias promise stub thread \
             timer apc"
        );
        assert_eq!(format!("{:>6}", Operation::Wait), "  wait");
    }

    #[test]
    fn counts_name_what_was_counted() {
        let counts: OperationCounts = [(Operation::Wait, 2), (Operation::Apc, 3)].into_iter().collect();
        assert!(counts.iter().eq([(Operation::Wait, 2), (Operation::Apc, 3)]));
    }
}
