//! Whatever the records say, the diagnosis keeps its rules.

use handle_audit::{
    AuditConfig, Gap, HandleAudit, HandleAuditEntry, HandleKind, Label, Operation, OperationCounts, Snapshot,
};
use handle_diagnosis::{
    Case, Confidence, Diagnosis, Ended, Layout, RunSummary, ThreadInfo, ThreadState, VerdictId, diagnose,
    exit_code, report, show, write_json,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// One call: which operation, by whom, on what, from where.
#[derive(Clone, Copy, Debug)]
struct Call {
    operation: usize,
    tid: u32,
    handle: u32,
    lr: u32,
    source: usize,
    kind: usize,
    aux: u64,
    cycles: u64,
}

const SOURCES: [&str; 5] = ["NtSetEvent", "NtClose", "NtReleaseMutant", "NtReadFile", "ExCreateThread"];

fn kinds() -> [HandleKind; 8] {
    [
        HandleKind::EVENT_MANUAL,
        HandleKind::EVENT_AUTO,
        HandleKind::SEMAPHORE,
        HandleKind::TIMER_AUTO,
        HandleKind::MUTANT,
        HandleKind::THREAD,
        HandleKind::host(Label::from_data("CriticalSection")),
        HandleKind::host(Label::from_data("File")),
    ]
}

fn aux() -> impl Strategy<Value = u64> {
    let small = 0..8_u64;
    let status = prop_oneof![Just(0x102_u64), Just(0xC0), Just(0x80), Just(0xC000_0002)];
    let packed = (0..4_u64, 0..4_u64).prop_map(|(low, high)| low | high << 32);
    let for_ever = (0..8_u64).prop_map(|flags| flags << 61 | ((1 << 56) - 1));
    let names = (0..8_u64).prop_map(|index| 0x1000 + 4 * index);
    prop_oneof![3 => small, 1 => status, 2 => packed, 3 => for_ever, 1 => names, 1 => any::<u64>()]
}

fn call() -> impl Strategy<Value = Call> {
    let who = (0..15_usize, 0..6_u32, 0..8_u32);
    let what = (0..4_u32, 0..SOURCES.len(), 0..8_usize, aux(), 0..3_000_000_u64);
    (who, what).prop_map(|((operation, tid, handle), (lr, source, kind, aux, cycles))| Call {
        operation,
        tid,
        handle: 0x1000 + 4 * handle,
        lr: 0x8200_0000 + 16 * lr,
        source,
        kind,
        aux,
        cycles,
    })
}

fn fold(calls: &[Call]) -> Snapshot {
    let audit = HandleAudit::new(AuditConfig::default().rings(1).ring_capacity(4096).manual().enabled(true))
        .expect("the configuration is good");
    let mut recorder = audit.claim(0).expect("nobody else has it");
    let mut cycle = 0;
    for call in calls {
        cycle += call.cycles;
        let entry = HandleAuditEntry::new(cycle, call.tid, call.lr, SOURCES[call.source], call.aux);
        recorder.record_any(Operation::ALL[call.operation], call.handle, kinds()[call.kind], entry);
    }
    audit.snapshot().expect("the drain lives")
}

fn thread() -> impl Strategy<Value = ThreadInfo> {
    let states = prop_oneof![
        1 => Just(ThreadState::Ready),
        1 => Just(ThreadState::Running),
        4 => Just(ThreadState::Waiting),
        1 => Just(ThreadState::Suspended),
        1 => Just(ThreadState::Exited),
    ];
    (1..8_u32, states, vec(0..10_u32, 0..4), any::<bool>(), any::<bool>(), prop::option::of(0..u64::MAX))
        .prop_map(|(tid, state, on, all, alertable, deadline)| ThreadInfo {
            on: on.into_iter().map(|handle| 0x1000 + 4 * handle).collect(),
            all,
            alertable,
            deadline,
            ..ThreadInfo::new(tid, state)
        })
}

fn ended() -> impl Strategy<Value = Ended> {
    prop_oneof![
        Just(Ended::Finished),
        Just(Ended::Deadlock),
        Just(Ended::Watchdog),
        Just(Ended::Interrupted),
        Just(Ended::Fault),
        Just(Ended::Limit),
    ]
}

/// A snapshot, a list of threads perhaps at odds with it, and an end.
fn world() -> impl Strategy<Value = (Snapshot, Option<Vec<ThreadInfo>>, RunSummary)> {
    let end = (ended(), 0..1_000_000_000_u64);
    (vec(call(), 0..200), prop::option::of(vec(thread(), 0..8)), end).prop_map(
        |(calls, threads, (ended, cycles))| {
            let run = RunSummary { guest: "any.elf".to_owned(), ended, cycles, ..RunSummary::default() };
            (fold(&calls), threads, run)
        },
    )
}

fn case<'a>(snapshot: &'a Snapshot, threads: &'a Option<Vec<ThreadInfo>>, run: &'a RunSummary) -> Case<'a> {
    let case = Case::new(snapshot, run);
    match threads {
        Some(threads) => case.with_threads(threads),
        None => case,
    }
}

/// What holds of every diagnosis.
fn check_rules(case: &Case<'_>, diagnosis: &Diagnosis) -> Result<(), TestCaseError> {
    let parked: Vec<u32> = diagnosis.parked.iter().map(|parked| parked.tid).collect();
    for (place, verdict) in diagnosis.verdicts.iter().enumerate() {
        prop_assert_eq!(verdict.rank, place + 1);
        prop_assert!(verdict.confidence <= verdict.id.at_most(), "{:?}", verdict);
        prop_assert!(verdict.threads.is_sorted() && verdict.blocks.is_sorted());
        prop_assert!(verdict.blocks.iter().all(|tid| parked.contains(tid)), "{:?}", verdict);
        prop_assert!(verdict.root.is_none_or(|root| (1..=diagnosis.verdicts.len()).contains(&root)));
        prop_assert!(!verdict.summary.is_empty() && !verdict.next.is_empty());
        let accused = verdict.id.can_be_finding() && verdict.id != VerdictId::BusyPoll;
        prop_assert!(
            !accused || verdict.threads.iter().all(|tid| parked.contains(tid)),
            "a finding needs an open wait"
        );
        if !diagnosis.grade.further_operations {
            prop_assert!(verdict.confidence <= Confidence::Likely, "{:?}", verdict);
        }
        let owned = matches!(verdict.id, VerdictId::Deadlock | VerdictId::OwnerDead | VerdictId::Victim);
        if case.run.ended == Ended::Finished && !owned && verdict.id != VerdictId::PromiseBroken {
            let dependants = verdict.blocks.len() > 1;
            prop_assert!(verdict.confidence <= Confidence::Hint || dependants, "{:?}", verdict);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_world_is_diagnosed_by_the_rules((snapshot, threads, run) in world()) {
        let case = case(&snapshot, &threads, &run);
        let diagnosis = diagnose(&case);
        check_rules(&case, &diagnosis)?;
        prop_assert_eq!(&diagnosis, &diagnose(&case), "the same case, the same diagnosis");
    }

    #[test]
    fn any_report_fits_its_width((snapshot, threads, run) in world(), width in 60..=160_usize, ascii in any::<bool>()) {
        let case = case(&snapshot, &threads, &run);
        let diagnosis = diagnose(&case);
        let layout = Layout::new(width).ascii(ascii).all(width % 2 == 0);
        let text = anstream::adapter::strip_str(&report(&case, &diagnosis, &layout)).to_string();
        for line in text.lines() {
            prop_assert!(line.chars().count() <= width, "{}", line);
        }
        prop_assert!(!ascii || text.is_ascii());
        for verdict in &diagnosis.verdicts {
            prop_assert!(verdict.root.is_some() || text.contains(verdict.id.code()));
        }
        for handle in 0x1000..0x1030 {
            prop_assert_eq!(show(&case, handle, &layout).is_some(), snapshot.trail(handle).is_some()
                || snapshot.leads.iter().any(|lead| lead.handle == handle));
        }
    }

    #[test]
    fn any_document_is_json((snapshot, threads, run) in world()) {
        let case = case(&snapshot, &threads, &run);
        let diagnosis = diagnose(&case);
        let mut bytes = Vec::new();
        write_json(&case, &diagnosis, &mut bytes).expect("a vector takes everything");
        let value: serde_json::Value = serde_json::from_slice(&bytes).expect("it is JSON");
        prop_assert_eq!(&value["schema"], 1);
        prop_assert_eq!(value["trails"].as_array().map(Vec::len), Some(snapshot.trails.len()));
        prop_assert_eq!(value["verdicts"].as_array().map(Vec::len), Some(diagnosis.verdicts.len()));
    }

    #[test]
    fn under_a_loss_nothing_is_claimed((mut snapshot, threads, run) in world()) {
        let rejected: OperationCounts = [(Operation::Signal, 1), (Operation::Create, 1)].into_iter().collect();
        snapshot.losses.gaps = vec![Gap { ring: 0, first_cycle: 0, last_cycle: u64::MAX, rejected }];
        let case = case(&snapshot, &threads, &run);
        let diagnosis = diagnose(&case);
        prop_assert!(diagnosis.findings(Confidence::Hint).next().is_none(), "{:?}", diagnosis.verdicts);
    }

    #[test]
    fn a_higher_bar_never_fails_more((snapshot, threads, run) in world()) {
        let case = case(&snapshot, &threads, &run);
        let diagnosis = diagnose(&case);
        let bars = [Confidence::Hint, Confidence::Likely, Confidence::Strong, Confidence::Proven];
        let failed = bars.map(|bar| exit_code(&case, &diagnosis, bar).code() == 1);
        prop_assert!(failed.windows(2).all(|pair| pair[0] || !pair[1]), "{:?}", failed);
    }
}
