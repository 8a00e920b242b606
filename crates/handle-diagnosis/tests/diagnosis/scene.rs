//! A small theatre: threads that make calls one after another, recorded by a real audit.

use handle_audit::aux::{self, ThreadAux, ThreadEvent, TimerAux, TimerEvent, WaitAux};
use handle_audit::{
    AuditConfig, Focus, Frame, HandleAudit, HandleAuditEntry, HandleKind, Label, Operation, Recorder,
    Snapshot,
};
use handle_diagnosis::{
    Case, Diagnosis, Ended, Layout, RunSummary, Symbolize, ThreadInfo, ThreadState, diagnose, report,
};

pub(crate) const PENDING: u64 = 0x103;
pub(crate) const TIMEOUT: u64 = 0x102;
pub(crate) const MS: u64 = 50_000;

const FIRST_ADDRESS: u32 = 0x8200_0040;

/// Places of the guest, each with an address of its own.
#[derive(Debug, Default)]
pub(crate) struct Names(Vec<String>);

impl Names {
    fn address(&mut self, name: &str) -> u32 {
        let known = self.0.iter().position(|other| other == name);
        let index = known.unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        });
        FIRST_ADDRESS + 0x100 * index as u32
    }
}

impl Symbolize for Names {
    fn at(&self, address: u32) -> Option<String> {
        let index = address.checked_sub(FIRST_ADDRESS)? / 0x100;
        self.0.get(index as usize).map(|name| format!("{name}+0x{:x}", 0x1c + 4 * index))
    }
}

/// A run, told call by call.
#[derive(Debug)]
pub(crate) struct Scene {
    audit: HandleAudit,
    recorder: Recorder,
    names: Names,
    pub(crate) clock: u64,
    pub(crate) run: RunSummary,
    pub(crate) threads: Option<Vec<ThreadInfo>>,
    basic: bool,
    /// Changes the snapshot after it is made: losses cannot be staged otherwise.
    pub(crate) tamper: fn(&mut Snapshot),
}

impl Scene {
    pub(crate) fn new(guest: &str) -> Self {
        Self::staged(guest, &[], false)
    }

    pub(crate) fn in_focus(guest: &str, focus: &[u32]) -> Self {
        Self::staged(guest, focus, false)
    }

    /// Only create, signal, wait and wake are recorded.
    pub(crate) fn basic(guest: &str) -> Self {
        Self::staged(guest, &[], true)
    }

    fn staged(guest: &str, focus: &[u32], basic: bool) -> Self {
        let focus: Focus = focus.iter().copied().collect();
        let config = AuditConfig::default().rings(1).manual().enabled(true).focus(focus);
        let audit = HandleAudit::new(config).expect("the configuration is good");
        let recorder = audit.claim(0).expect("nobody else has it");
        let run = RunSummary {
            guest: guest.to_owned(),
            ended: Ended::Deadlock,
            instructions: 12_345_678,
            context_switches: 40,
            migrations: 12,
            seconds: 0.4,
            seed: Some(7),
            ..RunSummary::default()
        };
        let mut scene = Self {
            audit,
            recorder,
            names: Names::default(),
            clock: 10 * MS,
            run,
            threads: Some(Vec::new()),
            basic,
            tamper: |_| {},
        };
        scene.thread_made(0, 1, 0x1000);
        scene.started(1, 0x1000);
        scene
    }

    fn entry(&mut self, tid: u32, place: &str, source: &str, aux: u64) -> HandleAuditEntry {
        self.clock += 500;
        let lr = self.names.address(place);
        HandleAuditEntry::new(self.clock, tid, lr, Label::from_data(source), aux)
    }

    /// Any record.
    pub(crate) fn record(
        &mut self,
        operation: Operation,
        handle: u32,
        tid: u32,
        place: &str,
        source: &str,
        aux: u64,
    ) -> &mut Self {
        let entry = self.entry(tid, place, source, aux);
        if self.basic && operation > Operation::Wake {
            return self;
        }
        self.recorder.record_any(operation, handle, HandleKind::EVENT_AUTO, entry);
        self.audit.pump().expect("the drain lives");
        self
    }

    pub(crate) fn create(
        &mut self,
        tid: u32,
        handle: u32,
        kind: HandleKind,
        aux: u64,
        place: &str,
        source: &str,
    ) -> &mut Self {
        let entry = self.entry(tid, place, source, aux);
        self.recorder.record_create(handle, kind, entry);
        self.audit.pump().expect("the drain lives");
        self
    }

    pub(crate) fn create_with_stack(
        &mut self,
        tid: u32,
        handle: u32,
        kind: HandleKind,
        places: &[&str],
    ) -> &mut Self {
        let entry = self.entry(tid, places[0], "NtCreateEvent", 0);
        let frame = |(index, place): (usize, &&str)| Frame {
            frame: 0x700f_ff00 + 0x40 * index as u32,
            lr: self.names.address(place),
        };
        let frames: Vec<Frame> = places.iter().enumerate().map(frame).collect();
        self.recorder.record_create_with_stack(handle, kind, entry, &frames);
        self.audit.pump().expect("the drain lives");
        self
    }

    pub(crate) fn event(&mut self, tid: u32, handle: u32, place: &str) -> &mut Self {
        self.create(tid, handle, HandleKind::EVENT_AUTO, 0, place, "NtCreateEvent")
    }

    pub(crate) fn manual_event(&mut self, tid: u32, handle: u32, place: &str) -> &mut Self {
        self.create(tid, handle, HandleKind::EVENT_MANUAL, 0, place, "NtCreateEvent")
    }

    pub(crate) fn semaphore(
        &mut self,
        tid: u32,
        handle: u32,
        count: u32,
        limit: u32,
        place: &str,
    ) -> &mut Self {
        self.create(
            tid,
            handle,
            HandleKind::SEMAPHORE,
            aux::semaphore(count, limit),
            place,
            "NtCreateSemaphore",
        )
    }

    pub(crate) fn mutant(&mut self, tid: u32, handle: u32, place: &str) -> &mut Self {
        self.create(tid, handle, HandleKind::MUTANT, 0, place, "NtCreateMutant")
    }

    /// `by` makes thread `tid`.
    pub(crate) fn thread_made(&mut self, by: u32, tid: u32, handle: u32) -> &mut Self {
        let (place, source) = if by == 0 { ("start", "host") } else { ("spawn", "ExCreateThread") };
        self.create(by, handle, HandleKind::THREAD, u64::from(tid), place, source)
    }

    pub(crate) fn life(
        &mut self,
        event: ThreadEvent,
        handle: u32,
        tid: u32,
        place: &str,
        source: &str,
        count: u32,
    ) -> &mut Self {
        self.record(Operation::Thread, handle, tid, place, source, ThreadAux { event, count }.encode())
    }

    pub(crate) fn started(&mut self, tid: u32, handle: u32) -> &mut Self {
        self.life(ThreadEvent::Started, handle, tid, "thread_start", "ExCreateThread", 0)
    }

    pub(crate) fn spawn(&mut self, by: u32, tid: u32, handle: u32) -> &mut Self {
        self.thread_made(by, tid, handle).started(tid, handle)
    }

    pub(crate) fn exit(&mut self, tid: u32, handle: u32) -> &mut Self {
        self.life(ThreadEvent::Exited, handle, tid, "thread_start", "ExTerminateThread", 0);
        self.state(tid, ThreadState::Exited);
        self
    }

    pub(crate) fn signal(&mut self, tid: u32, handle: u32, previous: u32, place: &str) -> &mut Self {
        self.record(Operation::Signal, handle, tid, place, "NtSetEvent", aux::signal(previous, 1))
    }

    pub(crate) fn release(
        &mut self,
        tid: u32,
        handle: u32,
        previous: u32,
        amount: u32,
        place: &str,
    ) -> &mut Self {
        self.record(
            Operation::Signal,
            handle,
            tid,
            place,
            "NtReleaseSemaphore",
            aux::signal(previous, amount),
        )
    }

    pub(crate) fn unlock(&mut self, tid: u32, handle: u32, place: &str) -> &mut Self {
        self.record(Operation::Signal, handle, tid, place, "NtReleaseMutant", 0)
    }

    pub(crate) fn wait_as(&mut self, tid: u32, handle: u32, place: &str, wait: WaitAux) -> &mut Self {
        self.record(Operation::Wait, handle, tid, place, "NtWaitForSingleObjectEx", wait.encode())
    }

    pub(crate) fn wait(&mut self, tid: u32, handle: u32, place: &str) -> &mut Self {
        self.wait_as(tid, handle, place, FOR_EVER)
    }

    /// A wait on several, and the host's word that the thread is parked there.
    pub(crate) fn park_on_several(&mut self, tid: u32, handles: &[u32], place: &str, all: bool) -> &mut Self {
        for handle in handles {
            let wait = WaitAux { all, any: !all, ..FOR_EVER };
            self.record(Operation::Wait, *handle, tid, place, "NtWaitForMultipleObjectsEx", wait.encode());
        }
        self.parked(tid, handles);
        self.on(tid).all = all;
        self
    }

    pub(crate) fn wake(&mut self, tid: u32, handle: u32, place: &str, by: &str, status: u64) -> &mut Self {
        self.record(Operation::Wake, handle, tid, place, by, status)
    }

    pub(crate) fn satisfied(&mut self, tid: u32, handle: u32, place: &str, status: u64) -> &mut Self {
        self.record(Operation::Satisfied, handle, tid, place, "NtWaitForSingleObjectEx", status)
    }

    /// A wait that returns at once.
    pub(crate) fn take(&mut self, tid: u32, handle: u32, place: &str) -> &mut Self {
        self.wait(tid, handle, place).satisfied(tid, handle, place, 0)
    }

    /// A wait that parks, and the host's word for it.
    pub(crate) fn park(&mut self, tid: u32, handle: u32, place: &str) -> &mut Self {
        self.wait(tid, handle, place).parked(tid, &[handle])
    }

    pub(crate) fn timer(
        &mut self,
        tid: u32,
        handle: u32,
        place: &str,
        source: &str,
        timer: TimerAux,
    ) -> &mut Self {
        self.record(Operation::Timer, handle, tid, place, source, timer.encode())
    }

    pub(crate) fn armed(&mut self, tid: u32, handle: u32, place: &str, due: u64) -> &mut Self {
        self.timer(
            tid,
            handle,
            place,
            "NtSetTimerEx",
            TimerAux { event: TimerEvent::Armed, periodic: false, due },
        )
    }

    /// A thread that works off a queue: `rounds` times it is woken and answers.
    pub(crate) fn worked(&mut self, tid: u32, queue: u32, by: u32, rounds: u32) -> &mut Self {
        for _ in 0..rounds {
            self.wait(tid, queue, "worker");
            self.release(by, queue, 0, 1, "dispatch");
            self.wake(tid, queue, "worker", "NtReleaseSemaphore", 0);
        }
        self
    }

    /// So many polls of one handle in vain, with a time between them.
    pub(crate) fn polled(
        &mut self,
        tid: u32,
        handle: u32,
        place: &str,
        polls: u32,
        cycles: u64,
    ) -> &mut Self {
        for _ in 0..polls {
            self.wait_as(tid, handle, place, POLL).pass(cycles);
            self.wake(tid, handle, place, "timeout", TIMEOUT);
        }
        self
    }

    pub(crate) fn pass(&mut self, cycles: u64) -> &mut Self {
        self.clock += cycles;
        self
    }

    fn on(&mut self, tid: u32) -> &mut ThreadInfo {
        let threads = self.threads.get_or_insert_default();
        let index = threads.iter().position(|thread| thread.tid == tid).unwrap_or_else(|| {
            threads.push(ThreadInfo::new(tid, ThreadState::Running));
            threads.len() - 1
        });
        &mut threads[index]
    }

    pub(crate) fn state(&mut self, tid: u32, state: ThreadState) -> &mut Self {
        let thread = self.on(tid);
        thread.state = state;
        thread.on.clear();
        self
    }

    /// The host says that the thread is parked there.
    pub(crate) fn parked(&mut self, tid: u32, handles: &[u32]) -> &mut Self {
        self.state(tid, ThreadState::Waiting);
        self.on(tid).on = handles.to_vec();
        self
    }

    pub(crate) fn alertable(&mut self, tid: u32) -> &mut Self {
        self.on(tid).alertable = true;
        self
    }

    /// The wait in which the thread is parked ends some day by itself.
    pub(crate) fn gives_up(&mut self, tid: u32) -> &mut Self {
        self.on(tid).deadline = Some(u64::MAX);
        self
    }

    pub(crate) fn suspended(&mut self, tid: u32) -> &mut Self {
        self.state(tid, ThreadState::Suspended);
        self.on(tid).suspend_count = 1;
        self
    }

    pub(crate) fn ended(&mut self, ended: Ended) -> &mut Self {
        self.run.ended = ended;
        self
    }

    /// The host has no list of threads.
    pub(crate) fn without_threads(&mut self) -> &mut Self {
        self.threads = None;
        self
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.audit.snapshot().expect("the drain lives");
        (self.tamper)(&mut snapshot);
        snapshot
    }

    /// Makes the case and hands it on.
    pub(crate) fn case<T>(&self, look: impl FnOnce(&Case<'_>) -> T) -> T {
        let snapshot = self.snapshot();
        let run = RunSummary { cycles: self.clock, events: snapshot.folded, ..self.run.clone() };
        let mut threads = self.threads.clone();
        if let Some(threads) = &mut threads {
            threads.sort_by_key(|thread| thread.tid);
        }
        let case = Case::new(&snapshot, &run).with_symbols(&self.names);
        look(&match &threads {
            Some(threads) => case.with_threads(threads),
            None => case,
        })
    }

    pub(crate) fn diagnose(&self) -> Diagnosis {
        self.case(diagnose)
    }

    /// The report without its styles.
    pub(crate) fn report(&self, layout: &Layout) -> String {
        let text = self.case(|case| report(case, &diagnose(case), layout));
        anstream::adapter::strip_str(&text).to_string()
    }

    /// `HT01 STRONG 0x1004 NtReadFile [1]` for each verdict, best first.
    pub(crate) fn said(&self) -> Vec<String> {
        let verdicts = self.diagnose().verdicts;
        let line = |verdict: &handle_diagnosis::Verdict| {
            let handle = verdict.handle.map_or_else(|| "-".to_owned(), |handle| format!("{handle:#x}"));
            let culprit = verdict.culprit.as_deref().unwrap_or("-");
            format!("{} {} {handle} {culprit} {:?}", verdict.id, verdict.confidence, verdict.threads)
        };
        verdicts.iter().map(line).collect()
    }
}

pub(crate) const FOR_EVER: WaitAux = WaitAux { alertable: false, all: false, any: false, timeout: None };
pub(crate) const POLL: WaitAux = WaitAux { timeout: Some(10_000), ..FOR_EVER };
