//! What an audit takes of memory, as the counting allocator of the program sees it.

use std::alloc::System;

use handle_audit::{AuditConfig, HandleAudit, HandleAuditEntry, HandleKind, Operation, Recorder, label};
use stats_alloc::{Region, StatsAlloc};

use crate::workload::handle;

const RING: usize = 1 << 12;

/// Handles with one event that memory is shared out among: enough that the last segment of each kind, which is not
/// used up, counts little.
pub const HANDLES: u32 = 100_000;

/// Those of them that get full lists.
const FULL_HANDLES: u32 = 1 << 14;

/// Entries that fill a list: the first 8 stay, the newest 32 go round.
const FULL: u32 = 40;

/// One operation for each of the four lists.
const LISTS: [Operation; 4] = [Operation::Signal, Operation::Wait, Operation::Wake, Operation::Reset];

/// Bytes.
#[derive(Clone, Copy, Debug)]
pub struct Footprint {
    /// A record in a ring.
    pub record: f64,
    /// A handle after its create and one event, its place in the index included.
    pub one_event: f64,
    /// A handle whose four lists are full.
    pub full: f64,
}

fn held(region: &Region<'_, System>) -> f64 {
    let change = region.change();
    (change.bytes_allocated - change.bytes_deallocated) as f64
}

/// Records `operation` once on each of the first handles, and folds.
fn on_handles(audit: &HandleAudit, recorder: &mut Recorder, handles: u32, operation: Operation) {
    let entry = HandleAuditEntry::new(1, 1, 0x8200_0040, label!("test"), 0);
    for index in 0..handles {
        recorder.record_any(operation, handle(index), HandleKind::EVENT_AUTO, entry);
        if (index as usize).is_multiple_of(RING / 2) {
            audit.flush().expect("the drain lives");
        }
    }
    audit.flush().expect("the drain lives");
}

/// Fills the lists of all handles and counts meanwhile. Nobody else may allocate.
///
/// # Panics
///
/// If a list is not full in the end.
#[must_use]
pub fn footprint(allocator: &StatsAlloc<System>) -> Footprint {
    let region = Region::new(allocator);
    let config = AuditConfig::default().rings(2).ring_capacity(RING).manual();
    let audit = HandleAudit::new(config).expect("rings in range");
    let off = held(&region);
    audit.enable().expect("the drain lives");
    let record = (held(&region) - off) / (2 * RING) as f64;

    // The drain's scratch space belongs to no handle.
    let mut recorder = audit.claim(0).expect("nobody has it");
    let unknown = HandleAuditEntry::new(1, 1, 0, label!("test"), 0);
    (0..RING / 2).for_each(|_| recorder.record_wait(4, unknown));
    audit.flush().expect("the drain lives");
    let before = held(&region);
    on_handles(&audit, &mut recorder, HANDLES, Operation::Create);
    on_handles(&audit, &mut recorder, HANDLES, Operation::Signal);
    let with_one = held(&region);
    let one_event = (with_one - before) / f64::from(HANDLES);
    for operation in LISTS {
        let entries = if operation == Operation::Signal { FULL - 1 } else { FULL };
        (0..entries).for_each(|_| on_handles(&audit, &mut recorder, FULL_HANDLES, operation));
    }
    let full = one_event + (held(&region) - with_one) / f64::from(FULL_HANDLES);
    let trail = audit.trail(handle(7)).expect("it was created");
    assert_eq!([trail.signals.len(), trail.waits.len(), trail.wakes.len(), trail.others.len()], [32; 4]);
    Footprint { record, one_event, full }
}
