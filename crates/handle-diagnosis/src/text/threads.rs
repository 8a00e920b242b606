//! The threads: where each is parked, or what it does.

use crate::input::{Case, ThreadInfo};
use crate::judge::{Diagnosis, Parked};
use crate::text::paint::{BOLD, Page, paint};
use crate::text::table::{Column, Table, cell};
use crate::text::{hint, plain};
use crate::words;

/// Threads that are listed before the rest is counted.
const THREADS: usize = 16;

pub(super) fn write(page: &mut Page, case: &Case<'_>, diagnosis: &Diagnosis) {
    let limit = if page.layout.all { usize::MAX } else { THREADS };
    let mut table = Table::new(&[
        Column::identifier("tid"),
        Column::identifier("state"),
        Column::identifier("on"),
        Column::figure("since", 1),
        Column::identifier("at"),
        Column::prose("needs"),
    ]);
    let listed: Vec<&ThreadInfo> = case.threads.into_iter().flatten().collect();
    let total = if case.threads.is_some() { listed.len() } else { diagnosis.parked.len() };
    if total == 0 {
        return;
    }
    let parked = |tid: u32| diagnosis.parked.iter().find(|parked| parked.tid == tid);
    if case.threads.is_some() {
        for thread in listed.iter().take(limit) {
            table.row(row(case, thread.tid, Some(thread), parked(thread.tid)));
        }
    } else {
        for one in diagnosis.parked.iter().take(limit) {
            table.row(row(case, one.tid, None, Some(one)));
        }
    }
    page.gap();
    page.line(&paint(
        BOLD,
        if case.threads.is_some() { "Threads" } else { "Parked threads, by their records" },
    ));
    table.write(page, 2);
    if total > limit {
        hint(page, &format!("and {} more: --all", total - limit));
    }
    if page.layout.all {
        stacks(page, case);
    }
}

fn row(
    case: &Case<'_>,
    tid: u32,
    thread: Option<&ThreadInfo>,
    parked: Option<&Parked>,
) -> Vec<crate::text::table::Cell> {
    let main = if case.is_main(tid) { " main" } else { "" };
    let state = thread.map_or("waiting", |thread| thread.state.name());
    let on = match (parked, thread) {
        (Some(parked), _) => parked.on.iter().map(|handle| words::hex(*handle)).collect::<Vec<_>>().join(" "),
        (None, Some(thread)) if thread.deadline.is_some() => "time".to_owned(),
        _ => String::new(),
    };
    let all = if thread.is_some_and(|thread| thread.all && thread.on.len() > 1) { " (all)" } else { "" };
    let at = parked.and_then(|parked| parked.lr).or_else(|| thread?.place());
    let needs = parked.and_then(|parked| parked.needs.as_ref());
    vec![
        cell(format!("{tid}{main}")),
        cell(state),
        cell(format!("{on}{all}")),
        cell(parked.and_then(|parked| parked.since).map_or_else(String::new, words::time)),
        cell(at.map_or_else(String::new, |at| words::place(case.symbols, at))),
        cell(needs.map_or_else(String::new, |need| format!("{}: {}", need.tid, need.how))),
    ]
}

fn stacks(page: &mut Page, case: &Case<'_>) {
    for thread in case.threads.into_iter().flatten().filter(|thread| !thread.stack.is_empty()) {
        page.gap();
        page.line(&format!("  {}", words::sentence(&words::thread(case, thread.tid))));
        for frame in &thread.stack {
            plain(page, 4, &format!("{} {}", words::hex(frame.frame), words::place(case.symbols, frame.lr)));
        }
    }
}
