//! The report for a person: what hangs, because of whom, what next; then the handles worth a look.

mod finding;
mod handles;
mod header;
mod paint;
mod table;
mod threads;

use crate::explain::Explanation;
use crate::input::Case;
use crate::judge::Diagnosis;
use crate::verdict::{Confidence, Evidence, Verdict, VerdictId};
use crate::words;
use paint::{BOLD, DIM, PLAIN, Page, of_confidence, paint};

pub use handles::show;
pub use paint::Layout;

/// Verdicts that the first screen shows whole; the others take a line each.
const WHOLE: usize = 3;

/// The report. Styles are embedded as escape sequences; strip them where colour is not wanted.
#[must_use]
pub fn report(case: &Case<'_>, diagnosis: &Diagnosis, layout: &Layout) -> String {
    let mut page = Page::new(*layout);
    header::write(&mut page, case, diagnosis);
    let shown: Vec<&Verdict> = diagnosis.verdicts.iter().filter(|verdict| verdict.root.is_none()).collect();
    let (whole, brief) = split(&shown, layout);
    for verdict in &whole {
        page.gap();
        finding::write(&mut page, case, diagnosis, verdict);
    }
    if !brief.is_empty() {
        page.gap();
        page.line(&paint(BOLD, if whole.is_empty() { "Verdicts" } else { "Also" }));
        for verdict in brief {
            finding::brief(&mut page, verdict);
        }
    }
    if !layout.quiet {
        threads::write(&mut page, case, diagnosis);
        handles::write(&mut page, case, diagnosis);
    }
    page.into_text()
}

/// What is shown whole: the findings first; where there is none, what comes instead.
fn split<'v>(shown: &[&'v Verdict], layout: &Layout) -> (Vec<&'v Verdict>, Vec<&'v Verdict>) {
    let limit = if layout.all { usize::MAX } else { WHOLE };
    let findings = shown.iter().filter(|verdict| verdict.is_finding(Confidence::Likely)).count();
    let leads = shown.iter().take_while(|verdict| verdict.id != VerdictId::IdleByDesign).count().min(1);
    let whole = if layout.quiet { 0 } else { findings.max(leads).min(limit) };
    let (whole, brief) = shown.split_at(whole.min(shown.len()));
    (whole.to_vec(), brief.to_vec())
}

/// One piece of evidence on one line: when, who, what, on which handle, by which export, from where.
#[must_use]
pub fn evidence_line(case: &Case<'_>, evidence: &Evidence) -> String {
    let handle = words::hex(evidence.handle);
    let note = if evidence.note.is_empty() { String::new() } else { format!(": {}", evidence.note) };
    match &evidence.record {
        Some(record) => {
            let entry = &record.entry;
            let at = words::place(case.symbols, entry.lr);
            let when = words::time(entry.cycle);
            let who = words::thread(case, entry.tid);
            format!("{when} {who} {} {handle} {} at {at}{note}", record.operation, entry.source)
        }
        None => format!("{handle}{note}"),
    }
}

/// The text of `explain ID`.
pub(crate) fn explained(id: VerdictId, explanation: &Explanation, layout: &Layout) -> String {
    let mut page = Page::new(*layout);
    let most = match id.at_most() {
        Confidence::Unknown => "not a finding".to_owned(),
        most => format!("at most {most}"),
    };
    page.line(&format!("{}  {}", paint(BOLD, &format!("{id} {}", id.name())), paint(DIM, &most)));
    page.gap();
    page.wrapped(2, PLAIN, explanation.means);
    page.gap();
    page.labelled("example", PLAIN, explanation.example);
    page.gap();
    for (index, cause) in explanation.causes.iter().enumerate() {
        page.labelled(if index == 0 { "causes" } else { "" }, PLAIN, cause);
    }
    page.gap();
    page.labelled("next", BOLD, explanation.next);
    page.into_text()
}

/// `HT01 promise-broken  STRONG`.
fn title(verdict: &Verdict) -> String {
    let sure = match verdict.confidence {
        Confidence::Unknown => String::new(),
        confidence => format!("  {}", paint(of_confidence(confidence), confidence.name())),
    };
    format!("{} {}{sure}", paint(BOLD, verdict.id.code()), paint(BOLD, verdict.id.name()))
}

/// What a reader can do with a handle that a section names.
fn hint(page: &mut Page, text: &str) {
    page.wrapped(2, DIM, text);
}

fn plain(page: &mut Page, indent: usize, text: &str) {
    page.wrapped(indent, PLAIN, text);
}
