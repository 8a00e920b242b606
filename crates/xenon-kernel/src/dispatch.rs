//! The signal state of each type of object: when a wait may take it, and what taking it does. No locks, no records.

use std::collections::VecDeque;

use handle_audit::{HandleKind, aux, label};
use ppc::Memory;

use crate::fault::{FaultKind, Faults};
use crate::timeline::Key;

/// Types in a dispatcher header.
pub(crate) mod header_type {
    pub(crate) const MANUAL_EVENT: u8 = 0;
    pub(crate) const AUTO_EVENT: u8 = 1;
    pub(crate) const MUTANT: u8 = 2;
    pub(crate) const SEMAPHORE: u8 = 5;
    pub(crate) const THREAD: u8 = 6;
    pub(crate) const MANUAL_TIMER: u8 = 8;
    pub(crate) const AUTO_TIMER: u8 = 9;
}

/// Offset of a semaphore's limit, behind its header.
const LIMIT: u32 = 0x10;

/// Acquisitions of a mutant that its signal state can show.
const MAX_DEPTH: u32 = i32::MAX as u32;

/// A message in a completion port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) key: u32,
    pub(crate) context: u32,
    pub(crate) status: u32,
    pub(crate) bytes: u32,
}

/// A timer that is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Armed {
    pub(crate) key: Key,
    /// Cycles between two firings.
    pub(crate) period: Option<u64>,
    /// What to call, and on which thread.
    pub(crate) apc: Option<TimerApc>,
}

/// The routine that a timer queues when it fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerApc {
    pub(crate) tid: u32,
    pub(crate) routine: u32,
    pub(crate) context: u32,
    pub(crate) kernel: bool,
}

/// What is particular to a type of object.
#[derive(Debug)]
pub(crate) enum Dispatch {
    Event {
        manual: bool,
        set: bool,
    },
    Semaphore {
        count: i32,
        limit: i32,
    },
    /// `owner` is a tid, 0 if it is free; `depth` counts the owner's acquisitions.
    Mutant {
        owner: u32,
        depth: u32,
        abandoned: bool,
    },
    Timer {
        manual: bool,
        set: bool,
        armed: Option<Armed>,
    },
    Thread {
        exited: bool,
    },
    /// Set when a request without an event of its own has been served.
    File {
        set: bool,
    },
    Port {
        packets: VecDeque<Packet>,
    },
    /// The event in a critical section: set when it is handed over to a thread that has not parked yet.
    Section {
        set: bool,
    },
    /// The process: never signalled while the guest runs.
    Process,
}

impl Dispatch {
    pub(crate) fn event(manual: bool, set: bool) -> Self {
        Self::Event { manual, set }
    }

    /// What a header of `header_type` stands for, as the guest wrote it by hand.
    pub(crate) fn from_header(memory: &Memory, header: u32) -> Option<(Self, HandleKind)> {
        let signal_state = memory.read_u32(header.wrapping_add(4)).ok()? as i32;
        let set = signal_state > 0;
        Some(match memory.read_u8(header).ok()? {
            header_type::MANUAL_EVENT => (Self::event(true, set), HandleKind::EVENT_MANUAL),
            header_type::AUTO_EVENT => (Self::event(false, set), HandleKind::EVENT_AUTO),
            header_type::MUTANT => {
                (Self::Mutant { owner: 0, depth: 0, abandoned: false }, HandleKind::MUTANT)
            }
            header_type::SEMAPHORE => {
                let limit = memory.read_u32(header.wrapping_add(LIMIT)).ok()? as i32;
                (Self::Semaphore { count: signal_state, limit }, HandleKind::SEMAPHORE)
            }
            header_type::MANUAL_TIMER => {
                (Self::Timer { manual: true, set, armed: None }, HandleKind::TIMER_MANUAL)
            }
            header_type::AUTO_TIMER => {
                (Self::Timer { manual: false, set, armed: None }, HandleKind::TIMER_AUTO)
            }
            _ => return None,
        })
    }

    /// Writes a whole header, its list of waiters empty.
    pub(crate) fn write_header(&self, memory: &Memory, header: u32) {
        let list = header.wrapping_add(8);
        let size = if matches!(self, Self::Semaphore { .. }) { 5 } else { 4 };
        let first = u32::from(self.header_type().unwrap_or(0)) << 24 | size << 8;
        let words = [first, self.signal_state() as u32, list, list];
        // Whoever calls has checked that the header is mapped.
        for (word, address) in words.into_iter().zip((header..).step_by(4)) {
            let _ = memory.write_u32(address, word);
        }
        if let Self::Semaphore { limit, .. } = self {
            let _ = memory.write_u32(header.wrapping_add(LIMIT), *limit as u32);
        }
    }

    /// The type that its header shows; none for what has no header.
    pub(crate) fn header_type(&self) -> Option<u8> {
        Some(match self {
            Self::Event { manual: true, .. } => header_type::MANUAL_EVENT,
            Self::Event { manual: false, .. } | Self::Section { .. } => header_type::AUTO_EVENT,
            Self::Mutant { .. } => header_type::MUTANT,
            Self::Semaphore { .. } => header_type::SEMAPHORE,
            Self::Thread { .. } => header_type::THREAD,
            Self::Timer { manual: true, .. } => header_type::MANUAL_TIMER,
            Self::Timer { manual: false, .. } => header_type::AUTO_TIMER,
            Self::File { .. } | Self::Port { .. } | Self::Process => return None,
        })
    }

    /// The signal state as the header shows it: above 0 when a wait may take it.
    pub(crate) fn signal_state(&self) -> i32 {
        match self {
            Self::Event { set, .. }
            | Self::Timer { set, .. }
            | Self::File { set }
            | Self::Section { set } => i32::from(*set),
            Self::Semaphore { count, .. } => *count,
            Self::Mutant { depth, .. } => 1 - *depth as i32,
            Self::Thread { exited } => i32::from(*exited),
            Self::Port { packets } => packets.len() as i32,
            Self::Process => 0,
        }
    }

    /// The `aux` of a create of it; a thread's is its tid, which is not known here.
    pub(crate) fn create_aux(&self) -> Option<u64> {
        match self {
            Self::Semaphore { count, limit } => Some(aux::semaphore(*count as u32, *limit as u32)),
            Self::Mutant { owner, .. } => Some(u64::from(*owner)),
            Self::Thread { .. } => None,
            other => Some(u64::from(other.signal_state() > 0)),
        }
    }

    /// Follows a guest that wrote the signal state itself, as far as the type allows it.
    pub(crate) fn adopt_signal_state(&mut self, found: i32) {
        match self {
            Self::Event { set, .. } | Self::Timer { set, .. } => *set = found > 0,
            Self::Semaphore { count, .. } => *count = found,
            _ => {}
        }
    }

    pub(crate) fn is_set_manual_event(&self) -> bool {
        matches!(self, Self::Event { manual: true, set: true })
    }

    /// Whether a wait of thread `tid` may take it now.
    pub(crate) fn is_ready_for(&self, tid: u32) -> bool {
        match self {
            Self::Mutant { owner, .. } => *owner == 0 || *owner == tid,
            _ => self.signal_state() > 0,
        }
    }

    /// A wait of thread `tid` takes it. Says whether it was abandoned by a dead owner.
    pub(crate) fn take(&mut self, tid: u32, faults: &Faults) -> bool {
        match self {
            Self::Event { manual: false, set } => *set = faults.strikes(FaultKind::AutoAsManual),
            Self::Event { manual: true, set } => *set = !faults.strikes(FaultKind::ManualAsAuto),
            Self::Timer { manual: false, set, .. } | Self::Section { set } => *set = false,
            Self::Semaphore { count, .. } => *count -= 1,
            Self::Mutant { owner, depth, abandoned } => {
                *owner = tid;
                *depth += 1;
                return std::mem::take(abandoned);
            }
            // A port gives its packets to those who remove them, and a plain wait only looks.
            Self::Timer { manual: true, .. } | Self::Thread { .. } | Self::File { .. } => {}
            Self::Port { .. } | Self::Process => {}
        }
        false
    }

    /// Whether it is a mutant that thread `tid` has acquired as often as can be counted.
    pub(crate) fn is_exhausted_for(&self, tid: u32) -> bool {
        matches!(self, Self::Mutant { owner, depth, .. } if *owner == tid && *depth >= MAX_DEPTH)
    }

    /// Whether thread `tid` owns it, a mutant.
    pub(crate) fn is_owned_by(&self, tid: u32) -> bool {
        matches!(self, Self::Mutant { owner, .. } if *owner == tid)
    }

    /// Whether it is of a type that has a flag, and that is set.
    pub(crate) fn is_set(&self) -> bool {
        match self {
            Self::Event { set, .. }
            | Self::Timer { set, .. }
            | Self::File { set }
            | Self::Section { set } => *set,
            _ => false,
        }
    }

    /// The flag of the types that have one.
    pub(crate) fn flag(&mut self) -> Option<&mut bool> {
        match self {
            Self::Event { set, .. }
            | Self::Timer { set, .. }
            | Self::File { set }
            | Self::Section { set } => Some(set),
            _ => None,
        }
    }
}

/// Kinds of objects that only this host has names for.
pub(crate) mod kind {
    use super::{HandleKind, label};

    pub(crate) fn file() -> HandleKind {
        HandleKind::host(label!("File"))
    }

    pub(crate) fn port() -> HandleKind {
        HandleKind::host(label!("IoCompletion"))
    }

    pub(crate) fn section() -> HandleKind {
        HandleKind::host(label!("CriticalSection"))
    }

    pub(crate) fn process() -> HandleKind {
        HandleKind::host(label!("Process"))
    }
}

/// The kind of an event.
pub(crate) fn event_kind(manual: bool) -> HandleKind {
    if manual { HandleKind::EVENT_MANUAL } else { HandleKind::EVENT_AUTO }
}

/// The kind of a timer.
pub(crate) fn timer_kind(manual: bool) -> HandleKind {
    if manual { HandleKind::TIMER_MANUAL } else { HandleKind::TIMER_AUTO }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(dispatch: &mut Dispatch, tid: u32) -> bool {
        dispatch.take(tid, &Faults::default())
    }

    #[test]
    fn an_auto_event_is_consumed_and_a_manual_one_is_not() {
        for manual in [false, true] {
            let mut event = Dispatch::event(manual, true);
            assert!(event.is_ready_for(1));
            take(&mut event, 1);
            assert_eq!(event.is_ready_for(1), manual);
        }
    }

    #[test]
    fn a_mutant_is_ready_for_its_owner_only() {
        let mut mutant = Dispatch::Mutant { owner: 0, depth: 0, abandoned: true };
        assert!(take(&mut mutant, 1), "abandoned, once");
        assert!(mutant.is_ready_for(1) && !mutant.is_ready_for(2));
        assert!(!take(&mut mutant, 1));
        assert_eq!(mutant.signal_state(), -1);
    }

    #[test]
    fn a_mutant_that_is_acquired_too_often_is_exhausted_for_its_owner() {
        let mut mutant = Dispatch::Mutant { owner: 1, depth: MAX_DEPTH - 1, abandoned: false };
        assert!(!mutant.is_exhausted_for(1));
        take(&mut mutant, 1);
        assert!(mutant.is_exhausted_for(1) && !mutant.is_exhausted_for(2));
        assert_eq!(mutant.signal_state(), i32::MIN + 2);
    }

    #[test]
    fn a_header_written_by_hand_is_read_back() {
        let memory = Memory::new();
        memory.map(0x1_0000, 0x100).expect("there is room");
        let made = [
            Dispatch::event(true, true),
            Dispatch::event(false, false),
            Dispatch::Semaphore { count: 2, limit: 5 },
            Dispatch::Timer { manual: true, set: false, armed: None },
        ];
        for dispatch in made {
            dispatch.write_header(&memory, 0x1_0010);
            let (read, _) = Dispatch::from_header(&memory, 0x1_0010).expect("a known type");
            assert_eq!(format!("{read:?}"), format!("{dispatch:?}"));
            assert_eq!(read.header_type(), dispatch.header_type());
        }
        memory.write_u8(0x1_0010, 77).expect("it is mapped");
        assert!(Dispatch::from_header(&memory, 0x1_0010).is_none());
        assert!(Dispatch::from_header(&memory, 0).is_none(), "nothing is mapped there");
    }
}
