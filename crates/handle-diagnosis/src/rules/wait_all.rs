//! HT15: a thread waits for all of several, and some of them are unmet.

use crate::rules::stub::is_silent_stub;
use crate::rules::{Finding, Suspect};
use crate::verdict::{Confidence, VerdictId};
use crate::view::{Member, Mode};
use crate::words;

pub(super) fn partial(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let blocked = suspect.blocked;
    let is_met = |member: &Member| {
        let studied = member.object.and_then(|index| suspect.graph.studied.get(&index));
        studied.and_then(|studied| studied.state.count).map(|count| count > 0)
    };
    if blocked.mode != Mode::All || is_met(suspect.member) != Some(false) {
        return None;
    }
    let handles = |met: bool| -> Vec<String> {
        let chosen = blocked.members.iter().filter(|member| (is_met(member) == Some(true)) == met);
        chosen.map(|member| words::hex(member.handle)).collect()
    };
    let (met, unmet) = (handles(true), handles(false));
    if met.is_empty() {
        return None;
    }
    let known = suspect.present()?;
    let last = known.history.last(known.history.steps.len(), |step| step.is_signal());
    let mut finding = suspect.finding(VerdictId::WaitAllPartial, Confidence::Strong);
    let responsible =
        last.map_or(known.history.created.entry.lr, |last| known.history.steps[last].entry().lr);
    let stub = known.history.steps.iter().find(|step| is_silent_stub(step));
    finding.culprit = Some(match stub {
        Some(stub) => stub.entry().source.to_string(),
        None => suspect.function(responsible),
    });
    finding.summary = format!(
        "{} waits for all of {}: {} {} met, {} {} not.",
        words::sentence(&suspect.waiter()),
        words::count(blocked.members.len() as u64, "object"),
        words::list(&met),
        be(&met),
        words::list(&unmet),
        be(&unmet)
    );
    for member in &blocked.members {
        let index = member.object?;
        let studied = suspect.graph.studied.get(&index)?;
        let last = studied.history.last(studied.history.steps.len(), |step| step.is_signal());
        let step = last.map(|last| studied.history.steps[last].record);
        let record = step.unwrap_or(studied.history.created);
        let note = match (is_met(member), step) {
            (Some(true), _) => "met",
            (_, Some(_)) => "unmet: its last signal is used up",
            (_, None) => "unmet: never signalled",
        };
        finding.evidence.push(suspect.record(member.handle, Some(record), note));
    }
    let stub_shown = stub.map(|stub| suspect.record(stub.handle, Some(stub.record), "a stub: did nothing"));
    finding.evidence.extend(stub_shown);
    finding.evidence.push(suspect.wait());
    finding.evidence.sort_by_key(|evidence| evidence.record.map(|record| record.entry.cycle));
    finding.next = match stub {
        Some(stub) => format!("Implement {}, then run again.", stub.entry().source),
        None => format!("Find who is to signal {}; the others are ready.", unmet[0]),
    };
    Some(finding)
}

fn be(items: &[String]) -> &'static str {
    if items.len() == 1 { "is" } else { "are" }
}
