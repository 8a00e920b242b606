//! One verdict: the sentence, its evidence as a time line, the threads behind it, what to do.

use crate::input::Case;
use crate::judge::{Diagnosis, Parked};
use crate::text::paint::{BOLD, DIM, PLAIN, Page, paint, width_of, wrap};
use crate::text::table::{Column, Table, cell, styled};
use crate::text::{hint, title};
use crate::verdict::{Evidence, Verdict, VerdictId};
use crate::words;

pub(super) fn write(page: &mut Page, case: &Case<'_>, diagnosis: &Diagnosis, verdict: &Verdict) {
    page.line(&title(verdict));
    page.wrapped(2, PLAIN, &verdict.summary);
    time_line(page, case, &verdict.evidence);
    chain(page, case, diagnosis, verdict);
    page.gap();
    if let Some(culprit) = &verdict.culprit {
        page.labelled("culprit", BOLD, culprit);
    }
    page.labelled("next", BOLD, &verdict.next);
    let show = verdict
        .handle
        .map_or_else(String::new, |handle| format!(", htrail show {} FILE.htrail", words::hex(handle)));
    page.labelled("more", DIM, &format!("htrail explain {}{show}", verdict.id));
}

/// One verdict in a few lines.
pub(super) fn brief(page: &mut Page, verdict: &Verdict) {
    const INDENT: usize = 2;
    let sure = if verdict.id.can_be_finding() { format!(" {}", verdict.confidence) } else { String::new() };
    let head = format!("{}{sure}", verdict.id);
    let room = page.layout.width() - INDENT - head.len() - 1;
    for (index, line) in wrap(&verdict.summary, room, room).iter().enumerate() {
        let head = if index == 0 { paint(BOLD, &head) } else { " ".repeat(head.len()) };
        page.line(&format!("{:INDENT$}{head} {line}", ""));
    }
}

/// Columns from which on a time line always has its times.
const WITH_TIMES: usize = 80;

fn time_line(page: &mut Page, case: &Case<'_>, evidence: &[Evidence]) {
    if evidence.is_empty() {
        return;
    }
    let one_handle = evidence.iter().all(|piece| piece.handle == evidence[0].handle);
    // What happened when is the point of a time line: only the narrowest ones do without.
    let at = if page.layout.width() < WITH_TIMES { Column::figure("at", 1) } else { Column::kept("at") };
    let mut table = Table::new(&[
        at,
        Column::identifier("tid"),
        Column::identifier("what"),
        Column::identifier("handle"),
        Column::identifier("by"),
        Column::identifier("from"),
        Column::prose(""),
    ]);
    for piece in evidence {
        let handle = cell(if one_handle { String::new() } else { words::hex(piece.handle) });
        let note = styled(DIM, piece.note.as_str());
        table.row(match &piece.record {
            Some(record) => vec![
                cell(words::time(record.entry.cycle)),
                cell(record.entry.tid.to_string()),
                styled(BOLD, record.operation.name()),
                handle,
                cell(record.entry.source.as_str()),
                cell(words::place(case.symbols, record.entry.lr)),
                note,
            ],
            None => vec![cell(""), cell(""), styled(DIM, "no record"), handle, cell(""), cell(""), note],
        });
    }
    page.gap();
    table.write(page, 2);
}

/// Threads of one chain that are listed before the rest is counted.
const CHAIN: usize = 8;

/// The threads blocked through a verdict, each below the one that it needs.
fn chain(page: &mut Page, case: &Case<'_>, diagnosis: &Diagnosis, verdict: &Verdict) {
    let blocked = |tid: &u32| diagnosis.parked.iter().find(|parked| parked.tid == *tid);
    // One thread that its own verdict tells of needs no list, unless nothing else says where it waits.
    let needs_list = verdict.id == VerdictId::BusyPoll || verdict.evidence.is_empty();
    if verdict.blocks.is_empty() || verdict.blocks.len() < 2 && !needs_list {
        return;
    }
    page.gap();
    page.labelled("blocked", PLAIN, &words::count(verdict.blocks.len() as u64, "thread"));
    let mut order: Vec<(u32, usize)> = Vec::new();
    for root in &verdict.threads {
        below(diagnosis, verdict, *root, 0, &mut order);
    }
    let listed: Vec<u32> = order.iter().map(|(tid, _)| *tid).collect();
    order.extend(verdict.blocks.iter().filter(|tid| !listed.contains(tid)).map(|tid| (*tid, 1)));
    let limit = if page.layout.all { usize::MAX } else { CHAIN };
    for (tid, depth) in order.iter().take(limit) {
        let depth = (*depth).min(6);
        let branch = if depth == 0 { "" } else { page.branch() };
        let text = blocked(tid)
            .map_or_else(|| "is not parked for ever".to_owned(), |parked| wait_of(case, parked, depth > 0));
        let text = format!("{branch}{} {text}", words::thread(case, *tid));
        page.hanging(4 + 3 * depth.saturating_sub(1), 3 + width_of(branch), &text);
    }
    if order.len() > limit {
        hint(page, &format!("  and {} more: --all", order.len() - limit));
    }
}

/// The threads that need `tid`, depth first; each once.
fn below(diagnosis: &Diagnosis, verdict: &Verdict, tid: u32, depth: usize, order: &mut Vec<(u32, usize)>) {
    if order.iter().any(|(listed, _)| *listed == tid) {
        return;
    }
    order.push((tid, depth));
    for parked in &diagnosis.parked {
        let needs = parked.needs.as_ref().is_some_and(|need| need.tid == tid);
        if needs && verdict.blocks.contains(&parked.tid) && !verdict.threads.contains(&parked.tid) {
            below(diagnosis, verdict, parked.tid, depth + 1, order);
        }
    }
}

/// `waits for 0x1010 at intro_video+0x1c since 1.234 ms: needs thread 1, which made it`.
fn wait_of(case: &Case<'_>, parked: &Parked, with_need: bool) -> String {
    let on: Vec<String> = parked.on.iter().map(|handle| words::hex(*handle)).collect();
    let at = parked.lr.map_or_else(String::new, |lr| format!(" at {}", words::place(case.symbols, lr)));
    let since = parked.since.map_or_else(String::new, |since| format!(" since {}", words::time(since)));
    let need = parked.needs.as_ref().filter(|_| with_need);
    let need = need.map_or_else(String::new, |need| format!(": thread {} {}", need.tid, need.how));
    format!("waits for {}{at}{since}{need}", words::list(&on))
}
