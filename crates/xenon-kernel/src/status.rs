//! The status codes that the exports return in r3.

use ppc::MemoryFault;

/// An NT status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) u32);

impl Status {
    pub(crate) const SUCCESS: Self = Self(0);
    /// Added to the index of an abandoned mutant that satisfied a wait.
    pub(crate) const ABANDONED: Self = Self(0x80);
    pub(crate) const USER_APC: Self = Self(0xC0);
    pub(crate) const TIMEOUT: Self = Self(0x102);
    pub(crate) const PENDING: Self = Self(0x103);
    pub(crate) const ACCESS_VIOLATION: Self = Self(0xC000_0005);
    pub(crate) const INVALID_HANDLE: Self = Self(0xC000_0008);
    pub(crate) const INVALID_PARAMETER: Self = Self(0xC000_000D);
    pub(crate) const INVALID_DEVICE_REQUEST: Self = Self(0xC000_0010);
    pub(crate) const END_OF_FILE: Self = Self(0xC000_0011);
    pub(crate) const NO_MEMORY: Self = Self(0xC000_0017);
    pub(crate) const ACCESS_DENIED: Self = Self(0xC000_0022);
    pub(crate) const OBJECT_TYPE_MISMATCH: Self = Self(0xC000_0024);
    pub(crate) const INVALID_PARAMETER_MIX: Self = Self(0xC000_0030);
    pub(crate) const OBJECT_NAME_NOT_FOUND: Self = Self(0xC000_0034);
    pub(crate) const OBJECT_NAME_COLLISION: Self = Self(0xC000_0035);
    pub(crate) const MUTANT_NOT_OWNED: Self = Self(0xC000_0046);
    pub(crate) const SEMAPHORE_LIMIT_EXCEEDED: Self = Self(0xC000_0047);
    pub(crate) const SUSPEND_COUNT_EXCEEDED: Self = Self(0xC000_004A);
    pub(crate) const THREAD_IS_TERMINATING: Self = Self(0xC000_004B);
    pub(crate) const INSUFFICIENT_RESOURCES: Self = Self(0xC000_009A);
    pub(crate) const UNEXPECTED_IO_ERROR: Self = Self(0xC000_00E9);
    pub(crate) const INVALID_PARAMETER_1: Self = Self(0xC000_00EF);
    pub(crate) const INVALID_PARAMETER_3: Self = Self(0xC000_00F1);
    pub(crate) const MUTANT_LIMIT_EXCEEDED: Self = Self(0xC000_0191);

    /// Whether it says that a wait got what it waited for: by index, abandoned or not.
    pub(crate) fn is_satisfied(self) -> bool {
        self.0 < Self::USER_APC.0
    }
}

/// A guest's bad pointer is the guest's error, reported the way the kernel reports it.
impl From<MemoryFault> for Status {
    fn from(_: MemoryFault) -> Self {
        Self::ACCESS_VIOLATION
    }
}
