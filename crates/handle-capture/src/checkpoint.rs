//! A checkpoint as frames: the state that everything before it has led to.
//!
//! The begin frame holds the counts, part frames hold items one after another, the end frame says how many there
//! were. A checkpoint without its end was being written when the process died, and is not used.

use handle_audit::{
    AUDIT_RING_CAPACITY, Checkpoint, Coverage, Frame, Gap, GhostTrail, HandleAuditTrail, HandleKind, Lead,
    MAX_ALIASES, MAX_OPEN_WAITS, MAX_RINGS, MAX_STACK_FRAMES, PREVIOUS_RECORDS, PreviousGeneration,
    RingAccount, ThreadRecord, ThreadTrail,
};

use crate::frame::{Kind, MAX_BODY_WORDS};
use crate::words::{Glass, LabelOf, Pen};

/// Handles of a focus that a capture keeps. A longer list is cut.
pub(crate) const MAX_FOCUS: usize = 4096;

/// Places of records that were taken and not folded, in one item.
const PENDING_PER_ITEM: usize = 1024;

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
enum Item {
    Trail = 1,
    Ghost = 2,
    Lead = 3,
    Thread = 4,
    Gap = 5,
    Pending = 6,
}

/// A checkpoint as the bodies of its frames, at most about `budget` words of them. Trails beyond that are left out,
/// those without an open wait first; says how many.
pub(crate) fn encode(checkpoint: &Checkpoint, budget: usize) -> (Vec<(Kind, Vec<u64>)>, u64) {
    let mut frames = vec![(Kind::CheckpointBegin, begin(checkpoint))];
    let mut part = Pen::default();
    let mut used = 0;
    let mut items = 0;
    let mut put = |kind: Item, body: Pen, frames: &mut Vec<(Kind, Vec<u64>)>| {
        let fits = used + body.words.len() <= budget;
        if fits {
            if part.words.len() + body.words.len() + 2 > MAX_BODY_WORDS {
                frames.push((Kind::CheckpointPart, std::mem::take(&mut part.words)));
            }
            part.word(kind as u64);
            part.word(body.words.len() as u64);
            part.words.extend(&body.words);
            (used, items) = (used + body.words.len() + 2, items + 1);
        }
        fits
    };
    let state = &checkpoint.state;
    for places in checkpoint.pending.chunks(PENDING_PER_ITEM) {
        put(Item::Pending, pending(places), &mut frames);
    }
    state.losses.gaps.iter().for_each(|gap| _ = put(Item::Gap, write_gap(gap), &mut frames));
    let mut omitted = 0;
    let mut all = |kind, body| omitted += u64::from(!put(kind, body, &mut frames));
    let (waited, others): (Vec<_>, Vec<_>) =
        state.trails.iter().partition(|trail| !trail.open_waits.is_empty());
    state.ghosts.iter().for_each(|ghost| all(Item::Ghost, write_ghost(ghost)));
    state.leads.iter().for_each(|lead| all(Item::Lead, write_lead(lead)));
    state.threads.iter().for_each(|thread| all(Item::Thread, write_thread(thread)));
    waited.into_iter().chain(others).for_each(|trail| all(Item::Trail, write_trail(trail)));
    frames.push((Kind::CheckpointPart, part.words));
    frames.push((Kind::CheckpointEnd, vec![items, omitted]));
    (frames, omitted)
}

fn begin(checkpoint: &Checkpoint) -> Vec<u64> {
    let mut pen = Pen::default();
    let state = &checkpoint.state;
    pen.word(state.folded);
    coverage(&mut pen, state.coverage);
    pen.word(state.losses.threads_not_kept);
    pen.counts(&state.losses.unmatched);
    pen.list(state.focus.iter().take(MAX_FOCUS).collect::<Vec<_>>().into_iter(), |pen, handle| {
        pen.word(handle.into());
    });
    pen.list(state.losses.rings.iter().zip(&checkpoint.taken), |pen, (ring, taken)| {
        pen.word(*taken);
        pen.counts(&ring.folded);
    });
    pen.words
}

/// Two words: late start, pauses.
pub(crate) fn coverage(pen: &mut Pen, coverage: Coverage) {
    pen.word(coverage.late_start.into());
    pen.word(coverage.pauses);
}

pub(crate) fn read_coverage(glass: &mut Glass<'_>) -> Option<Coverage> {
    Some(Coverage { late_start: glass.word()? != 0, pauses: glass.count()? })
}

fn pending(places: &[(u8, u64)]) -> Pen {
    let mut pen = Pen::default();
    pen.list(places.iter(), |pen, (ring, position)| {
        pen.word(u64::from(*ring));
        pen.word(*position);
    });
    pen
}

fn write_gap(gap: &Gap) -> Pen {
    let mut pen = Pen::default();
    pen.word(gap.ring.into());
    pen.word(gap.first_cycle);
    pen.word(gap.last_cycle);
    pen.counts(&gap.rejected);
    pen
}

fn read_gap(glass: &mut Glass<'_>) -> Option<Gap> {
    Some(Gap {
        ring: glass.word()?.try_into().ok()?,
        first_cycle: glass.word()?,
        last_cycle: glass.word()?,
        rejected: glass.counts()?,
    })
}

fn write_ghost(ghost: &GhostTrail) -> Pen {
    let mut pen = Pen::default();
    pen.word(ghost.handle.into());
    pen.entries(&ghost.signals);
    pen
}

fn write_lead(lead: &Lead) -> Pen {
    let mut pen = Pen::default();
    pen.word(lead.handle.into());
    pen.trail_entry(&lead.first);
    pen.counts(&lead.totals);
    pen
}

fn write_thread(thread: &ThreadTrail) -> Pen {
    let mut pen = Pen::default();
    pen.word(thread.tid.into());
    pen.word(thread.total);
    pen.list(thread.last.iter(), |pen, record| {
        pen.word(record.handle.into());
        pen.word(record.position);
        pen.entry(&record.entry, record.operation, record.ring);
    });
    pen
}

fn read_thread(glass: &mut Glass<'_>) -> Option<ThreadTrail> {
    Some(ThreadTrail {
        tid: glass.u32()?,
        total: glass.count()?,
        last: glass
            .list(AUDIT_RING_CAPACITY, |glass| {
                let (handle, position) = (glass.u32()?, glass.word()?);
                let (entry, operation, ring) = glass.entry()?;
                Some(ThreadRecord { handle, operation, ring, position, entry })
            })?
            .into(),
    })
}

fn write_trail(trail: &HandleAuditTrail) -> Pen {
    let mut pen = Pen::default();
    pen.word(trail.handle.into());
    pen.word(trail.generation);
    pen.word(trail.kind.label().id().into());
    pen.trail_entry(&trail.created);
    pen.option(trail.created_stack.as_ref(), |pen, stack| {
        pen.list(stack.iter(), |pen, frame| pen.word(u64::from(frame.frame) | u64::from(frame.lr) << 32));
    });
    [&trail.signals, &trail.waits, &trail.wakes, &trail.others]
        .into_iter()
        .for_each(|list| pen.entries(list));
    pen.list(trail.aliases.iter(), |pen, name| pen.word((*name).into()));
    pen.list(trail.open_waits.iter(), Pen::trail_entry);
    pen.word(trail.open_waits_not_kept);
    pen.option(trail.closed.as_ref(), Pen::trail_entry);
    pen.counts(&trail.totals);
    pen.option(trail.previous.as_deref(), write_previous);
    pen
}

fn write_previous(pen: &mut Pen, previous: &PreviousGeneration) {
    pen.word(previous.generation);
    pen.word(previous.kind.label().id().into());
    pen.trail_entry(&previous.created);
    pen.option(previous.closed.as_ref(), Pen::trail_entry);
    pen.counts(&previous.totals);
    pen.list(previous.last.iter(), Pen::trail_entry);
    pen.list(previous.open_waits.iter(), Pen::trail_entry);
}

fn read_previous(glass: &mut Glass<'_>) -> Option<PreviousGeneration> {
    Some(PreviousGeneration {
        generation: glass.count()?,
        kind: read_kind(glass)?,
        created: glass.trail_entry()?,
        closed: glass.option(Glass::trail_entry)?,
        totals: glass.counts()?,
        last: glass.list(PREVIOUS_RECORDS, Glass::trail_entry)?,
        open_waits: glass.list(MAX_OPEN_WAITS, Glass::trail_entry)?,
    })
}

fn read_kind(glass: &mut Glass<'_>) -> Option<HandleKind> {
    let id = glass.word()?;
    Some(HandleKind::host(glass.label(id)))
}

fn read_trail(glass: &mut Glass<'_>) -> Option<HandleAuditTrail> {
    Some(HandleAuditTrail {
        handle: glass.u32()?,
        generation: glass.count()?,
        kind: read_kind(glass)?,
        created: glass.trail_entry()?,
        created_stack: glass.option(|glass| {
            glass.list(MAX_STACK_FRAMES, |glass| {
                let word = glass.word()?;
                Some(Frame { frame: word as u32, lr: (word >> 32) as u32 })
            })
        })?,
        signals: glass.entries()?,
        waits: glass.entries()?,
        wakes: glass.entries()?,
        others: glass.entries()?,
        aliases: glass.list(MAX_ALIASES, Glass::u32)?,
        open_waits: glass.list(MAX_OPEN_WAITS, Glass::trail_entry)?,
        open_waits_not_kept: glass.count()?,
        closed: glass.option(Glass::trail_entry)?,
        totals: glass.counts()?,
        previous: glass.option(read_previous)?.map(Box::new),
    })
}

/// Puts a checkpoint together from its frames.
#[derive(Debug)]
pub(crate) struct Assembly {
    checkpoint: Checkpoint,
    items: u64,
    sound: bool,
}

impl Assembly {
    /// Begins with the begin frame's body; `None` if it cannot be one of a capture with so many rings.
    pub(crate) fn begin(words: &[u64], labels: &dyn LabelOf, rings: u64) -> Option<Self> {
        let mut glass = Glass { words, labels };
        let mut checkpoint = Checkpoint::default();
        let state = &mut checkpoint.state;
        state.folded = glass.count()?;
        state.coverage = read_coverage(&mut glass)?;
        state.losses.threads_not_kept = glass.count()?;
        state.losses.unmatched = glass.counts()?;
        state.focus = glass.list(MAX_FOCUS, Glass::u32)?.into_iter().collect();
        let accounts = glass.list(MAX_RINGS, |glass| Some((glass.word()?, glass.counts()?)))?;
        for (ring, (taken, folded)) in (0..).zip(accounts) {
            state.losses.rings.push(RingAccount { ring, folded, ..RingAccount::default() });
            checkpoint.taken.push(taken);
        }
        (checkpoint.taken.len() as u64 == rings).then_some(Self { checkpoint, items: 0, sound: true })
    }

    /// Adds the items of a part frame.
    pub(crate) fn part(&mut self, words: &[u64], labels: &dyn LabelOf) {
        let mut glass = Glass { words, labels };
        while let (Some(kind), Some(length)) = (glass.word(), glass.word()) {
            let Some((item, rest)) =
                usize::try_from(length).ok().and_then(|n| glass.words.split_at_checked(n))
            else {
                self.sound = false;
                return;
            };
            glass.words = rest;
            self.sound &= self.item(kind, &mut Glass { words: item, labels }).is_some();
            self.items += 1;
        }
    }

    fn item(&mut self, kind: u64, glass: &mut Glass<'_>) -> Option<()> {
        let state = &mut self.checkpoint.state;
        match kind {
            kind if kind == Item::Trail as u64 => state.trails.push(read_trail(glass)?),
            kind if kind == Item::Ghost as u64 => {
                state.ghosts.push(GhostTrail { handle: glass.u32()?, signals: glass.entries()? });
            }
            kind if kind == Item::Lead as u64 => state.leads.push(Lead {
                handle: glass.u32()?,
                first: glass.trail_entry()?,
                totals: glass.counts()?,
            }),
            kind if kind == Item::Thread as u64 => state.threads.push(read_thread(glass)?),
            kind if kind == Item::Gap as u64 => state.losses.gaps.push(read_gap(glass)?),
            kind if kind == Item::Pending as u64 => {
                let places = glass.list(PENDING_PER_ITEM, |glass| {
                    Some((u8::try_from(glass.word()?).ok()?, glass.word()?))
                })?;
                self.checkpoint.pending.extend(places);
            }
            _ => return None,
        }
        Some(())
    }

    /// The checkpoint, if the end frame agrees and every item could be.
    pub(crate) fn end(mut self, words: &[u64]) -> Option<(Checkpoint, u64)> {
        let [items, omitted] = *words else { return None };
        let state = &mut self.checkpoint.state;
        state.trails.sort_by_key(|trail| trail.handle);
        self.checkpoint.pending.sort_unstable();
        (self.sound && self.items == items).then_some((self.checkpoint, omitted))
    }
}
