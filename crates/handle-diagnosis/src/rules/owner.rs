//! HT09: the owner of a mutant or a critical section ended without releasing it.

use crate::graph::exit_record;
use crate::rules::{Finding, Suspect};
use crate::verdict::{Confidence, VerdictId};
use crate::view::Activity;
use crate::words;

pub(super) fn dead(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.present()?;
    let owner = known.state.owner?;
    if suspect.view.activity(owner.tid) != Activity::Exited {
        return None;
    }
    let exit = exit_record(suspect.view, owner.tid);
    let thread_handle = suspect.view.thread_object(owner.tid).map_or(0, |object| object.handle());
    let mut finding = suspect.finding(VerdictId::OwnerDead, Confidence::Proven);
    finding.culprit = Some(format!("thread {}", owner.tid));
    finding.summary = format!(
        "{}; its owner, {}, ended without releasing it.",
        suspect.opening(),
        suspect.thread(owner.tid)
    );
    finding.evidence.extend(suspect.created());
    finding.evidence.extend(owner.acquired.and_then(|acquired| suspect.step(acquired, "acquired")));
    let last_words = match exit {
        Some(_) => "ended as its owner",
        None => "ended as its owner, says the host; the exit was not recorded",
    };
    finding.evidence.push(suspect.record(
        thread_handle,
        exit.copied(),
        format!("thread {} {last_words}", owner.tid),
    ));
    finding.evidence.push(suspect.wait());
    let acquired_at = owner.acquired.map(|acquired| known.history.steps[acquired].entry().lr);
    finding.next = format!(
        "Follow thread {} from {} to its exit: the release of {} is missing on that path.",
        owner.tid,
        suspect.place(acquired_at.unwrap_or(known.history.created.entry.lr)),
        words::hex(suspect.member.handle)
    );
    Some(finding)
}
