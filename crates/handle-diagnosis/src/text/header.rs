//! The head of a report: how the run ended, what was lost, what could not be seen.

use handle_audit::Operation;

use crate::input::{Case, Ended};
use crate::judge::Diagnosis;
use crate::settle::operations;
use crate::text::paint::{BOLD, PLAIN, Page, WARN, paint, wrap};
use crate::verdict::{Confidence, VerdictId};
use crate::words::{count, digits, hex, list, time};

pub(super) fn write(page: &mut Page, case: &Case<'_>, diagnosis: &Diagnosis) {
    let room = page.layout.width();
    for line in wrap(&format!("{}: {}", case.run.guest, end(case)), room, room) {
        page.line(&paint(BOLD, &line));
    }
    if page.layout.quiet {
        if let Some(lost) = lost(case) {
            page.labelled("losses", WARN, &lost);
        }
        return;
    }
    match lost(case) {
        Some(lost) => page.labelled("losses", WARN, &lost),
        None => page.labelled("losses", PLAIN, &nothing_lost(case)),
    }
    // A verdict that the loss spoilt says so itself.
    let spoilt = diagnosis.verdicts.iter().any(|verdict| verdict.id == VerdictId::InsufficientEvidence);
    if case.snapshot.losses.rejected() > 0 && !spoilt {
        page.labelled("", PLAIN, "--ring-capacity makes the rings larger");
    }
    if let Some(dropped) = dropped(case) {
        page.labelled("", PLAIN, &dropped);
    }
    page.labelled("run", PLAIN, &figures(case));
    for (index, spot) in diagnosis.blind_spots.iter().enumerate() {
        page.labelled(if index == 0 { "blind spots" } else { "" }, WARN, spot);
    }
    if let Some(fault) = &case.run.fault {
        for (index, line) in fault.lines().enumerate() {
            page.labelled(if index == 0 { "fault" } else { "" }, WARN, line);
        }
    }
    page.labelled("verdict", BOLD, &verdict(diagnosis));
}

fn end(case: &Case<'_>) -> String {
    let when = if case.run.cycles > 0 {
        format!(" after {} of guest time", time(case.run.cycles))
    } else {
        String::new()
    };
    match case.run.ended {
        Ended::Finished => match case.run.exit_value {
            Some(value) => format!("finished with {value}{when}"),
            None => format!("finished{when}"),
        },
        Ended::Deadlock => format!("deadlock{when}: no thread can ever run again"),
        Ended::Watchdog => format!("stopped by the watchdog{when}: no progress"),
        Ended::Interrupted => format!("interrupted{when}"),
        Ended::Fault => format!("fault{when}"),
        Ended::Limit => format!("stopped at its limit of instructions{when}"),
    }
}

/// What the rings had to reject, and other reasons to distrust an absence.
fn lost(case: &Case<'_>) -> Option<String> {
    let losses = &case.snapshot.losses;
    let mut parts = Vec::new();
    if losses.rejected() > 0 {
        let counts = losses.rings.iter().fold(handle_audit::OperationCounts::default(), |mut all, ring| {
            all.merge(&ring.rejected);
            all
        });
        let rings = losses.rings.iter().filter(|ring| ring.rejected.total() > 0).count() as u64;
        parts.push(format!(
            "{} of {} lost on {} ({})",
            digits(losses.rejected()),
            count(losses.attempted(), "record"),
            count(rings, "ring"),
            operations(&counts)
        ));
    }
    if !losses.holes().is_empty() {
        parts.push(
            "an unknown number of records is missing: their memory or their file was damaged".to_owned(),
        );
    }
    if losses.late() > 0 {
        parts.push(format!("{} came after the end", count(losses.late(), "record")));
    }
    if losses.stacks_dropped() > 0 {
        parts.push(format!("{} did not fit", count(losses.stacks_dropped(), "stack")));
    }
    if losses.threads_not_kept > 0 {
        parts.push(format!(
            "{} of threads beyond the limit not kept",
            count(losses.threads_not_kept, "record")
        ));
    }
    (!parts.is_empty()).then(|| list(&parts))
}

fn nothing_lost(case: &Case<'_>) -> String {
    match case.snapshot.losses.attempted().max(case.snapshot.folded) {
        0 => "nothing was recorded".to_owned(),
        records => format!("none of {}", count(records, "record")),
    }
}

/// What was dropped by rule: uses of handles that nobody created.
fn dropped(case: &Case<'_>) -> Option<String> {
    let unmatched = &case.snapshot.losses.unmatched;
    if unmatched.total() == 0 {
        return None;
    }
    let first = case
        .snapshot
        .leads
        .iter()
        .find(|lead| lead.totals.get(Operation::Signal) > 0)
        .or(case.snapshot.leads.first());
    let such_as = first.map_or_else(String::new, |lead| format!(", such as {}", hex(lead.handle)));
    Some(format!(
        "{} ({}) named handles that nobody made{such_as}",
        count(unmatched.total(), "record"),
        operations(unmatched)
    ))
}

fn figures(case: &Case<'_>) -> String {
    let run = case.run;
    let threads = case.threads.map_or(case.snapshot.threads.len(), <[_]>::len) as u64;
    let mut parts = vec![count(run.instructions, "instruction"), count(threads, "guest thread")];
    if run.context_switches > 0 {
        parts.push(count(run.context_switches, "context switch"));
        parts.push(count(run.migrations, "migration"));
    }
    parts.push(count(case.snapshot.trails.len() as u64, "handle"));
    parts.push(format!("{:.1} s", run.seconds));
    parts.extend(run.seed.map(|seed| format!("seed {seed}")));
    parts.join(", ")
}

fn verdict(diagnosis: &Diagnosis) -> String {
    let findings: Vec<_> = diagnosis.findings(Confidence::Likely).collect();
    let mut blocked: Vec<u32> = findings.iter().flat_map(|verdict| &verdict.blocks).copied().collect();
    blocked.sort_unstable();
    blocked.dedup();
    match findings.len() as u64 {
        0 => format!("no finding; {} parked", count(diagnosis.parked.len() as u64, "thread")),
        number => format!(
            "{}; {} blocked through {}, {} parked",
            count(number, "finding"),
            count(blocked.len() as u64, "thread"),
            if number == 1 { "it" } else { "them" },
            diagnosis.parked.len()
        ),
    }
}
