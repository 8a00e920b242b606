//! The diagnosis on whatever a snapshot, a thread list and a run may say, also where they contradict each other.

use arbitrary::{Arbitrary, Unstructured};
use handle_audit::{
    AuditConfig, Gap, HandleAudit, HandleAuditEntry, HandleAuditTrail, HandleKind, Label, Operation,
    OperationCounts, Snapshot, label,
};
use handle_diagnosis::{
    Case, Confidence, Diagnosis, Ended, Layout, RunSummary, ThreadInfo, ThreadState, Verdict, VerdictId,
    diagnose, exit_code, report, show, write_json,
};

/// One record.
#[derive(Arbitrary, Debug)]
struct Call {
    operation: u8,
    tid: u8,
    handle: u8,
    lr: u8,
    source: u8,
    kind: u8,
    aux: Aux,
    cycles: u16,
}

/// What stands in `aux`: values that a rule looks for, or anything.
#[derive(Arbitrary, Debug)]
enum Aux {
    Small(u8),
    Pair(u8, u8),
    /// A wait for ever, with its three flags.
    ForEver(u8),
    Timeout(u8, u16),
    Name(u8),
    Status(u8),
    ThreadEvent(u8, u8),
    Timer(u8, u32),
    Any(u64),
}

#[derive(Arbitrary, Debug)]
struct Thread {
    tid: u8,
    state: u8,
    on: Vec<u8>,
    all: bool,
    alertable: bool,
    deadline: Option<u32>,
    handle: u8,
    suspend_count: u8,
}

/// A change that makes the snapshot say what no audit would.
#[derive(Arbitrary, Debug)]
enum Tamper {
    DropTrail(u8),
    SwapTrails(u8, u8),
    RepeatTrail(u8),
    Rename(u8, u32),
    ForgetOthers(u8),
    ForgetTotals(u8),
    SwapLists(u8),
    OpenWait(u8, u8),
    Generation(u8, u64),
    Alias(u8, u32),
    DropThread(u8),
    ThreadTotal(u8, u64),
    Gap { ring: u8, first: u32, length: u16, operation: u8 },
    Pauses(u8),
    LateStart,
}

#[derive(Arbitrary, Debug)]
struct World {
    ended: u8,
    after: u32,
    threads: Option<Vec<Thread>>,
    tampers: Vec<Tamper>,
    width: u8,
}

fn handle(byte: u8) -> u32 {
    0x1000 + 4 * u32::from(byte % 12)
}

impl Aux {
    fn bits(&self) -> u64 {
        const FOR_EVER: u64 = (1 << 56) - 1;
        let pair = |low: u8, high: u8| u64::from(low) | u64::from(high) << 32;
        match *self {
            Self::Small(value) => value.into(),
            Self::Pair(low, high) => pair(low % 4, high % 4),
            Self::ForEver(flags) => u64::from(flags % 8) << 61 | FOR_EVER,
            Self::Timeout(flags, ticks) => u64::from(flags % 8) << 61 | u64::from(ticks),
            Self::Name(name) => handle(name).into(),
            Self::Status(which) => [0x102, 0xC0, 0x80, 0x103, 0xC000_0002][usize::from(which % 5)],
            Self::ThreadEvent(count, event) => pair(count % 4, event % 4),
            Self::Timer(event, due) => u64::from(event % 8) << 61 | u64::from(due),
            Self::Any(bits) => bits,
        }
    }
}

fn kind(byte: u8) -> HandleKind {
    [
        HandleKind::EVENT_MANUAL,
        HandleKind::EVENT_AUTO,
        HandleKind::SEMAPHORE,
        HandleKind::TIMER_MANUAL,
        HandleKind::TIMER_AUTO,
        HandleKind::MUTANT,
        HandleKind::THREAD,
        HandleKind::host(label!("CriticalSection")),
        HandleKind::host(label!("File")),
    ][usize::from(byte % 9)]
}

fn source(byte: u8) -> Label {
    [
        label!("NtSetEvent"),
        label!("NtClose"),
        label!("NtReleaseMutant"),
        label!("NtReadFile"),
        label!("ExCreateThread"),
        label!("KeInsertQueueApc"),
    ][usize::from(byte % 6)]
}

/// Folds the calls of a world as an audit would.
fn fold(calls: &[Call]) -> Snapshot {
    let config = AuditConfig::default().rings(2).ring_capacity(1024).manual().enabled(true);
    let audit = HandleAudit::new(config).expect("the configuration is in range");
    let mut recorders = [0, 1].map(|ring| audit.claim(ring).expect("the ring is free"));
    let mut cycle = 0_u64;
    for call in calls {
        cycle += u64::from(call.cycles) * 64;
        let lr = 0x8200_0000 + 16 * u32::from(call.lr % 6);
        let entry =
            HandleAuditEntry::new(cycle, (call.tid % 7).into(), lr, source(call.source), call.aux.bits());
        let operation = Operation::ALL[usize::from(call.operation) % Operation::COUNT];
        let recorder = &mut recorders[usize::from(call.tid / 7 % 2)];
        recorder.record_any(operation, handle(call.handle), kind(call.kind), entry);
    }
    audit.snapshot().expect("the drain lives")
}

fn threads(threads: &[Thread]) -> Vec<ThreadInfo> {
    let states = [
        ThreadState::Waiting,
        ThreadState::Ready,
        ThreadState::Running,
        ThreadState::Suspended,
        ThreadState::Exited,
    ];
    let info = |thread: &Thread| ThreadInfo {
        on: thread.on.iter().take(8).map(|on| handle(*on)).collect(),
        all: thread.all,
        alertable: thread.alertable,
        deadline: thread.deadline.map(u64::from),
        handle: if thread.handle == 0 { 0 } else { handle(thread.handle) },
        suspend_count: (thread.suspend_count % 3).into(),
        ..ThreadInfo::new((thread.tid % 8).into(), states[usize::from(thread.state) % states.len()])
    };
    threads.iter().take(12).map(info).collect()
}

fn tamper(snapshot: &mut Snapshot, tamper: &Tamper) {
    if let Tamper::Gap { ring, first, length, operation } = *tamper {
        let operation = Operation::ALL[usize::from(operation) % Operation::COUNT];
        let first_cycle = first.into();
        let rejected = [(operation, 1)].into_iter().collect();
        snapshot.losses.gaps.push(Gap {
            ring,
            first_cycle,
            last_cycle: first_cycle + u64::from(length),
            rejected,
        });
        return;
    }
    match *tamper {
        Tamper::Pauses(pauses) => return snapshot.coverage.pauses = pauses.into(),
        Tamper::LateStart => return snapshot.coverage.late_start = true,
        Tamper::DropThread(at) if !snapshot.threads.is_empty() => {
            snapshot.threads.remove(usize::from(at) % snapshot.threads.len());
            return;
        }
        Tamper::ThreadTotal(at, total) if !snapshot.threads.is_empty() => {
            let count = snapshot.threads.len();
            return snapshot.threads[usize::from(at) % count].total = total;
        }
        _ if snapshot.trails.is_empty() => return,
        _ => {}
    }
    tamper_with_trail(snapshot, tamper);
}

fn tamper_with_trail(snapshot: &mut Snapshot, tamper: &Tamper) {
    let count = snapshot.trails.len();
    let place = |at: u8| usize::from(at) % count;
    let trails = &mut snapshot.trails;
    match *tamper {
        Tamper::DropTrail(at) => drop(trails.remove(place(at))),
        Tamper::SwapTrails(one, other) => trails.swap(place(one), place(other)),
        Tamper::RepeatTrail(at) => trails.push(trails[place(at)].clone()),
        Tamper::Rename(at, handle) => trails[place(at)].handle = handle,
        Tamper::ForgetOthers(at) => trails[place(at)].others = Default::default(),
        Tamper::ForgetTotals(at) => trails[place(at)].totals = OperationCounts::default(),
        Tamper::SwapLists(at) => {
            let trail = &mut trails[place(at)];
            std::mem::swap(&mut trail.signals, &mut trail.waits);
        }
        Tamper::OpenWait(to, from) => {
            let waits: Vec<_> = trails[place(from)].waits.iter().copied().collect();
            trails[place(to)].open_waits.extend(waits);
        }
        Tamper::Generation(at, generation) => trails[place(at)].generation = generation,
        Tamper::Alias(at, name) => trails[place(at)].aliases.push(name),
        _ => {}
    }
}

/// Any snapshot with any list of threads and any end: no panic, and the rules of confidence are kept.
pub fn diagnose_snapshot(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(world) = World::arbitrary(&mut input) else { return };
    let mut calls = Vec::new();
    while !input.is_empty() && calls.len() < 700 {
        let Ok(call) = Call::arbitrary(&mut input) else { break };
        calls.push(call);
    }
    let mut snapshot = fold(&calls);
    world.tampers.iter().take(20).for_each(|change| tamper(&mut snapshot, change));
    let ends =
        [Ended::Finished, Ended::Deadlock, Ended::Watchdog, Ended::Interrupted, Ended::Fault, Ended::Limit];
    let run = RunSummary {
        guest: "any.elf".to_owned(),
        ended: ends[usize::from(world.ended) % ends.len()],
        cycles: calls.iter().map(|call| u64::from(call.cycles) * 64).sum::<u64>() + u64::from(world.after),
        ..RunSummary::default()
    };
    let list = world.threads.as_deref().map(threads);
    judge(&snapshot, list.as_deref(), &run, 60 + usize::from(world.width % 101));
}

fn case<'a>(snapshot: &'a Snapshot, threads: Option<&'a [ThreadInfo]>, run: &'a RunSummary) -> Case<'a> {
    let case = Case::new(snapshot, run);
    threads.map_or(case, |threads| case.with_threads(threads))
}

/// Diagnoses a case in every form, and checks what must hold of it.
pub(crate) fn judge(snapshot: &Snapshot, threads: Option<&[ThreadInfo]>, run: &RunSummary, width: usize) {
    let told = case(snapshot, threads, run);
    let diagnosis = diagnose(&told);
    assert_eq!(diagnosis, diagnose(&told), "the same case, the same diagnosis");
    rules_of_confidence(&diagnosis);
    rules_of_place(&diagnosis);
    if run.ended == Ended::Finished {
        a_finished_run_gives_hints(&diagnosis);
    }
    if snapshot.coverage.pauses > 0 {
        nothing_is_claimed(&diagnosis);
    }
    document(&told, &diagnosis);
    let layout = Layout::new(width).ascii(width.is_multiple_of(2)).all(width.is_multiple_of(3));
    assert!(!report(&told, &diagnosis, &layout).is_empty());
    for trail in &snapshot.trails {
        // Nothing is found where a tampered snapshot is out of order.
        let _ = show(&told, trail.handle, &layout);
    }
    let fails = |bar| exit_code(&told, &diagnosis, bar).code() == 1;
    assert!(fails(Confidence::Hint) || !fails(Confidence::Likely), "a higher bar fails no more");

    let mut lost = snapshot.clone();
    let rejected = Operation::ALL.into_iter().map(|operation| (operation, 1)).collect();
    lost.losses.gaps = vec![Gap { ring: 0, first_cycle: 0, last_cycle: u64::MAX, rejected }];
    nothing_is_claimed(&diagnose(&case(&lost, threads, run)));
    a_loss_counts_where_it_stands(snapshot, threads, run);
}

/// One lost signal takes the ground from what it may have changed, and from nothing else.
fn a_loss_counts_where_it_stands(snapshot: &Snapshot, threads: Option<&[ThreadInfo]>, run: &RunSummary) {
    let with = |cycle: Option<u64>| {
        let mut snapshot = snapshot.clone();
        let rejected = [(Operation::Signal, 1)].into_iter().collect();
        let gap = |at| Gap { ring: 0, first_cycle: at, last_cycle: at, rejected };
        snapshot.losses.gaps = cycle.map(gap).into_iter().collect();
        diagnose(&case(&snapshot, threads, run))
    };
    let whole = with(None);
    // One in the window of each object that something is claimed of, if not of too many.
    for verdict in claims(&whole).take(4) {
        let Some(window) = Window::of(snapshot, verdict) else { continue };
        for at in [window.begin, window.begin.midpoint(window.latest), window.latest] {
            let told = with(Some(at));
            let still = claims(&told).find(|claim| {
                let window = Window::of(snapshot, claim);
                window.is_some_and(|window| window.begin <= at)
            });
            assert!(still.is_none(), "with a signal lost at cycle {at}: {still:?}");
        }
    }
    // One before all that is known of. It may be a signal of a ghost, which is older than its records.
    let of_trail = |claim: &Verdict| {
        let own = claim.id != VerdictId::Ghost && Window::of(snapshot, claim).is_some();
        own || claim.root.is_some()
    };
    if snapshot.trails.iter().flat_map(began).all(|cycle| cycle > 1_000) && claims(&whole).all(of_trail) {
        let said = |diagnosis| claims(diagnosis).map(claim).collect::<Vec<_>>();
        assert_eq!(said(&with(Some(0))), said(&whole), "a signal was lost before everything");
    }
}

fn claim(verdict: &Verdict) -> (VerdictId, Confidence, Option<u32>, &[u32]) {
    (verdict.id, verdict.confidence, verdict.handle, &verdict.threads)
}

fn claims(diagnosis: &Diagnosis) -> impl Iterator<Item = &Verdict> {
    diagnosis.verdicts.iter().filter(|verdict| verdict.confidence > Confidence::Unknown)
}

/// The cycles at which the generations of a trail began.
fn began(trail: &HandleAuditTrail) -> impl Iterator<Item = u64> {
    let previous = trail.previous.as_ref().map(|previous| previous.created.entry.cycle);
    [trail.created.entry.cycle].into_iter().chain(previous)
}

/// When, at the latest, the window of a verdict began that goes on to the end, told from what it shows.
struct Window {
    begin: u64,
    /// The newest of what it shows.
    latest: u64,
}

impl Window {
    /// Nothing if the verdict follows from another one, or is about an object whose create is not known for sure.
    fn of(snapshot: &Snapshot, verdict: &Verdict) -> Option<Self> {
        let handle = verdict.handle.filter(|_| verdict.root.is_none())?;
        let mut trails = snapshot.trails.iter().filter(|trail| trail.handle == handle);
        let (trail, None) = (trails.next()?, trails.next()) else { return None };
        let created = trail.created.entry.cycle;
        let shown = verdict.evidence.iter().filter_map(|evidence| Some(evidence.record?.entry.cycle));
        let latest = shown.max()?.max(created);
        // That nothing ever signalled an object is a matter of its whole life. Others rest on what they show.
        let whole_life = ["HT02", "HT06"].contains(&verdict.id.code());
        Some(Self { begin: if whole_life { created } else { latest }, latest })
    }
}

/// Told apart from the library's own table: these contradict the kernel's semantics. All others rest on an absence,
/// on history or on a sibling.
fn may_be_proven(id: VerdictId) -> bool {
    ["HT03", "HT04", "HT08", "HT09", "HT10", "HT11", "HT12"].contains(&id.code())
}

fn rules_of_confidence(diagnosis: &Diagnosis) {
    for verdict in &diagnosis.verdicts {
        assert!(verdict.confidence < Confidence::Proven || may_be_proven(verdict.id), "{verdict:?}");
        let accuses = !["HT20", "HT21", "HT22"].contains(&verdict.id.code());
        assert!(accuses || verdict.confidence == Confidence::Unknown, "{verdict:?}");
        if ["HT02", "HT06", "HT18"].contains(&verdict.id.code()) || !diagnosis.grade.further_operations {
            assert!(verdict.confidence <= Confidence::Likely, "{verdict:?}");
        }
        if let Some(root) = verdict.root {
            let root = &diagnosis.verdicts[root - 1];
            assert!(verdict.confidence <= root.confidence, "{verdict:?} is surer than its root {root:?}");
        }
    }
}

fn rules_of_place(diagnosis: &Diagnosis) {
    let parked: Vec<u32> = diagnosis.parked.iter().map(|parked| parked.tid).collect();
    for (place, verdict) in diagnosis.verdicts.iter().enumerate() {
        assert_eq!(verdict.rank, place + 1);
        assert!(verdict.threads.is_sorted() && verdict.blocks.is_sorted());
        assert!(verdict.blocks.iter().all(|tid| parked.contains(tid)), "{verdict:?}");
        assert!(verdict.root != Some(verdict.rank), "{verdict:?}");
        assert!(!verdict.summary.is_empty() && !verdict.next.is_empty());
        if verdict.id.can_be_finding() && verdict.id != VerdictId::BusyPoll {
            assert!(verdict.threads.iter().all(|tid| parked.contains(tid)), "a finding needs an open wait");
        }
    }
}

/// In a run that finished, an open wait is a lead, unless a promise is open or a thread is blocked through it.
fn a_finished_run_gives_hints(diagnosis: &Diagnosis) {
    for verdict in diagnosis.verdicts.iter().filter(|verdict| verdict.root.is_none()) {
        let promised = verdict.id == VerdictId::PromiseBroken;
        let alone = verdict.blocks.len() <= 1 && verdict.threads.len() <= 1;
        assert!(verdict.confidence <= Confidence::Hint || promised || !alone, "{verdict:?}");
    }
}

fn nothing_is_claimed(diagnosis: &Diagnosis) {
    let claimed = diagnosis.verdicts.iter().find(|verdict| verdict.confidence > Confidence::Unknown);
    assert!(claimed.is_none(), "under a loss: {claimed:?}");
}

fn document(case: &Case<'_>, diagnosis: &Diagnosis) {
    let mut bytes = Vec::new();
    write_json(case, diagnosis, &mut bytes).expect("a vector takes everything");
    let value: serde_json::Value = serde_json::from_slice(&bytes).expect("it is JSON");
    let verdicts = value["verdicts"].as_array().expect("verdicts are a list");
    assert_eq!(verdicts.len(), diagnosis.verdicts.len());
    for (told, verdict) in verdicts.iter().zip(&diagnosis.verdicts) {
        assert_eq!(told["id"], verdict.id.code());
        let confidence = Some(verdict.confidence).filter(|confidence| *confidence > Confidence::Unknown);
        assert_eq!(told["confidence"].as_str(), confidence.map(Confidence::name));
    }
}
