//! HT16: a thread polls in vain while others wait for it.

use handle_audit::{Operation, ThreadRecord, ThreadTrail};

use crate::graph::Graph;
use crate::rules::Finding;
use crate::verdict::{Confidence, VerdictId};
use crate::view::{Activity, View, as_entry};
use crate::words;

/// Timeouts in a row that make a poll, of the last 32 records of a thread.
const MIN_TIMEOUTS: usize = 8;

/// The longest mean time between two polls: 50 ms. Slower ones are patience.
const LONGEST: u64 = 50 * words::CYCLES_PER_MS;

const TIMEOUT: u32 = 0x102;

/// Threads that poll, each with those that wait for it.
pub(crate) fn pollers(view: &View<'_>, graph: &Graph) -> Vec<(u32, Finding)> {
    let threads = view.case.snapshot.threads.iter();
    threads.filter_map(|thread| Some((thread.tid, poller(view, graph, thread)?))).collect()
}

fn poller(view: &View<'_>, graph: &Graph, thread: &ThreadTrail) -> Option<Finding> {
    let waits_for_ever = view.blocked.get(&thread.tid).is_some_and(|blocked| blocked.for_ever);
    if waits_for_ever || view.activity(thread.tid) == Activity::Exited {
        return None;
    }
    let row = timeouts_in_a_row(thread);
    let (first, last) = (row.first()?, row.last()?);
    let between = last.entry.cycle.saturating_sub(first.entry.cycle) / (row.len() as u64 - 1).max(1);
    if row.len() < MIN_TIMEOUTS || between > LONGEST {
        return None;
    }
    let (dependant, certain) = dependant(view, graph, thread.tid)?;
    let function = words::function(view.case.symbols, last.entry.lr);
    let who = words::thread(&view.case, thread.tid);
    let confidence = if certain { Confidence::Strong } else { Confidence::Likely };
    let record = |record: &ThreadRecord, note: String| crate::verdict::Evidence {
        handle: record.handle,
        record: Some(as_entry(record)),
        note,
    };
    let mut evidence = vec![
        record(first, format!("timeout, {} in a row", words::count(row.len() as u64, "time"))),
        record(last, format!("timeout again, one every {}", words::time(between))),
    ];
    let blocked = &view.blocked[&dependant];
    evidence.push(crate::verdict::Evidence {
        handle: blocked.members[0].handle,
        record: blocked.wait().copied(),
        note: format!("thread {dependant} waits for thread {}", thread.tid),
    });
    evidence.sort_by_key(|evidence| evidence.record.map(|record| record.entry.cycle));
    Some(Finding {
        id: VerdictId::BusyPoll,
        confidence,
        handle: last.handle,
        generation: view.object_index(last.handle).map(|index| view.objects[index].trail.generation),
        culprit: Some(format!("thread {}", thread.tid)),
        threads: vec![thread.tid],
        since: first.entry.cycle,
        summary: format!(
            "{} polls {} from {function}, every time in vain, while {} waits for it.",
            words::sentence(&who),
            words::hex(last.handle),
            words::thread(&view.case, dependant)
        ),
        evidence,
        next: format!("Find what {function} polls for, and who is to bring it about."),
    })
}

/// The unbroken row of timeouts from one place at the end of a thread's records, oldest first.
fn timeouts_in_a_row(thread: &ThreadTrail) -> Vec<&ThreadRecord> {
    let ends = |record: &&ThreadRecord| matches!(record.operation, Operation::Wake | Operation::Satisfied);
    let Some(newest) = thread.last.iter().rev().find(ends) else { return Vec::new() };
    let in_row = |record: &&ThreadRecord| {
        record.entry.lr == newest.entry.lr
            && (record.operation == Operation::Wait || ends(record) && record.entry.aux as u32 == TIMEOUT)
    };
    let mut row: Vec<&ThreadRecord> = thread.last.iter().rev().take_while(in_row).filter(ends).collect();
    row.reverse();
    row
}

/// A thread that is parked for ever and needs this one; whether that is certain. In a hang, the only thread that can
/// still act is needed by everybody.
fn dependant(view: &View<'_>, graph: &Graph, tid: u32) -> Option<(u32, bool)> {
    let parked = |from: &u32| view.blocked.get(from).is_some_and(|blocked| blocked.for_ever);
    let direct = graph.edges.values().filter(|edge| edge.to == tid && parked(&edge.from));
    if let Some(edge) = direct.max_by_key(|edge| edge.link.is_certain()) {
        return Some((edge.from, edge.link.is_certain()));
    }
    let can_act = |other: &u32| match view.blocked.get(other) {
        Some(blocked) => !blocked.for_ever,
        None => matches!(view.activity(*other), Activity::Runnable | Activity::Delayed),
    };
    let alone = view.ended_in_hang() && view.tids().iter().all(|other| *other == tid || !can_act(other));
    let first = view.blocked.keys().copied().find(|other| *other != tid);
    first.filter(|_| alone).map(|first| (first, false))
}
