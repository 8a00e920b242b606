//! What a call site supplies.

use std::fmt;

use crate::label::Label;

/// Name of this type in the field: the entry that a kernel export records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandleAuditEntry {
    /// Guest timebase, in cycles of 50 MHz, read at the record, under whatever lock the call holds.
    pub cycle: u64,
    /// Guest thread id; 0 means no guest thread.
    pub tid: u32,
    /// Guest address one instruction past the `bl` to the export.
    pub lr: u32,
    /// The export or kernel routine that records.
    pub source: Label,
    /// Depends on the operation; see [`aux`](crate::aux).
    pub aux: u64,
}

impl HandleAuditEntry {
    /// An entry; `source` is a [`Label`] or a `&'static str`.
    #[inline(always)]
    pub fn new(cycle: u64, tid: u32, lr: u32, source: impl Into<Label>, aux: u64) -> Self {
        Self { cycle, tid, lr, source: source.into(), aux }
    }
}

/// What kind of object a handle names.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HandleKind(Label);

impl HandleKind {
    /// A notification event: stays set until it is cleared.
    pub const EVENT_MANUAL: Self = Self(Label::EVENT_MANUAL);
    /// A synchronisation event: cleared by the wait it satisfies.
    pub const EVENT_AUTO: Self = Self(Label::EVENT_AUTO);
    /// A counting semaphore.
    pub const SEMAPHORE: Self = Self(Label::SEMAPHORE);
    /// A notification timer.
    pub const TIMER_MANUAL: Self = Self(Label::TIMER_MANUAL);
    /// A synchronisation timer.
    pub const TIMER_AUTO: Self = Self(Label::TIMER_AUTO);
    /// A mutex of the NT family.
    pub const MUTANT: Self = Self(Label::MUTANT);
    /// A guest thread, signalled when it exits.
    pub const THREAD: Self = Self(Label::THREAD);

    /// A kind of the host's own.
    #[must_use]
    pub const fn host(label: Label) -> Self {
        Self(label)
    }

    /// Its label.
    #[must_use]
    #[inline(always)]
    pub const fn label(self) -> Label {
        self.0
    }

    /// Its name, e.g. `Event/Auto`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0.as_str()
    }
}

impl fmt::Display for HandleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for HandleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HandleKind({:?})", self.as_str())
    }
}

/// One frame of a guest stack: index 0 is the live `(r1, lr)`, then the PowerPC back-chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Frame pointer.
    pub frame: u32,
    /// Saved link register.
    pub lr: u32,
}

/// Frames that a created stack can have. Further ones are cut.
pub const MAX_STACK_FRAMES: usize = 32;
