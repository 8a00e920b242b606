//! HT02: created, waited on for ever, never signalled. The last resort, where nothing more specific fits.

use handle_audit::Operation;

use crate::graph::open_promise;
use crate::object::Class;
use crate::rules::stub::stubs_near;
use crate::rules::{Finding, Known, Suspect};
use crate::verdict::{Confidence, VerdictId};
use crate::words;

/// Stubs that are shown.
const MAX_STUBS: usize = 4;

pub(super) fn signalled(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.present()?;
    if !is_untouched(suspect, known) && !is_used_up(suspect, known) {
        return None;
    }
    let stubs = stubs_near(suspect.view, known, suspect.blocked.tid);
    let mut finding = suspect.finding(VerdictId::NeverSignalled, Confidence::Likely);
    let creator = known.history.created.entry;
    finding.culprit = Some(match stubs.first() {
        Some(stub) => stub.entry().source.to_string(),
        None => suspect.function(creator.lr),
    });
    let in_view_of_stubs = match stubs.first() {
        Some(stub) => format!("; {}, which is not implemented, may have been meant to", stub.entry().source),
        None => String::new(),
    };
    let maker = match creator.tid {
        tid if tid == suspect.blocked.tid => "it made itself".to_owned(),
        tid => format!("{} made", suspect.thread(tid)),
    };
    finding.summary =
        format!("{}, which {maker} and nobody ever signalled{in_view_of_stubs}.", suspect.opening());
    finding.evidence.extend(suspect.created());
    finding.evidence.extend(stubs.iter().take(MAX_STUBS).map(|stub| suspect.stub(stub)));
    finding.evidence.push(suspect.wait());
    finding.next = match stubs.first() {
        Some(stub) => format!("Implement {}, then run again.", stub.entry().source),
        None => format!(
            "Read {} and find who is to signal {}; then see why that code does not run.",
            suspect.function(creator.lr),
            words::hex(suspect.member.handle)
        ),
    };
    Some(finding)
}

/// Born signalled, and what it was born with is gone: a lock that is taken twice.
fn is_used_up(suspect: &Suspect<'_, '_>, known: &Known<'_, '_>) -> bool {
    suspect.blocked.for_ever
        && known.object.total(Operation::Signal) + known.object.total(Operation::Pulse) == 0
        && is_signallable(known.history.class)
        && known.state.count == Some(0)
        && open_promise(known.history).is_none()
}

fn is_signallable(class: Class) -> bool {
    matches!(class, Class::ManualEvent | Class::AutoEvent | Class::Semaphore | Class::Other)
}

/// Waited on for ever, and neither signalled, pulsed, promised nor born signalled.
pub(super) fn is_untouched(suspect: &Suspect<'_, '_>, known: &Known<'_, '_>) -> bool {
    let signals = known.object.total(Operation::Signal) + known.object.total(Operation::Pulse);
    let born_with = known.history.class != Class::Other && known.history.created.entry.aux as u32 != 0;
    is_signallable(known.history.class)
        && suspect.blocked.for_ever
        && signals == 0
        && !born_with
        && open_promise(known.history).is_none()
}
