//! What the host supplies beside the snapshot: how the run ended, where its threads stand, what addresses are called.

use handle_audit::{Frame, Snapshot};

/// How a run came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    /// The entry function returned.
    #[default]
    Finished,
    /// No thread can ever run again.
    Deadlock,
    /// No progress was made for as long as the watchdog allows.
    Watchdog,
    /// The person at the keyboard, or a signal, stopped it.
    Interrupted,
    /// A guest thread did what no program may.
    Fault,
    /// It used up its instructions.
    Limit,
}

impl Ended {
    /// The name used in reports and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Deadlock => "deadlock",
            Self::Watchdog => "watchdog",
            Self::Interrupted => "interrupted",
            Self::Fault => "fault",
            Self::Limit => "limit",
        }
    }

    /// The end with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Finished, Self::Deadlock, Self::Watchdog, Self::Interrupted, Self::Fault, Self::Limit]
            .into_iter()
            .find(|ended| ended.name() == name)
    }

    /// Whether the end itself says that the guest hangs. Then an absence has had all the time it needs.
    #[must_use]
    pub const fn is_hang(self) -> bool {
        matches!(self, Self::Deadlock | Self::Watchdog)
    }
}

/// The run in figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunSummary {
    /// The guest's file name.
    pub guest: String,
    /// How it ended.
    pub ended: Ended,
    /// Guest instructions retired, all threads together.
    pub instructions: u64,
    /// Guest timebase at the end, in cycles of 50 MHz; 0 if unknown.
    pub cycles: u64,
    /// Times that a hardware thread took up another guest thread.
    pub context_switches: u64,
    /// Times that a guest thread came to another hardware thread.
    pub migrations: u64,
    /// Records folded.
    pub events: u64,
    /// Host seconds.
    pub seconds: f64,
    /// What the entry function returned, if it did.
    pub exit_value: Option<u32>,
    /// The seed of the scheduler, if it had one.
    pub seed: Option<u64>,
    /// What went wrong, for [`Ended::Fault`]: one or more lines.
    pub fault: Option<String>,
    /// State changes that the host made and did not record, as its own self-check found them: one line each.
    pub unrecorded: Vec<String>,
}

/// What a guest thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadState {
    /// It could run and waits for a hardware thread.
    Ready,
    /// It runs.
    Running,
    /// It is parked in a wait or a delay.
    Waiting,
    /// It is suspended, perhaps also parked.
    Suspended,
    /// It has ended.
    Exited,
}

impl ThreadState {
    /// The name used in reports and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Suspended => "suspended",
            Self::Exited => "exited",
        }
    }
}

/// One guest thread as the host's scheduler sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadInfo {
    /// Guest thread id; never 0.
    pub tid: u32,
    /// Whether it runs the entry function.
    pub main: bool,
    /// What it is doing.
    pub state: ThreadState,
    /// The handles that it is parked on; empty for a delay.
    pub on: Vec<u32>,
    /// It needs all of them.
    pub all: bool,
    /// The wait can be ended by an APC.
    pub alertable: bool,
    /// When the wait gives up, in cycles of the guest timebase; `None` never.
    pub deadline: Option<u64>,
    /// Next instruction.
    pub pc: u32,
    /// Link register.
    pub lr: u32,
    /// Its stack, the live frame first.
    pub stack: Vec<Frame>,
    /// How often it must be resumed before it runs.
    pub suspend_count: u32,
    /// Its thread object; 0 if unknown.
    pub handle: u32,
    /// Where it began; 0 if unknown.
    pub start: u32,
}

impl ThreadInfo {
    /// A thread about which only this much is known.
    #[must_use]
    pub fn new(tid: u32, state: ThreadState) -> Self {
        Self {
            tid,
            main: tid == MAIN_TID,
            state,
            on: Vec::new(),
            all: false,
            alertable: false,
            deadline: None,
            pc: 0,
            lr: 0,
            stack: Vec::new(),
            suspend_count: 0,
            handle: 0,
            start: 0,
        }
    }

    /// Where in the guest it is: what called the wait that it is parked in, or else its next instruction, which in a
    /// wait would be that of the import. `None` if unknown.
    #[must_use]
    pub fn place(&self) -> Option<u32> {
        let parked =
            self.state == ThreadState::Waiting || self.state == ThreadState::Suspended && !self.on.is_empty();
        let place = if parked && self.lr != 0 { self.lr } else { self.pc };
        (place != 0 && self.state != ThreadState::Exited).then_some(place)
    }
}

/// The thread that is taken for the main one where no list says which is.
pub const MAIN_TID: u32 = 1;

/// Names for guest addresses.
pub trait Symbolize {
    /// The function around an address, with the offset: `boot+0x3c`.
    fn at(&self, address: u32) -> Option<String>;

    /// The name that the guest gave to an object.
    fn object(&self, handle: u32) -> Option<String> {
        let _ = handle;
        None
    }
}

/// No names.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSymbols;

impl Symbolize for NoSymbols {
    fn at(&self, _: u32) -> Option<String> {
        None
    }
}

/// All that a diagnosis is made from.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The trails.
    pub snapshot: &'a Snapshot,
    /// The host's list of guest threads, if it has one.
    pub threads: Option<&'a [ThreadInfo]>,
    /// Names for addresses.
    pub symbols: &'a dyn Symbolize,
    /// How the run ended.
    pub run: &'a RunSummary,
}

impl std::fmt::Debug for Case<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case").field("threads", &self.threads).field("run", &self.run).finish_non_exhaustive()
    }
}

impl<'a> Case<'a> {
    /// A case without a thread list and without symbols.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, run: &'a RunSummary) -> Self {
        Self { snapshot, threads: None, symbols: &NoSymbols, run }
    }

    /// The same with the host's thread list.
    #[must_use]
    pub fn with_threads(self, threads: &'a [ThreadInfo]) -> Self {
        Self { threads: Some(threads), ..self }
    }

    /// The same with symbols.
    #[must_use]
    pub fn with_symbols(self, symbols: &'a dyn Symbolize) -> Self {
        Self { symbols, ..self }
    }

    /// The host's word on one thread.
    #[must_use]
    pub fn thread(&self, tid: u32) -> Option<&'a ThreadInfo> {
        self.threads?.iter().find(|thread| thread.tid == tid)
    }

    /// Whether a thread runs the entry function.
    #[must_use]
    pub fn is_main(&self, tid: u32) -> bool {
        match self.threads {
            Some(threads) if threads.iter().any(|thread| thread.main) => {
                threads.iter().any(|thread| thread.main && thread.tid == tid)
            }
            _ => tid == MAIN_TID,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_reads_back_by_its_name() {
        for name in ["finished", "deadlock", "watchdog", "interrupted", "fault", "limit"] {
            assert_eq!(Ended::from_name(name).map(Ended::name), Some(name));
        }
        assert_eq!(Ended::from_name("Finished"), None);
    }

    #[test]
    fn a_parked_thread_is_where_it_called_and_another_where_it_goes_on() {
        use ThreadState::*;
        let place = |state, on: &[u32], pc, lr| {
            ThreadInfo { on: on.to_vec(), pc, lr, ..ThreadInfo::new(2, state) }.place()
        };
        assert_eq!(place(Waiting, &[4], 8, 16), Some(16));
        assert_eq!(place(Waiting, &[], 8, 16), Some(16), "a delay");
        assert_eq!(place(Suspended, &[4], 8, 16), Some(16));
        assert_eq!(place(Suspended, &[], 8, 16), Some(8));
        assert_eq!(place(Running, &[], 8, 16), Some(8));
        assert_eq!(place(Ready, &[4], 8, 16), Some(8));
        assert_eq!(place(Waiting, &[4], 8, 0), Some(8), "where the caller is unknown");
        assert_eq!(place(Running, &[], 0, 16), None);
        assert_eq!(place(Exited, &[], 8, 16), None);
    }

    #[test]
    fn the_main_thread_is_the_one_that_the_list_says() {
        let (snapshot, run) = (Snapshot::default(), RunSummary::default());
        let case = Case::new(&snapshot, &run);
        assert_eq!([1, 2].map(|tid| case.is_main(tid)), [true, false]);
        let mut threads = [1, 2].map(|tid| ThreadInfo::new(tid, ThreadState::Ready));
        assert_eq!([1, 2].map(|tid| case.with_threads(&threads).is_main(tid)), [true, false]);
        threads[0].main = false;
        assert_eq!(
            [1, 2].map(|tid| case.with_threads(&threads).is_main(tid)),
            [true, false],
            "it says of none"
        );
        threads[1].main = true;
        assert_eq!([1, 2].map(|tid| case.with_threads(&threads).is_main(tid)), [false, true]);
    }

    #[test]
    fn without_symbols_nothing_has_a_name() {
        assert_eq!((NoSymbols.at(0x8200_0000), NoSymbols.object(4)), (None, None));
    }
}
