//! Handles: what is known of one, and which are worth a look first.

use std::collections::BTreeSet;

use handle_audit::{
    EntryList, GhostTrail, HandleAuditTrail, Lead, Operation, OperationCounts, PreviousGeneration, TrailEntry,
};

use crate::input::Case;
use crate::judge::Diagnosis;
use crate::settle::operations;
use crate::text::hint;
use crate::text::paint::{BOLD, DIM, Layout, PLAIN, Page, WARN, paint};
use crate::text::table::{Column, Table, cell, styled};
use crate::words;

/// Handles that the first report shows.
const HANDLES: usize = 6;

/// Records of each list that it shows of a handle of a verdict, and of another.
const RECORDS: (usize, usize) = (3, 1);

/// The handles worth looking at first: those of the verdicts, those in focus, those that somebody is parked on.
pub(super) fn write(page: &mut Page, case: &Case<'_>, diagnosis: &Diagnosis) {
    let snapshot = case.snapshot;
    let of_verdicts = diagnosis
        .verdicts
        .iter()
        .filter(|verdict| verdict.id.can_be_finding())
        .filter_map(|verdict| verdict.handle);
    let parked = diagnosis.parked.iter().flat_map(|parked| parked.on.iter().copied());
    let accused: BTreeSet<u32> = of_verdicts.clone().collect();
    let mut seen = BTreeSet::new();
    let mut handles: Vec<u32> = of_verdicts
        .chain(snapshot.focus.iter())
        .chain(parked)
        .filter(|handle| seen.insert(*handle))
        .collect();
    if page.layout.all {
        handles
            .extend(snapshot.trails.iter().map(|trail| trail.handle).filter(|handle| seen.insert(*handle)));
        handles
            .extend(snapshot.ghosts.iter().map(|ghost| ghost.handle).filter(|handle| seen.insert(*handle)));
    }
    handles.retain(|handle| is_known(case, *handle));
    if handles.is_empty() {
        return;
    }
    let limit = if page.layout.all { usize::MAX } else { HANDLES };
    page.gap();
    page.line(&paint(BOLD, "Handles"));
    for (index, handle) in handles.iter().take(limit).enumerate() {
        if index > 0 {
            page.gap();
        }
        let records = if accused.contains(handle) { RECORDS.0 } else { RECORDS.1 };
        one(page, case, *handle, Some(records));
    }
    if handles.len() > limit {
        page.gap();
        hint(page, &format!("and {} more: --all, or htrail show HANDLE FILE.htrail", handles.len() - limit));
    }
}

/// All that is known of one handle, also by one of its other names; `None` if nothing is.
#[must_use]
pub fn show(case: &Case<'_>, handle: u32, layout: &Layout) -> Option<String> {
    if !is_known(case, handle) {
        return None;
    }
    let mut page = Page::new(*layout);
    one(&mut page, case, handle, None);
    Some(page.into_text())
}

fn is_known(case: &Case<'_>, handle: u32) -> bool {
    case.snapshot.trail(handle).is_some()
        || case.snapshot.ghost(handle).is_some()
        || lead(case, handle).is_some()
}

fn lead<'a>(case: &Case<'a>, handle: u32) -> Option<&'a Lead> {
    case.snapshot.leads.iter().find(|lead| lead.handle == handle)
}

/// One handle; of each list the newest `limit` records, or all that are held.
fn one(page: &mut Page, case: &Case<'_>, handle: u32, limit: Option<usize>) {
    let snapshot = case.snapshot;
    if let Some(trail) = snapshot.trail(handle) {
        trail_of(page, case, trail, limit);
    }
    let lead = lead(case, handle).filter(|_| snapshot.trail(handle).is_none());
    match (snapshot.ghost(handle), lead) {
        (Some(ghost), lead) => ghost_of(page, case, ghost, lead, limit),
        (None, Some(lead)) => {
            heading(page, "ghost", lead.handle, "used and never created");
            lead_of(page, case, lead, lead.totals);
        }
        (None, None) => {}
    }
}

fn heading(page: &mut Page, kind: &str, handle: u32, about: &str) {
    let about = if about.is_empty() { String::new() } else { format!("  {about}") };
    page.line(&format!("  {}{}", paint(BOLD, &format!("{kind} {}", words::hex(handle))), paint(DIM, &about)));
}

fn trail_of(page: &mut Page, case: &Case<'_>, trail: &HandleAuditTrail, limit: Option<usize>) {
    let name = case.symbols.object(trail.handle).map(|name| format!("{name:?}"));
    let generation = (trail.generation > 1).then(|| format!("generation {}", trail.generation));
    let about: Vec<String> = name.into_iter().chain(generation).collect();
    heading(page, trail.kind.as_str(), trail.handle, &about.join(", "));
    if !trail.aliases.is_empty() {
        let names: Vec<String> = trail.aliases.iter().map(|name| words::hex(*name)).collect();
        page.labelled("also", PLAIN, &names.join(", "));
    }
    page.labelled("created", PLAIN, &line(case, &trail.created));
    for (index, frame) in trail.created_stack.iter().flatten().enumerate() {
        let text = format!("#{index} {} {}", words::hex(frame.frame), words::place(case.symbols, frame.lr));
        page.labelled(if index == 0 { "stack" } else { "" }, PLAIN, &text);
    }
    page.labelled("totals", PLAIN, &totals(trail));
    for (index, wait) in trail.open_waits.iter().take(limit.unwrap_or(usize::MAX)).enumerate() {
        let text = format!(
            "{} since {} at {}",
            words::thread(case, wait.entry.tid),
            words::time(wait.entry.cycle),
            words::place(case.symbols, wait.entry.lr)
        );
        page.labelled(if index == 0 { "open waits" } else { "" }, WARN, &text);
    }
    let more =
        trail.open_waits.len().saturating_sub(limit.unwrap_or(usize::MAX)) as u64 + trail.open_waits_not_kept;
    if more > 0 {
        page.labelled("", PLAIN, &format!("and {more} more"));
    }
    if let Some(previous) = trail.previous.as_deref() {
        previous_of(page, case, previous, limit);
    }
    let records = match limit {
        Some(limit) => newest(trail, limit),
        None => trail.sequence(),
    };
    table_of(page, case, &records, if limit.is_some() { "newest" } else { "held" });
}

fn totals(trail: &HandleAuditTrail) -> String {
    const MAIN: [Operation; 3] = [Operation::Signal, Operation::Wait, Operation::Wake];
    let main = MAIN.into_iter().map(|operation| (operation, trail.totals.get(operation)));
    let listed = |operation: &Operation| *operation == Operation::Create || MAIN.contains(operation);
    let others = trail.totals.iter().filter(|(operation, _)| !listed(operation));
    let each: Vec<String> =
        main.chain(others).map(|(operation, count)| words::operations(count, operation)).collect();
    each.join(", ")
}

/// The newest records of each of the four lists, in the order of the fold.
fn newest(trail: &HandleAuditTrail, limit: usize) -> Vec<TrailEntry> {
    let lists = [&trail.signals, &trail.waits, &trail.wakes, &trail.others];
    let mut records: Vec<TrailEntry> =
        lists.into_iter().flat_map(|list| list.iter().rev().take(limit)).copied().collect();
    records.sort_by_key(|record| record.seq);
    records
}

fn previous_of(page: &mut Page, case: &Case<'_>, previous: &PreviousGeneration, limit: Option<usize>) {
    let text =
        format!("generation {}, {}: {}", previous.generation, previous.kind, line(case, &previous.created));
    page.labelled("before", PLAIN, &text);
    if let Some(closed) = &previous.closed {
        page.labelled("", PLAIN, &format!("closed: {}", line(case, closed)));
    }
    for wait in previous.open_waits.iter().take(limit.unwrap_or(usize::MAX)) {
        page.labelled(
            "",
            WARN,
            &format!("{} still waits: {}", words::thread(case, wait.entry.tid), line(case, wait)),
        );
    }
    if limit.is_none() {
        page.labelled("", PLAIN, &format!("in all: {}", operations(&previous.totals)));
    }
}

/// What a lead keeps: totals, and the first use.
fn lead_of(page: &mut Page, case: &Case<'_>, lead: &Lead, totals: OperationCounts) {
    page.labelled("totals", PLAIN, &operations(&totals));
    page.labelled("first", PLAIN, &line(case, &lead.first));
}

/// A ghost, with its uses other than the signals that its trail has.
fn ghost_of(page: &mut Page, case: &Case<'_>, ghost: &GhostTrail, lead: Option<&Lead>, limit: Option<usize>) {
    let signals: &EntryList = &ghost.signals;
    let about = if case.snapshot.trail(ghost.handle).is_some() {
        "signals that reached nothing"
    } else {
        "signalled and never created"
    };
    heading(page, "ghost", ghost.handle, about);
    match lead {
        Some(lead) => {
            let mut totals = lead.totals;
            totals.add(Operation::Signal, signals.total());
            lead_of(page, case, lead, totals);
        }
        None => page.labelled("totals", PLAIN, &words::count(signals.total(), "signal")),
    }
    let records: Vec<TrailEntry> = match limit {
        Some(limit) => signals.iter().rev().take(limit).rev().copied().collect(),
        None => signals.held().copied().collect(),
    };
    table_of(page, case, &records, "signals");
}

fn table_of(page: &mut Page, case: &Case<'_>, records: &[TrailEntry], label: &str) {
    if records.is_empty() {
        return;
    }
    let mut table = Table::new(&[
        Column::figure("no.", 2),
        Column::figure("at", 1),
        Column::identifier("tid"),
        Column::identifier("what"),
        Column::identifier("by"),
        Column::identifier("from"),
        Column::prose(""),
    ]);
    for record in records {
        let entry = &record.entry;
        table.row(vec![
            cell(record.seq.to_string()),
            cell(words::time(entry.cycle)),
            cell(entry.tid.to_string()),
            cell(record.operation.name()),
            cell(entry.source.as_str()),
            cell(words::place(case.symbols, entry.lr)),
            styled(DIM, meaning(record)),
        ]);
    }
    page.labelled(label, PLAIN, &words::count(records.len() as u64, "record"));
    table.write(page, 4);
}

/// What the `aux` of a record says.
fn meaning(record: &TrailEntry) -> String {
    use handle_audit::aux::{
        ApcAux, ThreadAux, ThreadEvent, TimerAux, TimerEvent, WaitAux, signal_amount, signal_previous,
    };
    let aux = record.entry.aux;
    match record.operation {
        Operation::Create => String::new(),
        Operation::Signal | Operation::GhostSignal => match signal_amount(aux) {
            0 | 1 => format!("was {}", signal_previous(aux)),
            amount => format!("was {}, by {amount}", signal_previous(aux)),
        },
        Operation::Reset | Operation::Pulse => format!("was {aux}"),
        Operation::Wait => {
            let wait = WaitAux::decode(aux);
            let limit = match wait.timeout {
                None => "for ever".to_owned(),
                Some(0) => "poll".to_owned(),
                Some(ticks) => format!("up to {}", words::time(ticks.saturating_mul(5))),
            };
            let flags =
                [(wait.alertable, ", alertable"), (wait.all, ", one of all"), (wait.any, ", one of any")];
            flags.iter().filter(|(set, _)| *set).fold(limit, |text, (_, flag)| text + flag)
        }
        Operation::Wake | Operation::Satisfied | Operation::Stub => {
            format!("returned {}", words::status(aux))
        }
        Operation::Close => words::count(aux, "waiter"),
        Operation::Alias => words::hex(aux as u32),
        Operation::Promise => format!("call {aux}"),
        Operation::Thread => {
            let thread = ThreadAux::decode(aux);
            match thread.event {
                ThreadEvent::Started => "started".to_owned(),
                ThreadEvent::Exited => format!("exited with {:#x}", thread.count),
                ThreadEvent::Suspended => format!("suspended, count {}", thread.count),
                ThreadEvent::Resumed => format!("resumed, count {}", thread.count),
            }
        }
        Operation::Timer => {
            let timer = TimerAux::decode(aux);
            let event = match timer.event {
                TimerEvent::Armed => "armed",
                TimerEvent::Fired => "fired",
                TimerEvent::Cancelled => "cancelled",
            };
            let periodic = if timer.periodic { ", periodic" } else { "" };
            format!("{event}, due {}{periodic}", words::time(timer.due))
        }
        Operation::Apc => {
            let apc = ApcAux::decode(aux);
            let event = if apc.delivered { "delivered" } else { "queued" };
            format!("{event} {} thread {}", if apc.delivered { "to" } else { "for" }, apc.target)
        }
    }
}

/// `10.123 ms thread 1 (main) NtCreateEvent at load_title+0x3c`.
fn line(case: &Case<'_>, record: &TrailEntry) -> String {
    let entry = &record.entry;
    format!(
        "{} {} {} at {}",
        words::time(entry.cycle),
        words::thread(case, entry.tid),
        entry.source,
        words::place(case.symbols, entry.lr)
    )
}
