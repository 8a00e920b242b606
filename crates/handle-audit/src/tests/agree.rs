//! Compares a snapshot with the model, field by field.

use super::model::{Generation, Model, Numbered, Told};
use crate::{
    AUDIT_RING_CAPACITY, EntryList, FIRST_ENTRIES, HandleAuditTrail, MAX_OPEN_WAITS, Operation,
    PREVIOUS_RECORDS, PreviousGeneration, Snapshot, ThreadTrail, TrailEntry,
};

/// Panics at the first difference between what was folded and what the model says it means.
pub(crate) fn agree(snapshot: &Snapshot, model: &Model, origin: u64) {
    let handles: Vec<u32> = snapshot.trails.iter().map(|trail| trail.handle).collect();
    assert_eq!(handles, model.handles.keys().copied().collect::<Vec<_>>(), "handles with a trail");
    for (trail, generations) in snapshot.trails.iter().zip(model.handles.values()) {
        trails_agree(trail, generations);
    }

    let ghosts: Vec<u32> = snapshot.ghosts.iter().map(|ghost| ghost.handle).collect();
    assert_eq!(ghosts, model.ghosts.keys().copied().collect::<Vec<_>>(), "ghosts");
    for (ghost, signals) in snapshot.ghosts.iter().zip(model.ghosts.values()) {
        lists_agree(&ghost.signals, signals);
    }

    let leads = model.leads();
    assert_eq!(snapshot.leads.len(), leads.len(), "leads");
    for (lead, (handle, (first, totals))) in snapshot.leads.iter().zip(leads) {
        assert_eq!((lead.handle, lead.totals), (handle, totals));
        entries_agree(&lead.first, &Numbered { number: 0, told: first });
    }

    let threads = model.threads(origin);
    let tids: Vec<u32> = snapshot.threads.iter().map(|thread| thread.tid).collect();
    assert_eq!(tids, threads.keys().copied().collect::<Vec<_>>(), "guest threads");
    for (thread, records) in snapshot.threads.iter().zip(threads.values()) {
        threads_agree(thread, records);
    }

    assert_eq!(snapshot.losses.unmatched, model.unmatched(), "dropped by rule");
    assert_eq!(snapshot.folded, model.all.len() as u64);
    for account in &snapshot.losses.rings {
        assert_eq!(account.folded, model.folded(account.ring), "folded from ring {}", account.ring);
    }
}

fn trails_agree(trail: &HandleAuditTrail, generations: &[Generation]) {
    let (now, before) = generations.split_last().unwrap();
    assert_eq!(trail.generation, generations.len() as u64);
    assert_eq!(trail.kind, now.create.kind);
    entries_agree(&trail.created, &Numbered { number: 0, told: now.create.clone() });
    let stack = Some(now.create.frames.clone()).filter(|frames| !frames.is_empty());
    assert_eq!(trail.created_stack, stack);

    use Operation::{Signal, Wait, Wake};
    lists_agree(&trail.signals, &now.list(|operation| operation == Signal));
    lists_agree(&trail.waits, &now.list(|operation| operation == Wait));
    lists_agree(&trail.wakes, &now.list(|operation| operation == Wake));
    lists_agree(&trail.others, &now.list(|operation| !matches!(operation, Signal | Wait | Wake)));
    let counts = trail.counts();
    assert_eq!(
        (counts.signals, counts.waits, counts.wakes),
        (trail.signals.len(), trail.waits.len(), trail.wakes.len())
    );

    assert_eq!(trail.totals, now.totals());
    assert_eq!(trail.aliases, now.names());
    assert_eq!(trail.closed.map(|entry| entry.seq), now.closer().map(|entry| entry.number));
    open_waits_agree(trail, now);
    match (&trail.previous, before.last()) {
        (None, None) => {}
        (Some(previous), Some(before)) => previous_agree(previous, before, generations.len() as u64 - 1),
        (previous, _) => panic!("{} generations, but {previous:?}", generations.len()),
    }
}

/// Waits beyond the bound are only counted. What the host promises, one open wait for a thread and a handle, makes
/// that count exact; arbitrary records do not keep the promise.
fn open_waits_agree(trail: &HandleAuditTrail, now: &Generation) {
    if now.most_open_waits() <= MAX_OPEN_WAITS {
        all_agree(&trail.open_waits, &now.open_waits());
        assert_eq!(trail.open_waits_not_kept, 0);
    }
}

fn previous_agree(previous: &PreviousGeneration, before: &Generation, number: u64) {
    assert_eq!((previous.generation, previous.kind), (number, before.create.kind));
    entries_agree(&previous.created, &Numbered { number: 0, told: before.create.clone() });
    all_agree(previous.closed.as_slice(), before.closer().as_slice());
    assert_eq!(previous.totals, before.totals());
    all_agree(&previous.last, &before.history[before.history.len().saturating_sub(PREVIOUS_RECORDS)..]);
    if before.most_open_waits() <= MAX_OPEN_WAITS {
        all_agree(&previous.open_waits, &before.open_waits());
    }
}

fn lists_agree(list: &EntryList, history: &[Numbered]) {
    assert_eq!(list.total(), history.len() as u64);
    assert_eq!(list.is_empty(), history.is_empty());
    all_agree(list.first(), &history[..history.len().min(FIRST_ENTRIES)]);
    let newest: Vec<TrailEntry> = list.iter().copied().collect();
    assert_eq!(newest.len(), list.len());
    all_agree(&newest, &history[history.len().saturating_sub(AUDIT_RING_CAPACITY)..]);
    let held: Vec<TrailEntry> = list.held().copied().collect();
    let forgotten = FIRST_ENTRIES.min(history.len())..history.len().saturating_sub(AUDIT_RING_CAPACITY);
    let remembered: Vec<Numbered> = (0..history.len())
        .filter(|index| !forgotten.contains(index))
        .map(|index| history[index].clone())
        .collect();
    all_agree(&held, &remembered);
}

fn all_agree(entries: &[TrailEntry], expected: &[Numbered]) {
    assert_eq!(entries.len(), expected.len());
    for (entry, expected) in entries.iter().zip(expected) {
        entries_agree(entry, expected);
    }
}

fn entries_agree(entry: &TrailEntry, expected: &Numbered) {
    let told = &expected.told;
    let wanted =
        TrailEntry { seq: expected.number, operation: told.operation, ring: told.ring, entry: told.entry };
    assert_eq!(*entry, wanted);
}

fn threads_agree(thread: &ThreadTrail, records: &[Told]) {
    assert_eq!(thread.total, records.len() as u64);
    let newest = &records[records.len().saturating_sub(AUDIT_RING_CAPACITY)..];
    assert_eq!(thread.last.len(), newest.len());
    for (record, told) in thread.last.iter().zip(newest) {
        assert_eq!(
            (record.handle, record.operation, record.ring, record.position, record.entry),
            (told.handle, told.operation, told.ring, told.position, told.entry)
        );
    }
}
