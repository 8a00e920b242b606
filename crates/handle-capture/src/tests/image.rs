//! A capture in memory, written word by word as docs/capture-format.md has it.

use std::cell::Cell;
use std::ops::Range;

use handle_audit::{
    Captured, CapturedRecord, CapturedSlot, Checkpoint, HandleKind, Label, LedgerAccount, Operation, Replay,
    label,
};

use crate::checkpoint;
use crate::frame::{self, Kind, to_bytes};
use crate::layout::{Block, Geometry, PAGE, RING_CONTROL, Role};
use crate::read::read_bytes_with;
use crate::recovered::{Event, Recovered};
use crate::source::Source;
use crate::words::{LabelOf, Pen};

/// A small capture: two rings of eight records, three segments of two pages.
pub(crate) fn geometry() -> Geometry {
    Geometry {
        id: 0xC0_FFEE,
        rings: 2,
        ring_capacity: 8,
        first_position: 0,
        rings_elsewhere: false,
        notes_bytes: 2 * PAGE,
        segment_bytes: 2 * PAGE,
        segments: 3,
        created: 1,
        pid: 2,
    }
}

/// Labels that stand in every image.
pub(crate) fn source() -> Label {
    label!("NtSetEvent")
}

/// The slot of a record whose stamp is its cycle, by thread 7.
pub(crate) fn record(ring: u8, position: u64, operation: Operation, handle: u32, cycle: u64) -> CapturedSlot {
    let labels = u64::from(source().id()) << 8 | u64::from(HandleKind::EVENT_AUTO.label().id()) << 20;
    let what = operation as u64 | labels | u64::from(handle) << 32;
    CapturedSlot { ring, position, payload: [cycle, what, cycle, 7 | 0x8200_0000 << 32, 0] }
}

/// Signals at these positions of ring 0, each with the cycle of its position, after the create at position 0.
pub(crate) fn signals(positions: Range<u64>) -> Vec<CapturedSlot> {
    let operation = |position| if position == 0 { Operation::Create } else { Operation::Signal };
    positions.map(|position| record(0, position, operation(position), 0x1000, position)).collect()
}

/// Labels of this process, which an image says are its own.
#[derive(Debug)]
pub(crate) struct OwnLabels;

impl LabelOf for OwnLabels {
    fn label(&self, id: u16) -> Label {
        let known = [source(), HandleKind::EVENT_AUTO.label(), Label::OVERFLOW];
        known.into_iter().find(|label| label.id() == id).unwrap()
    }
}

/// A capture that grows as a writer lets it grow.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) geometry: Geometry,
    pub(crate) bytes: Vec<u8>,
    /// What everything in segments has led to.
    pub(crate) replay: Replay,
    /// Per ring, the position after what stands in segments.
    pub(crate) taken: Vec<u64>,
    generation: u64,
    at: u64,
    frames: u64,
    slots: u64,
    notes: u64,
    notes_at: u64,
}

impl Image {
    /// A capture of which the first segment was begun.
    pub(crate) fn new(geometry: Geometry) -> Self {
        let mut image = Self {
            geometry,
            bytes: vec![0; geometry.end() as usize],
            replay: Replay::new(geometry.rings as usize),
            taken: vec![0; geometry.rings as usize],
            generation: 0,
            at: 0,
            frames: 0,
            slots: 0,
            notes: 0,
            notes_at: geometry.frames_of_notes().start,
        };
        let rings = if geometry.rings_elsewhere { 0 } else { geometry.rings };
        let rings = (0..rings).map(|ring| (Role::Ring, ring));
        for (role, index) in [(Role::Header, 0), (Role::Header, 1), (Role::Notes, 0)].into_iter().chain(rings)
        {
            image.block(role, index, 0);
        }
        image.label(source());
        image.label(HandleKind::EVENT_AUTO.label());
        image.begin();
        image
    }

    /// A capture in which each of so many segments has four slots in two frames, and each but the first a checkpoint.
    pub(crate) fn of_generations(geometry: Geometry, generations: u64) -> Self {
        let mut image = Self::new(geometry);
        for generation in 0..generations {
            if generation > 0 {
                image.begin();
                image.checkpoint();
            }
            let first = 4 * generation;
            image.append(&signals(first..first + 2));
            image.append(&signals(first + 2..first + 4));
        }
        image
    }

    pub(crate) fn put(&mut self, at: u64, words: &[u64]) -> Range<usize> {
        let range = at as usize..at as usize + 8 * words.len();
        self.bytes[range.clone()].copy_from_slice(&to_bytes(words));
        range
    }

    /// Flips a bit of what is there.
    pub(crate) fn damage(&mut self, range: &Range<usize>) {
        self.bytes[range.start + range.len() / 2] ^= 1;
    }

    pub(crate) fn block(&mut self, role: Role, index: u64, generation: u64) -> Range<usize> {
        let geometry = self.geometry;
        let words = Block { role, index, generation, geometry }.words();
        self.put(geometry.section_at(role, index), &words)
    }

    /// Begins the next segment.
    pub(crate) fn begin(&mut self) -> Range<usize> {
        let index = self.generation % self.geometry.segments;
        self.generation += 1;
        self.at = self.geometry.frames_of_segment(index).start;
        self.block(Role::Segment, index, self.generation)
    }

    pub(crate) fn frame(&mut self, kind: Kind, body: &[u64]) -> Range<usize> {
        let seal = self.geometry.segment_seal(self.generation);
        let words = frame::encode(seal, kind, self.frames, self.slots, body);
        self.frames += 1;
        self.at += 8 * words.len() as u64;
        self.put(self.at - 8 * words.len() as u64, &words)
    }

    /// A frame of slots.
    pub(crate) fn append(&mut self, slots: &[CapturedSlot]) -> Range<usize> {
        let body: Vec<u64> = (slots.iter())
            .flat_map(|slot| [slot.ring.into(), slot.position].into_iter().chain(slot.payload))
            .collect();
        let range = self.frame(Kind::Slots, &body);
        self.slots += slots.len() as u64;
        for slot in slots {
            self.taken[usize::from(slot.ring)] = slot.position + 1;
            self.replay.fold(&captured(slot));
        }
        range
    }

    /// The state that everything in segments has led to.
    pub(crate) fn state(&self) -> Checkpoint {
        Checkpoint { state: self.replay.snapshot(&[], &[]), taken: self.taken.clone(), pending: Vec::new() }
    }

    /// The frames of a checkpoint.
    pub(crate) fn checkpoint(&mut self) -> Vec<Range<usize>> {
        self.checkpoint_of(&self.state(), usize::MAX)
    }

    pub(crate) fn checkpoint_of(&mut self, checkpoint: &Checkpoint, budget: usize) -> Vec<Range<usize>> {
        let (frames, _) = checkpoint::encode(checkpoint, budget);
        frames.iter().map(|(kind, body)| self.frame(*kind, body)).collect()
    }

    /// A frame among the notes.
    pub(crate) fn note(&mut self, kind: Kind, body: &[u64]) -> Range<usize> {
        let words = frame::encode(self.geometry.notes_seal(), kind, self.notes, 0, body);
        self.notes += 1;
        self.notes_at += 8 * words.len() as u64;
        self.put(self.notes_at - 8 * words.len() as u64, &words)
    }

    pub(crate) fn label(&mut self, label: Label) -> Range<usize> {
        self.label_as(label.id().into(), label.as_str())
    }

    pub(crate) fn label_as(&mut self, id: u64, name: &str) -> Range<usize> {
        let mut pen = Pen::default();
        pen.word(id);
        pen.bytes(name.as_bytes());
        self.note(Kind::Label, &pen.words)
    }

    /// A line of a ring.
    pub(crate) fn line(&mut self, slot: &CapturedSlot) -> Range<usize> {
        let line = self.geometry.ring_seal(slot.ring.into()).close(slot.position, &slot.payload);
        let index = slot.position % self.geometry.ring_capacity;
        self.put(self.geometry.ring_at(slot.ring.into()) + PAGE + 64 * index, &line)
    }

    /// Lines of a ring that were published from `head` on.
    pub(crate) fn publish(&mut self, head: u64, slots: &[CapturedSlot]) {
        for slot in slots {
            self.line(slot);
            self.bounds(slot.ring.into(), head, slot.position + 1);
        }
    }

    /// Head and tail of a ring.
    pub(crate) fn bounds(&mut self, ring: u64, head: u64, tail: u64) {
        let control = self.geometry.ring_at(ring) + RING_CONTROL;
        self.put(control, &[tail]);
        self.put(control + 8 * 16, &[head]);
    }

    /// One of the two copies of a ring's account.
    pub(crate) fn account(&mut self, ring: u64, copy: u64, account: &LedgerAccount) -> Range<usize> {
        let words = account.words(self.geometry.ring_seal(ring));
        let at = self.geometry.ring_at(ring) + RING_CONTROL + 8 * (24 + 20 * copy);
        self.put(at, &words)
    }

    /// Everything that can be read, and in what order.
    pub(crate) fn read(&self) -> (Recovered, Vec<Event>) {
        let mut events = Vec::new();
        let recovered = read_bytes_with(&self.bytes, |event| events.push(event.clone())).unwrap();
        (recovered, events)
    }
}

/// The record that one slot is.
pub(crate) fn captured(slot: &CapturedSlot) -> CapturedRecord {
    match Captured::read(std::slice::from_ref(slot), |id| OwnLabels.label(id)) {
        Some((Captured::Record(record), 1)) => record,
        other => panic!("{other:?}"),
    }
}

/// What was shown, in short: the cycle of each record, a word for anything else.
pub(crate) fn told(events: &[Event]) -> Vec<String> {
    let short = |event: &Event| match event {
        Event::Resumed(state) => format!("resumed {}", state.folded),
        Event::Record(record) => record.entry.cycle.to_string(),
        Event::Gap(gap) => format!("gap {}", gap.rejected.total()),
        Event::Lost { slots } => format!("lost {slots}"),
    };
    events.iter().map(short).collect()
}

/// The cycles of records, as [`told`] has them.
pub(crate) fn cycles(cycles: Range<u64>) -> Vec<String> {
    cycles.map(|cycle| cycle.to_string()).collect()
}

/// Bytes that change while they are read.
#[derive(Debug)]
pub(crate) struct Changing {
    /// What the reads of `place` see one after another; others see what the last of those saw.
    pub(crate) states: Vec<Vec<u8>>,
    /// Where a read counts; everywhere if it is `None`.
    pub(crate) place: Option<u64>,
    /// How many reads see the first state.
    pub(crate) first: usize,
    pub(crate) is_written: bool,
    /// How often it was read.
    pub(crate) reads: Cell<usize>,
}

impl Changing {
    pub(crate) fn new(states: Vec<Vec<u8>>, place: Option<u64>) -> Self {
        Self { states, place, first: 1, is_written: true, reads: Cell::new(0) }
    }
}

impl Source for Changing {
    fn length(&self) -> u64 {
        self.states.iter().map(Vec::len).max().unwrap_or(0) as u64
    }

    fn is_written(&self) -> bool {
        self.is_written
    }

    fn read(&self, at: u64, count: usize) -> Vec<u8> {
        let counts = self.place.is_none_or(|place| place == at);
        let before = self.reads.get();
        self.reads.set(before + usize::from(counts));
        let now = if counts { before } else { before.saturating_sub(1) };
        let state = (now + 1).saturating_sub(self.first);
        self.states[state.min(self.states.len() - 1)].as_slice().read(at, count)
    }
}
