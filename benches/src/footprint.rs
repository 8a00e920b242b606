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

/// Records `operation` once on each of the handles, and folds.
fn on_handles(
    audit: &HandleAudit,
    recorder: &mut Recorder,
    handles: impl Iterator<Item = u32>,
    operation: Operation,
) {
    let entry = HandleAuditEntry::new(1, 1, 0x8200_0040, label!("test"), 0);
    for (index, handle) in handles.enumerate() {
        recorder.record_any(operation, handle, HandleKind::EVENT_AUTO, entry);
        if index.is_multiple_of(RING / 2) {
            audit.flush().expect("the drain lives");
        }
    }
    audit.flush().expect("the drain lives");
}

/// The drain's scratch space belongs to no handle: it has it before anything is counted.
fn with_scratch(audit: &HandleAudit) -> Recorder {
    let mut recorder = audit.claim(0).expect("nobody has it");
    let unknown = HandleAuditEntry::new(1, 1, 0, label!("test"), 0);
    (0..RING / 2).for_each(|_| recorder.record_wait(4, unknown));
    audit.flush().expect("the drain lives");
    recorder
}

/// Where handles lie: the first, the step from one to the next, how many there are.
pub const PLACES: [(&str, u32, u32, u32); 5] = [
    ("dense", 0xF800_0000, 4, HANDLES),
    ("addresses of objects", 0x8200_0000, 32, HANDLES),
    ("in steps of 64", 0xF800_0000, 64, HANDLES),
    ("dense", 0xF800_0000, 4, 10_000),
    ("dense", 0xF800_0000, 4, 1_000),
];

/// Bytes of a handle after its create and one event, by where handles lie. Nobody else may allocate.
#[must_use]
pub fn one_event_at(allocator: &StatsAlloc<System>, first: u32, step: u32, handles: u32) -> f64 {
    let config = AuditConfig::default().rings(2).ring_capacity(RING).enabled(true).manual();
    let audit = HandleAudit::new(config).expect("rings in range");
    let mut recorder = with_scratch(&audit);
    let region = Region::new(allocator);
    for operation in [Operation::Create, Operation::Signal] {
        on_handles(&audit, &mut recorder, (0..handles).map(|index| first + index * step), operation);
    }
    let bytes = held(&region) / f64::from(handles);
    let last = audit.trail(first + (handles - 1) * step).expect("it was created");
    assert_eq!(last.signals.len(), 1);
    bytes
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

    let mut recorder = with_scratch(&audit);
    let before = held(&region);
    on_handles(&audit, &mut recorder, (0..HANDLES).map(handle), Operation::Create);
    on_handles(&audit, &mut recorder, (0..HANDLES).map(handle), Operation::Signal);
    let with_one = held(&region);
    let one_event = (with_one - before) / f64::from(HANDLES);
    for operation in LISTS {
        let entries = if operation == Operation::Signal { FULL - 1 } else { FULL };
        for _ in 0..entries {
            on_handles(&audit, &mut recorder, (0..FULL_HANDLES).map(handle), operation);
        }
    }
    let full = one_event + (held(&region) - with_one) / f64::from(FULL_HANDLES);
    let trail = audit.trail(handle(7)).expect("it was created");
    assert_eq!([trail.signals.len(), trail.waits.len(), trail.wakes.len(), trail.others.len()], [32; 4]);
    Footprint { record, one_event, full }
}
