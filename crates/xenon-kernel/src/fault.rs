//! Faults by name: real gaps of high-level-emulated kernels, made on demand.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How the kernel can be made wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FaultKind {
    /// An export returns success and does nothing.
    Stub,
    /// I/O completes without setting its event.
    IoNoEvent,
    /// I/O completes before the call returns.
    IoEarly,
    /// A resume leaves the suspend count as it was.
    ResumeLost,
    /// A waiter that should be let go stays parked.
    WakeLost,
    /// A pulse is a set, a pause, a reset.
    PulseGap,
    /// An auto event stays set when a wait takes it.
    AutoAsManual,
    /// A manual event is cleared when a wait takes it.
    ManualAsAuto,
    /// A release over the limit returns success; the excess is lost.
    SemaphoreOverflow,
    /// A timer never fires.
    TimerNever,
    /// A periodic timer fires once.
    TimerOnce,
    /// An APC is queued and never delivered.
    ApcLost,
    /// A thread exits and its object is not signalled.
    ExitNoSignal,
    /// A released mutant wakes its first waiter, and belongs to the thread that released it.
    MutantWrongOwner,
    /// A closed handle is reissued while it is still in use.
    StaleHandle,
    /// A wait-all is satisfied by any of its members and takes those that are signalled.
    WaitAllPartial,
    /// Every n-th set, pulse, release or packet does nothing.
    DropSignal,
}

/// One line of `--list-faults`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultInfo {
    /// The kind.
    pub kind: FaultKind,
    /// Its name on the command line.
    pub name: &'static str,
    /// What may stand behind the name: `None` for nothing.
    pub what: Option<&'static str>,
    /// What it does.
    pub description: &'static str,
}

const fn info(
    kind: FaultKind,
    name: &'static str,
    what: Option<&'static str>,
    description: &'static str,
) -> FaultInfo {
    FaultInfo { kind, name, what, description }
}

const FAULTS: [FaultInfo; 17] = [
    info(FaultKind::Stub, "stub", Some("EXPORT"), "the export returns success and does nothing"),
    info(FaultKind::IoNoEvent, "io-no-event", None, "I/O completes without setting its event"),
    info(FaultKind::IoEarly, "io-early", None, "I/O completes before the call returns"),
    info(FaultKind::ResumeLost, "resume-lost", None, "a resume leaves the suspend count as it was"),
    info(FaultKind::WakeLost, "wake-lost", None, "a waiter that a signal should let go stays parked"),
    info(FaultKind::PulseGap, "pulse-gap", None, "a pulse is a set and, some time later, a reset"),
    info(FaultKind::AutoAsManual, "auto-as-manual", None, "an auto event stays set when a wait takes it"),
    info(FaultKind::ManualAsAuto, "manual-as-auto", None, "a manual event is cleared when a wait takes it"),
    info(
        FaultKind::SemaphoreOverflow,
        "semaphore-overflow",
        None,
        "a release over the limit returns success, and what exceeds it is lost",
    ),
    info(FaultKind::TimerNever, "timer-never", None, "a timer never fires"),
    info(FaultKind::TimerOnce, "timer-once", None, "a periodic timer fires once"),
    info(FaultKind::ApcLost, "apc-lost", None, "an APC is queued and never delivered"),
    info(FaultKind::ExitNoSignal, "exit-no-signal", None, "a thread exits and its object is not signalled"),
    info(
        FaultKind::MutantWrongOwner,
        "mutant-wrong-owner",
        None,
        "a mutant that is handed over still belongs to the thread that released it",
    ),
    info(
        FaultKind::StaleHandle,
        "stale-handle",
        None,
        "a closed handle is reissued while it is still in use",
    ),
    info(
        FaultKind::WaitAllPartial,
        "wait-all-partial",
        None,
        "a wait-all is satisfied by any of its members and takes only those that are signalled",
    ),
    info(
        FaultKind::DropSignal,
        "drop-signal",
        Some("N"),
        "every N-th set, pulse, release or packet does nothing (every 2nd if N is left out)",
    ),
];

/// Every fault there is.
pub fn faults() -> &'static [FaultInfo] {
    &FAULTS
}

impl FaultKind {
    /// Its line in [`faults`].
    pub fn info(self) -> &'static FaultInfo {
        &FAULTS[self as usize]
    }
}

/// A fault as it is asked for: `KIND[:WHAT][@N]`, where `@N` means from the N-th occasion on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultSpec {
    /// What goes wrong.
    pub kind: FaultKind,
    /// The export that `stub` is about.
    pub export: Option<String>,
    /// Of how many occasions one is hit; 1 for all but `drop-signal`.
    pub every: u64,
    /// The first occasion that can be hit, from 1.
    pub from: u64,
}

/// A fault that does not exist, or is asked for in the wrong way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFault {
    /// No such name.
    #[error("there is no fault `{name}`; there are {}", all_names())]
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// The part behind the colon is missing.
    #[error("the fault `{name}` needs `:{what}`, as in `{name}:NtSetEvent`")]
    Missing {
        /// The fault.
        name: &'static str,
        /// What is missing.
        what: &'static str,
    },
    /// There is a part behind the colon and there should be none.
    #[error("the fault `{name}` takes nothing after a colon; got `:{found}`")]
    Unexpected {
        /// The fault.
        name: &'static str,
        /// What was found.
        found: String,
    },
    /// A number that is none, or is zero.
    #[error("`{found}` in `{spec}` is not a number of occasions; expected 1 or more")]
    Number {
        /// The whole fault as given.
        spec: String,
        /// What should be a number.
        found: String,
    },
}

fn all_names() -> String {
    FAULTS.map(|fault| fault.name).join(", ")
}

impl FromStr for FaultSpec {
    type Err = BadFault;

    fn from_str(spec: &str) -> Result<Self, BadFault> {
        let number = |found: &str| match found.parse::<u64>() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(BadFault::Number { spec: spec.to_owned(), found: found.to_owned() }),
        };
        let (rest, from) = match spec.split_once('@') {
            Some((rest, from)) => (rest, number(from)?),
            None => (spec, 1),
        };
        let (name, what) = match rest.split_once(':') {
            Some((name, what)) => (name, Some(what)),
            None => (rest, None),
        };
        let fault = FAULTS
            .iter()
            .find(|fault| fault.name == name)
            .ok_or_else(|| BadFault::Unknown { name: name.to_owned() })?;
        let mut parsed = Self { kind: fault.kind, export: None, every: 1, from };
        match (fault.kind, what) {
            (FaultKind::Stub, Some(export)) if !export.is_empty() => parsed.export = Some(export.to_owned()),
            (FaultKind::Stub, _) => return Err(BadFault::Missing { name: fault.name, what: "EXPORT" }),
            (FaultKind::DropSignal, Some(every)) => parsed.every = number(every)?,
            (FaultKind::DropSignal, None) => parsed.every = 2,
            (_, Some(found)) => {
                return Err(BadFault::Unexpected { name: fault.name, found: found.to_owned() });
            }
            (_, None) => {}
        }
        Ok(parsed)
    }
}

impl fmt::Display for FaultSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.info().name)?;
        match (&self.export, self.kind) {
            (Some(export), _) => write!(f, ":{export}")?,
            (None, FaultKind::DropSignal) => write!(f, ":{}", self.every)?,
            (None, _) => {}
        }
        if self.from > 1 { write!(f, "@{}", self.from) } else { Ok(()) }
    }
}

/// The faults of one run, with their counts of occasions.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// One bit per kind, so that a healthy run asks a single word.
    kinds: u32,
    active: Vec<Active>,
}

#[derive(Debug)]
struct Active {
    spec: FaultSpec,
    occasions: AtomicU64,
}

impl Faults {
    pub(crate) fn new(specs: &[FaultSpec]) -> Self {
        let kinds = specs.iter().fold(0, |kinds, spec| kinds | 1 << spec.kind as u8);
        let active = |spec: &FaultSpec| Active { spec: spec.clone(), occasions: AtomicU64::new(0) };
        Self { kinds, active: specs.iter().map(active).collect() }
    }

    /// An occasion for `kind`: whether it goes wrong this time.
    #[inline]
    pub(crate) fn strikes(&self, kind: FaultKind) -> bool {
        self.kinds & 1 << kind as u8 != 0 && self.count(|spec| spec.kind == kind)
    }

    /// An occasion for the stubbing of `export`.
    #[inline]
    pub(crate) fn stubs(&self, export: &str) -> bool {
        self.kinds & 1 << FaultKind::Stub as u8 != 0
            && self.count(|spec| spec.export.as_deref() == Some(export))
    }

    #[cold]
    fn count(&self, concerns: impl Fn(&FaultSpec) -> bool) -> bool {
        let mut strikes = false;
        for Active { spec, occasions } in self.active.iter().filter(|active| concerns(&active.spec)) {
            let occasion = occasions.fetch_add(1, Relaxed) + 1;
            strikes |= occasion >= spec.from && (occasion - spec.from + 1).is_multiple_of(spec.every);
        }
        strikes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(spec: &str) -> Result<FaultSpec, String> {
        spec.parse().map_err(|error: BadFault| error.to_string())
    }

    #[test]
    fn the_table_is_in_the_order_of_the_kinds() {
        for (index, fault) in FAULTS.iter().enumerate() {
            assert_eq!(fault.kind as usize, index, "{}", fault.name);
        }
    }

    #[test]
    fn every_fault_can_be_asked_for_by_name() {
        for fault in faults() {
            let what = if fault.kind == FaultKind::Stub { ":NtSetEvent" } else { "" };
            for occasion in ["", "@3"] {
                let spec = parse(&format!("{}{what}{occasion}", fault.name)).expect(fault.name);
                assert_eq!(spec.kind, fault.kind);
                assert_eq!(parse(&spec.to_string()), Ok(spec), "it reads back");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(
            parse("wakelost").is_err_and(|e| e.contains("no fault `wakelost`") && e.contains("wake-lost"))
        );
        assert!(parse("stub").is_err_and(|e| e.contains("needs `:EXPORT`")));
        assert!(parse("wake-lost:3").is_err_and(|e| e.contains("takes nothing")));
        assert!(parse("wake-lost@0").is_err_and(|e| e.contains("`0`")));
        assert!(parse("drop-signal:x").is_err_and(|e| e.contains("`x`")));
    }

    #[test]
    fn occasions_are_counted() {
        let strikes = |spec: &str, kind| {
            let faults = Faults::new(&[parse(spec).expect("it is right")]);
            (1..=6).filter(|_| faults.strikes(kind)).count()
        };
        assert_eq!(strikes("wake-lost", FaultKind::WakeLost), 6);
        assert_eq!(strikes("wake-lost@4", FaultKind::WakeLost), 3);
        assert_eq!(strikes("drop-signal:3", FaultKind::DropSignal), 2);
        assert_eq!(strikes("wake-lost", FaultKind::ApcLost), 0);
    }

    #[test]
    fn a_stub_concerns_its_export_only() {
        let faults = Faults::new(&[parse("stub:NtSetEvent@2").expect("it is right")]);
        assert!(!faults.stubs("NtSetEvent"));
        assert!(!faults.stubs("NtClearEvent"));
        assert!(faults.stubs("NtSetEvent"));
    }
}
