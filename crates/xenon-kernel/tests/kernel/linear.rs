//! Trails as histories: what each record says of the state before it must follow from the records before that.

use handle_audit::aux::{WaitAux, signal_amount, signal_previous};
use handle_audit::{HandleAuditTrail, HandleKind, Operation, Snapshot};

use Operation::{Pulse, Reset, Satisfied, Signal, Wait, Wake};

/// Handles are smaller than any address.
pub(crate) const MEMORY: u32 = 0x7000_0000;

/// Replays every trail that is held whole, and panics at the first record that does not follow.
pub(crate) fn check(snapshot: &Snapshot, context: &str) {
    snapshot.trails.iter().for_each(|trail| replay(trail, context));
}

fn replay(trail: &HandleAuditTrail, context: &str) {
    let sequence = trail.sequence();
    let is_whole = (1..).zip(&sequence).all(|(seq, entry)| entry.seq == seq);
    let is_flag = [HandleKind::EVENT_MANUAL, HandleKind::EVENT_AUTO].contains(&trail.kind);
    // A name that an object got later begins a trail in the middle.
    let by_call =
        ["NtCreate", "KeInitialize"].iter().any(|made| trail.created.entry.source.as_str().starts_with(made));
    // Memory can become another object while others still use the old one; and who is parked stays on the name that an
    // object had, while its signals go to the next one.
    let by_call = by_call && (trail.handle < MEMORY || trail.previous.is_none());
    let has_one_name = sequence.iter().all(|entry| entry.operation != Operation::Alias);
    if !is_whole || !has_one_name || !by_call || !(is_flag || trail.kind == HandleKind::SEMAPHORE) {
        return;
    }
    let mut state = trail.created.entry.aux as u32;
    for entry in &sequence {
        let (aux, operation) = (entry.entry.aux, entry.operation);
        let is_met = !matches!(operation, Signal | Reset | Pulse) || signal_previous(aux) == state;
        assert!(is_met, "{context}: {:?} meets state {state}, {entry:?} in {sequence:#?}", trail.handle);
        state = match operation {
            Signal if is_flag => 1,
            Signal => state + signal_amount(aux),
            Reset => 0,
            // Who it lets go follows, and takes what the pulse gave.
            Pulse => return,
            // Which member of several a wait for any took, the status does not say to this one.
            Wait if WaitAux::decode(aux).any => return,
            Satisfied | Wake if aux < 0xC0 && trail.kind != HandleKind::EVENT_MANUAL => {
                assert!(state > 0, "{context}: {entry:?} takes what is not there in {sequence:#?}");
                state - 1
            }
            _ => state,
        };
    }
}
