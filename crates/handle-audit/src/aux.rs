//! The layouts of an entry's `aux`, by operation.
//!
//! | operation | layout |
//! | --- | --- |
//! | create | initial state; semaphore: count, limit << 32; mutant: owner tid; thread: its tid |
//! | signal | previous state, amount << 32 |
//! | wait | [`WaitAux`] |
//! | wake, satisfied | the status returned in r3 |
//! | reset, pulse | previous state |
//! | close | waiters still parked |
//! | alias | the other name |
//! | promise | call id |
//! | stub | returned status |
//! | thread | [`ThreadAux`] |
//! | timer | [`TimerAux`] |
//! | apc | [`ApcAux`] |

/// `aux` of a signal: the previous state, and the amount released.
#[must_use]
pub const fn signal(previous: u32, amount: u32) -> u64 {
    previous as u64 | (amount as u64) << 32
}

/// The previous state in the `aux` of a signal.
#[must_use]
pub const fn signal_previous(aux: u64) -> u32 {
    aux as u32
}

/// The amount in the `aux` of a signal.
#[must_use]
pub const fn signal_amount(aux: u64) -> u32 {
    (aux >> 32) as u32
}

/// `aux` of the creation of a semaphore.
#[must_use]
pub const fn semaphore(count: u32, limit: u32) -> u64 {
    count as u64 | (limit as u64) << 32
}

/// `aux` of a wait: bit 63 alertable, 62 member of wait-all, 61 member of wait-any, bits 0 to 55 the timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitAux {
    /// The wait can be ended by an APC.
    pub alertable: bool,
    /// One member of a wait for all of several handles.
    pub all: bool,
    /// One member of a wait for any of several handles.
    pub any: bool,
    /// Units of 100 ns from the record on; `None` waits for ever.
    pub timeout: Option<u64>,
}

impl WaitAux {
    const FOR_EVER: u64 = (1 << 56) - 1;

    /// The bits.
    #[must_use]
    pub const fn encode(self) -> u64 {
        let timeout = match self.timeout {
            None => Self::FOR_EVER,
            Some(ticks) if ticks >= Self::FOR_EVER => Self::FOR_EVER - 1,
            Some(ticks) => ticks,
        };
        (self.alertable as u64) << 63 | (self.all as u64) << 62 | (self.any as u64) << 61 | timeout
    }

    /// Reads the bits.
    #[must_use]
    pub const fn decode(aux: u64) -> Self {
        let ticks = aux & Self::FOR_EVER;
        Self {
            alertable: aux >> 63 & 1 == 1,
            all: aux >> 62 & 1 == 1,
            any: aux >> 61 & 1 == 1,
            timeout: if ticks == Self::FOR_EVER { None } else { Some(ticks) },
        }
    }
}

/// What happened to a guest thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadEvent {
    /// It ran its first instruction.
    Started,
    /// It ended.
    Exited,
    /// Its suspend count rose.
    Suspended,
    /// Its suspend count fell, or was asked to.
    Resumed,
}

/// `aux` of a thread record: the event in bits 32 to 34, the suspend count after it (or the exit status) in bits
/// 0 to 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadAux {
    /// What happened.
    pub event: ThreadEvent,
    /// The suspend count after it; the exit status for an exit.
    pub count: u32,
}

impl ThreadAux {
    /// The bits.
    #[must_use]
    pub const fn encode(self) -> u64 {
        (self.event as u64) << 32 | self.count as u64
    }

    /// Reads the bits.
    #[must_use]
    pub const fn decode(aux: u64) -> Self {
        let event = match aux >> 32 & 3 {
            0 => ThreadEvent::Started,
            1 => ThreadEvent::Exited,
            2 => ThreadEvent::Suspended,
            _ => ThreadEvent::Resumed,
        };
        Self { event, count: aux as u32 }
    }
}

/// What happened to a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerEvent {
    /// It was armed.
    Armed,
    /// Its due time came.
    Fired,
    /// It was disarmed.
    Cancelled,
}

/// `aux` of a timer record: the event in bits 62 and 63, bit 61 set if periodic, the due time in cycles of the
/// guest timebase below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerAux {
    /// What happened.
    pub event: TimerEvent,
    /// It re-arms itself.
    pub periodic: bool,
    /// Due time, in cycles of the guest timebase.
    pub due: u64,
}

impl TimerAux {
    const DUE: u64 = (1 << 61) - 1;

    /// The bits.
    #[must_use]
    pub const fn encode(self) -> u64 {
        (self.event as u64) << 62 | (self.periodic as u64) << 61 | self.due & Self::DUE
    }

    /// Reads the bits.
    #[must_use]
    pub const fn decode(aux: u64) -> Self {
        let event = match aux >> 62 {
            0 => TimerEvent::Armed,
            1 => TimerEvent::Fired,
            _ => TimerEvent::Cancelled,
        };
        Self { event, periodic: aux >> 61 & 1 == 1, due: aux & Self::DUE }
    }
}

/// `aux` of an APC record: bit 32 set when it was delivered (clear when it was queued), bit 33 set for a kernel
/// APC, the target's tid in bits 0 to 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApcAux {
    /// Delivered rather than queued.
    pub delivered: bool,
    /// A kernel APC, which needs no alertable wait.
    pub kernel: bool,
    /// The thread it is meant for.
    pub target: u32,
}

impl ApcAux {
    /// The bits.
    #[must_use]
    pub const fn encode(self) -> u64 {
        (self.kernel as u64) << 33 | (self.delivered as u64) << 32 | self.target as u64
    }

    /// Reads the bits.
    #[must_use]
    pub const fn decode(aux: u64) -> Self {
        Self { delivered: aux >> 32 & 1 == 1, kernel: aux >> 33 & 1 == 1, target: aux as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_and_a_semaphore_have_two_halves() {
        for (low, high) in [(0, 0), (1, 0), (0, 1), (7, 0xDEAD_BEEF), (u32::MAX, u32::MAX)] {
            let bits = u64::from(high) * 0x1_0000_0000 + u64::from(low);
            assert_eq!([signal(low, high), semaphore(low, high)], [bits; 2]);
            assert_eq!((signal_previous(bits), signal_amount(bits)), (low, high));
        }
    }

    #[test]
    fn a_wait_reads_back() {
        for timeout in [None, Some(0), Some(1), Some((1 << 56) - 2)] {
            for bits in 0..8 {
                let wait = WaitAux { alertable: bits & 1 > 0, all: bits & 2 > 0, any: bits & 4 > 0, timeout };
                assert_eq!(WaitAux::decode(wait.encode()), wait);
            }
        }
        let long = WaitAux { alertable: false, all: false, any: false, timeout: Some(u64::MAX) };
        assert_eq!(
            WaitAux::decode(long.encode()).timeout,
            Some((1 << 56) - 2),
            "a long timeout is not for ever"
        );
    }

    #[test]
    fn thread_timer_and_apc_read_back() {
        use {ThreadEvent::*, TimerEvent::*};
        for event in [Started, Exited, Suspended, Resumed] {
            let thread = ThreadAux { event, count: 0xDEAD_BEEF };
            assert_eq!(ThreadAux::decode(thread.encode()), thread);
        }
        for (event, periodic) in [(Armed, false), (Fired, true), (Cancelled, false)] {
            for due in [0, 1 << 60, TimerAux::DUE] {
                let timer = TimerAux { event, periodic, due };
                assert_eq!(TimerAux::decode(timer.encode()), timer);
            }
        }
        for (delivered, kernel, bits) in
            [(false, false, 0), (true, false, 1 << 32), (false, true, 1 << 33), (true, true, 3 << 32)]
        {
            for target in [0, 7, u32::MAX] {
                let apc = ApcAux { delivered, kernel, target };
                assert_eq!(apc.encode(), bits + u64::from(target));
                assert_eq!(ApcAux::decode(apc.encode()), apc);
            }
        }
    }
}
