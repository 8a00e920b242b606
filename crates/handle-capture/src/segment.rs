//! Segments: what the drain folds, in the order it folds it.
//!
//! Segments are written one after another and over again. Each but the first begins with a checkpoint, so that the
//! one it overwrites is not needed any more.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use handle_audit::{CaptureSink, CapturedSlot, Checkpoint, Coverage, Focus, LedgerAccount};

use crate::checkpoint::{self, MAX_FOCUS};
use crate::frame::{self, Kind, MAX_FRAME_BYTES};
use crate::layout::{BLOCK_WORDS, Block, Role};
use crate::words::Pen;
use crate::writer::Inner;

/// A new segment is begun when less than this is left: a frame of slots, and frames that come without being asked
/// for, such as a change of focus.
const RESERVE: u64 = 3 * MAX_FRAME_BYTES;

/// Words of a slot in a frame.
pub(crate) const SLOT_WORDS: usize = 7;

/// Appends to segments on behalf of the drain.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    inner: Arc<Inner>,
    /// How often a segment was begun.
    generation: u64,
    at: u64,
    end: u64,
    frames: u64,
    slots: u64,
}

impl SegmentWriter {
    /// Begins the first segment, of the state in which nothing was folded.
    pub(crate) fn new(inner: Arc<Inner>) -> io::Result<Self> {
        let mut writer = Self { inner, generation: 0, at: 0, end: 0, frames: 0, slots: 0 };
        writer.begin_segment()?;
        Ok(writer)
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        let geometry = self.inner.geometry;
        let index = self.generation % geometry.segments;
        self.generation += 1;
        self.at = geometry.segment_at(index);
        self.end = self.at + geometry.segment_bytes;
        let block = Block { role: Role::Segment, index, generation: self.generation, geometry };
        self.write(&block.words())
    }

    fn write(&mut self, words: &[u64]) -> io::Result<()> {
        self.inner.check_length()?;
        let bytes = frame::to_bytes(words);
        self.inner.file.write_all_at(&bytes, self.at)?;
        self.at += bytes.len() as u64;
        // Once the last segment was begun, the file is as long as it will ever be.
        self.inner.used.fetch_max(self.at, Ordering::Relaxed);
        Ok(())
    }

    fn frame(&mut self, kind: Kind, body: &[u64]) -> io::Result<()> {
        let seal = self.inner.geometry.segment_seal(self.generation);
        let words = frame::encode(seal, kind, self.frames, self.slots, body);
        if self.at + words.len() as u64 * 8 > self.end {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the segment is full"));
        }
        self.frames += 1;
        self.write(&words)
    }

    /// Does something unless the capture has failed before, or this process is a forked child.
    fn try_to(&mut self, what: impl FnOnce(&mut Self) -> io::Result<()>) {
        if self.inner.failure.get().is_none()
            && self.inner.mapping.is_ours()
            && let Err(error) = what(self)
        {
            self.inner.fail(&error);
        }
    }

    fn write_checkpoint(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        self.begin_segment()?;
        // The rest is for what comes next.
        let budget = (self.inner.geometry.segment_bytes / 8 * 3 / 4) as usize - BLOCK_WORDS;
        let (frames, _) = checkpoint::encode(checkpoint, budget);
        frames.iter().try_for_each(|(kind, body)| self.frame(*kind, body))
    }
}

impl CaptureSink for SegmentWriter {
    fn append(&mut self, slots: &[CapturedSlot]) {
        let mut body = Vec::with_capacity(slots.len() * SLOT_WORDS);
        for slot in slots {
            body.push(slot.ring.into());
            body.push(slot.position);
            body.extend_from_slice(&slot.payload);
        }
        self.try_to(|writer| writer.frame(Kind::Slots, &body));
        self.slots += slots.len() as u64;
    }

    fn focus(&mut self, focus: &Focus) {
        let handles: Vec<u64> = focus.iter().take(MAX_FOCUS).map(u64::from).collect();
        self.try_to(|writer| writer.frame(Kind::Focus, &handles));
    }

    fn coverage(&mut self, coverage: Coverage) {
        let mut pen = Pen::default();
        checkpoint::coverage(&mut pen, coverage);
        self.try_to(|writer| writer.frame(Kind::Coverage, &pen.words));
    }

    fn wants_checkpoint(&self) -> bool {
        self.end - self.at < RESERVE && self.inner.failure.get().is_none()
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        self.try_to(|writer| writer.write_checkpoint(checkpoint));
    }

    fn stopped(&mut self, ends: &[u64], ledgers: &[LedgerAccount]) {
        let mut body = ends.to_vec();
        for (ring, ledger) in (0..).zip(ledgers) {
            body.extend(ledger.words(self.inner.geometry.ring_seal(ring)));
        }
        self.try_to(|writer| writer.frame(Kind::Stopped, &body));
        self.inner.stopped.store(true, Ordering::Release);
    }
}
