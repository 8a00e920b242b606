//! The segments of a capture, followed from the oldest to the newest.

use handle_audit::{
    ACCOUNT_WORDS, Captured, CapturedRecord, CapturedSlot, Checkpoint, Gap, LedgerAccount, Replay, Snapshot,
};

use crate::checkpoint::{self, Assembly};
use crate::find;
use crate::frame::{Frame, Frames, Kind};
use crate::layout::{Geometry, Role};
use crate::names::Names;
use crate::read::{Places, decode};
use crate::recovered::{Event, Note};
use crate::rings::RingFound;
use crate::segment::SLOT_WORDS;
use crate::source::Source;
use crate::words::{Glass, MAX_COUNT};

/// How often the newest segments are tried again because the writer came round to them.
const MAX_PASSES: usize = 8;

/// Follows the segments, and folds what they hold.
#[derive(Debug)]
pub(crate) struct History<'a, V> {
    source: &'a dyn Source,
    geometry: Geometry,
    pub(crate) names: &'a Names<'a>,
    visit: V,
    replay: Replay,
    /// What the replay began with.
    base: Checkpoint,
    /// The replay has missed nothing since its beginning.
    exact: bool,
    assembly: Option<Assembly>,
    /// Slots of the rings that were not met in a segment yet.
    waiting: Places,
    /// Per ring, the position after the newest slot that stands in a segment.
    appended: Vec<Option<u64>>,
    ends: Option<Vec<u64>>,
    /// The rings' accounts at the end.
    ledgers: Vec<Option<LedgerAccount>>,
    /// Slots that frames should have had before the next one.
    expected_slots: Option<u64>,
    /// Slots in frames before the oldest segment.
    slots_before: u64,
    slots: u64,
    lost: u64,
    omitted: u64,
    /// The segment that the last frame was in: generation and index.
    last: Option<(u64, u64)>,
    oldest: u64,
    newest: u64,
    kept: u64,
    /// Segments that can be read and were not, because a later checkpoint holds what they led to.
    skipped: u64,
    last_cycle: u64,
}

/// How much of a capture is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What is needed for the state that everything led to.
    State,
    /// All that there is.
    History,
}

impl<'a, V: FnMut(&Event)> History<'a, V> {
    /// Begins. `waiting` are the places of all slots that were found in the rings.
    pub(crate) fn new(
        source: &'a dyn Source,
        geometry: Geometry,
        names: &'a Names<'a>,
        waiting: Places,
        visit: V,
    ) -> Self {
        Self {
            source,
            geometry,
            names,
            visit,
            replay: Replay::new(geometry.rings as usize),
            base: Checkpoint::default(),
            exact: true,
            assembly: None,
            waiting,
            appended: vec![None; geometry.rings as usize],
            ends: None,
            ledgers: Vec::new(),
            expected_slots: None,
            slots_before: 0,
            slots: 0,
            lost: 0,
            omitted: 0,
            last: None,
            oldest: 0,
            newest: 0,
            kept: 0,
            skipped: 0,
            last_cycle: 0,
        }
    }

    /// Follows every segment that can be read, or if the state is enough, those from the newest whole checkpoint on. A
    /// process that runs may overwrite them meanwhile; then the checkpoint of the next one is where it goes on.
    pub(crate) fn read(&mut self, extent: Extent) {
        let mut begin = 0;
        for _ in 0..MAX_PASSES {
            let mut segments = self.generations();
            segments.retain(|(generation, _)| *generation >= begin);
            if begin == 0 && extent == Extent::State {
                self.skip_to_newest_whole(&mut segments);
            }
            if begin > 0 {
                // The writer is fast: it needs longest to come round to the newest.
                segments.drain(..segments.len().saturating_sub(2));
            }
            let mut overtaken = false;
            for (generation, index) in segments {
                self.segment(generation, index);
                begin = generation + 1;
                overtaken = self.is_overtaken((generation, index));
            }
            if !overtaken {
                break;
            }
        }
        if !self.exact && self.lost == 0 {
            // No checkpoint could be used: all that was before the oldest segment is unknown.
            self.lose(self.slots_before);
        }
    }

    /// Leaves out the segments before the newest one that begins with the whole state.
    fn skip_to_newest_whole(&mut self, segments: &mut Vec<(u64, u64)>) {
        let newest = segments.iter().rposition(|segment| self.begins_whole(*segment)).unwrap_or(0);
        self.skipped = segments.drain(..newest).count() as u64;
    }

    /// Whether a segment begins with a checkpoint that is complete and leaves nothing out.
    fn begins_whole(&self, segment: (u64, u64)) -> bool {
        let mut assembly = None;
        for frame in self.frames(segment) {
            match (frame.kind, &mut assembly) {
                (Kind::CheckpointBegin, _) => {
                    assembly = Assembly::begin(&frame.body, self.names, self.geometry.rings);
                }
                (Kind::CheckpointPart, Some(assembly)) => assembly.part(&frame.body, self.names),
                (Kind::CheckpointEnd, _) => {
                    let end = assembly.and_then(|assembly| assembly.end(&frame.body));
                    return matches!(end, Some((_, 0)));
                }
                _ => return false,
            }
        }
        false
    }

    /// Whether a segment was begun anew since its generation was told.
    fn is_overtaken(&self, (generation, index): (u64, u64)) -> bool {
        let block = || find::section(self.source, &self.geometry, Role::Segment, index);
        // It may be read while it is written.
        block().or_else(block).is_some_and(|block| block.generation > generation)
    }

    /// Generations and their segments, oldest first. A segment whose block is damaged gets the generation that its
    /// neighbours leave for it.
    fn generations(&self) -> Vec<(u64, u64)> {
        let segments = self.geometry.segments;
        let block = |index| {
            find::section(self.source, &self.geometry, Role::Segment, index)
                .map(|block| block.generation)
                .filter(|generation| {
                    (1..MAX_COUNT).contains(generation) && (generation - 1) % segments == index
                })
        };
        let told: Vec<Option<u64>> = (0..segments).map(block).collect();
        let newest = told.iter().flatten().max().copied();
        let guess = |index: u64| {
            // It can be one beyond the newest that is known. Then it has frames of that one; the turn before it may
            // have left some behind them.
            let next = newest.unwrap_or(index) + 1;
            let back = match (next + segments - 1 - index) % segments {
                0 if self.frames((next, index)).next().is_none() => segments,
                back => back,
            };
            next.checked_sub(back).filter(|generation| *generation > 0)
        };
        let mut all: Vec<_> = (0..)
            .zip(told)
            .filter_map(|(index, told)| Some((told.or_else(|| guess(index))?, index)))
            .collect();
        all.sort_unstable();
        all
    }

    /// The frames of a segment, given its generation and its index.
    fn frames(&self, (generation, index): (u64, u64)) -> Frames<'a> {
        let seal = self.geometry.segment_seal(generation);
        Frames::new(self.source, seal, self.geometry.frames_of_segment(index))
    }

    fn segment(&mut self, generation: u64, index: u64) {
        let mut any = false;
        for frame in self.frames((generation, index)) {
            if !any {
                any = true;
                self.begin(generation);
            }
            self.notice_loss(&frame);
            self.last = Some((generation, index));
            self.frame(&frame);
        }
    }

    fn begin(&mut self, generation: u64) {
        if self.kept == 0 {
            self.oldest = generation;
            // Without the very first segment the state comes from a checkpoint.
            self.exact = generation == 1;
        }
        self.newest = generation;
        self.kept += 1;
        self.assembly = None;
    }

    fn frame(&mut self, frame: &Frame) {
        match frame.kind {
            Kind::Slots => self.slots_frame(&frame.body),
            Kind::Focus => {
                let mut glass = Glass { words: &frame.body, labels: self.names };
                let handles = std::iter::from_fn(|| glass.u32());
                self.replay.set_focus(handles.take(checkpoint::MAX_FOCUS).collect());
            }
            Kind::Coverage => {
                let mut glass = Glass { words: &frame.body, labels: self.names };
                if let Some(coverage) = checkpoint::read_coverage(&mut glass) {
                    self.replay.set_coverage(coverage);
                }
            }
            // A checkpoint of what was followed without a gap says nothing new.
            Kind::CheckpointBegin if !self.exact => {
                self.assembly = Assembly::begin(&frame.body, self.names, self.geometry.rings);
            }
            Kind::CheckpointPart => {
                if let Some(assembly) = &mut self.assembly {
                    assembly.part(&frame.body, self.names);
                }
            }
            Kind::CheckpointEnd => self.resume(&frame.body),
            Kind::Stopped => self.stop(&frame.body),
            Kind::CheckpointBegin | Kind::Label | Kind::Attachment | Kind::End => {}
        }
    }

    /// Goes on from a checkpoint.
    fn resume(&mut self, body: &[u64]) {
        let Some((checkpoint, omitted)) = self.assembly.take().and_then(|assembly| assembly.end(body)) else {
            return;
        };
        self.replay = Replay::resume(&checkpoint);
        (self.visit)(&Event::Resumed(Box::new(checkpoint.state.clone())));
        self.base = checkpoint;
        self.omitted = omitted;
        self.exact = true;
        if omitted > 0 {
            // Their handles look as if nobody had made them.
            self.hole(0);
        }
    }

    /// The audit was shut down here: where each ring ends, and its account.
    fn stop(&mut self, body: &[u64]) {
        let Some((ends, ledgers)) = body.split_at_checked(self.geometry.rings as usize) else { return };
        self.ends = Some(ends.to_vec());
        let ledgers = (0..).zip(ledgers.as_chunks::<ACCOUNT_WORDS>().0);
        self.ledgers = ledgers
            .map(|(ring, words)| LedgerAccount::from_words(words, self.geometry.ring_seal(ring)))
            .collect();
    }

    /// Frames say how many slots came before them, so what is missing can be counted.
    fn notice_loss(&mut self, frame: &Frame) {
        if self.expected_slots.is_none() && self.oldest > 1 {
            self.slots_before = frame.slots_before;
        }
        let expected = self.expected_slots.unwrap_or(self.slots_before);
        if frame.slots_before > expected {
            self.lose(frame.slots_before - expected);
            if self.last.is_some_and(|last| self.is_overtaken(last)) {
                // It was dropped while it was read, and is no loss if a later checkpoint holds what it led to.
                (self.lost, self.slots_before) = (0, frame.slots_before);
                (self.oldest, self.kept) = (self.newest, 1);
            }
        }
        let slots = if frame.kind == Kind::Slots { frame.body.len() / SLOT_WORDS } else { 0 };
        self.expected_slots = Some(frame.slots_before.saturating_add(slots as u64));
    }

    fn lose(&mut self, slots: u64) {
        self.lost = self.lost.saturating_add(slots);
        self.exact = false;
        self.replay.add_gap(Gap::hole(0, self.last_cycle));
        (self.visit)(&Event::Lost { slots });
    }

    /// From here on, an unknown number of records is missing.
    pub(crate) fn hole(&mut self, ring: u8) {
        self.gap(Gap::hole(ring, self.last_cycle));
    }

    fn slots_frame(&mut self, body: &[u64]) {
        let slots: Vec<CapturedSlot> = (body.as_chunks::<SLOT_WORDS>().0.iter())
            .filter(|[ring, ..]| *ring < self.geometry.rings)
            .map(|[ring, position, payload @ ..]| CapturedSlot {
                ring: *ring as u8,
                position: *position,
                payload: *payload,
            })
            .collect();
        self.slots += slots.len() as u64;
        for slot in &slots {
            let end = slot.position.wrapping_add(1);
            let appended = self.appended[usize::from(slot.ring)].get_or_insert(end);
            if (end.wrapping_sub(*appended) as i64) > 0 {
                *appended = end;
            }
            self.waiting.remove(&(slot.ring, slot.position));
        }
        for (slot, captured, _) in decode(&slots, self.names, &mut 0) {
            if !self.base.holds(slot.ring, slot.position) {
                match captured {
                    Captured::Record(record) => self.record(record),
                    Captured::Gap(gap) => self.gap(gap),
                }
            }
        }
    }

    /// Folds a record.
    pub(crate) fn record(&mut self, record: CapturedRecord) {
        self.last_cycle = self.last_cycle.max(record.entry.cycle);
        self.replay.fold(&record);
        (self.visit)(&Event::Record(record));
    }

    pub(crate) fn gap(&mut self, gap: Gap) {
        self.replay.add_gap(gap);
        (self.visit)(&Event::Gap(gap));
    }

    /// Whether the slot at a place of a ring stands in a segment, or is in the state that the replay began with.
    pub(crate) fn has(&self, ring: u8, position: u64) -> bool {
        !self.waiting.contains(&(ring, position)) || self.base.holds(ring, position)
    }

    /// What a ring has released must stand in a segment.
    pub(crate) fn notice_release(&mut self, ring: usize, found: &RingFound) {
        let Some(bounds) = found.bounds else { return };
        let lost = bounds.head.wrapping_sub(self.appended(ring));
        if self.ends.is_none() && lost as i64 > 0 {
            self.lose(lost);
        }
    }

    /// Position after the last slot of a ring that a segment or a checkpoint has.
    fn appended(&self, ring: usize) -> u64 {
        let base = self.base.taken.get(ring).copied().unwrap_or(self.geometry.first_position);
        // A ring that had nothing since the checkpoint was last met in segments before it.
        let beyond = |appended: &u64| appended.wrapping_sub(base) as i64 > 0;
        self.appended[ring].filter(beyond).unwrap_or(base)
    }

    /// Whether nothing of a ring can be missing: the audit was shut down, the segments go to the ring's end, and as far as
    /// is known nothing came late.
    pub(crate) fn has_all_of(&self, ring: usize, found: &RingFound) -> bool {
        let is_all = |end| self.appended(ring) == end && found.bounds.is_none_or(|bounds| bounds.tail == end);
        self.end_of(ring).is_some_and(is_all)
    }

    /// Where a ring ends, if the audit was shut down.
    pub(crate) fn end_of(&self, ring: usize) -> Option<u64> {
        self.ends.as_ref()?.get(ring).copied()
    }

    /// Whether the audit was shut down: then everything is in segments.
    pub(crate) fn stopped(&self) -> bool {
        self.ends.is_some()
    }

    /// Segments that were ever begun.
    pub(crate) fn written(&self) -> u64 {
        self.newest
    }

    /// Segments that could be read, or were left out because they were not needed.
    pub(crate) fn kept(&self) -> u64 {
        self.skipped + self.kept
    }

    /// Slots that were read.
    pub(crate) fn slots(&self) -> u64 {
        self.slots
    }

    /// What the segments lack.
    pub(crate) fn remarks(&self) -> Vec<Note> {
        let mut remarks = Vec::new();
        if self.lost > 0 {
            remarks.push(Note::LostSlots { slots: self.lost });
        }
        if self.omitted > 0 {
            remarks.push(Note::OmittedTrails { count: self.omitted });
        }
        let dropped = self.oldest.saturating_sub(1 + self.skipped);
        if dropped > 0 {
            remarks.push(Note::DroppedSegments { count: dropped });
        }
        remarks
    }

    /// The state that everything led to. An account may stand with its ring, with the end, or with both; the later
    /// one counts.
    pub(crate) fn snapshot(&self, rings: &[RingFound], late: &[u64]) -> Snapshot {
        let ledger = |ring: usize| {
            let here = rings.get(ring).and_then(|found| found.ledger);
            let at_end = self.ledgers.get(ring).copied().flatten();
            here.into_iter().chain(at_end).max_by_key(LedgerAccount::version)
        };
        let ledgers: Vec<_> = (0..self.geometry.rings as usize).map(ledger).collect();
        self.replay.snapshot(&ledgers, late)
    }
}
