//! The notes of a capture: labels, what the host attaches, and why the run ended. They are appended by any thread
//! and never dropped.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use handle_audit::{Label, MAX_LABEL_BYTES, MAX_LABELS};

use crate::frame::{self, FRAME_OVERHEAD, Kind};
use crate::layout::Geometry;
use crate::words::Pen;

/// Bytes of an attachment in one frame.
const PART_BYTES: usize = 32 << 10;

/// Bytes of an attachment's name, at most.
pub(crate) const MAX_NAME_BYTES: usize = 64;

/// Parts, of [`PART_BYTES`] each, that one attachment can have.
pub(crate) const MAX_PARTS: usize = 1 << 12;

/// Bytes kept free for labels, however much is attached.
pub(crate) const LABEL_RESERVE: u64 = (MAX_LABELS * (FRAME_OVERHEAD + 2 + MAX_LABEL_BYTES / 8) * 8) as u64;

/// Bytes kept free for the reason of the end.
const END_RESERVE: u64 = 4096;

/// Appends frames to the notes.
#[derive(Debug)]
pub(crate) struct NotesWriter {
    at: u64,
    end: u64,
    number: u64,
    geometry: Geometry,
    label_bytes: u64,
}

impl NotesWriter {
    pub(crate) fn new(geometry: Geometry) -> Self {
        let Range { start: at, end } = geometry.frames_of_notes();
        Self { at, end, number: 0, geometry, label_bytes: 0 }
    }

    /// Bytes that attachments may still take.
    pub(crate) fn room(&self) -> u64 {
        (self.end - self.at).saturating_sub(END_RESERVE + LABEL_RESERVE.saturating_sub(self.label_bytes))
    }

    /// Whether an attachment of so many bytes can be made, and fits.
    pub(crate) fn takes(&self, name: &str, bytes: usize) -> bool {
        name.len() <= MAX_NAME_BYTES
            && bytes <= MAX_PARTS * PART_BYTES
            && Self::attachment_bytes(bytes) <= self.room()
    }

    fn append(&mut self, file: &File, kind: Kind, body: &[u64]) -> io::Result<u64> {
        let words = frame::encode(self.geometry.notes_seal(), kind, self.number, 0, body);
        let bytes = frame::to_bytes(&words);
        if self.at + bytes.len() as u64 > self.end {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the notes of the capture are full"));
        }
        file.write_all_at(&bytes, self.at)?;
        self.at += bytes.len() as u64;
        self.number += 1;
        Ok(bytes.len() as u64)
    }

    /// Appends a label. A name longer than [`MAX_LABEL_BYTES`] is cut.
    pub(crate) fn label(&mut self, file: &File, label: Label) -> io::Result<()> {
        let mut pen = Pen::default();
        pen.word(label.id().into());
        let name = label.as_str();
        pen.bytes(&name.as_bytes()[..name.floor_char_boundary(MAX_LABEL_BYTES)]);
        self.label_bytes += self.append(file, Kind::Label, &pen.words)?;
        Ok(())
    }

    /// Bytes that an attachment takes if its name is as long as it may be.
    pub(crate) fn attachment_bytes(bytes: usize) -> u64 {
        let around = (FRAME_OVERHEAD + 4) * 8 + MAX_NAME_BYTES;
        let parts = bytes.div_ceil(PART_BYTES).max(1);
        (bytes.next_multiple_of(8) + parts * around) as u64
    }

    /// Appends an attachment; one of the same name that was there before is replaced by it.
    pub(crate) fn attachment(&mut self, file: &File, name: &str, bytes: &[u8]) -> io::Result<()> {
        // An empty attachment is one empty part.
        let parts: Vec<&[u8]> =
            if bytes.is_empty() { vec![bytes] } else { bytes.chunks(PART_BYTES).collect() };
        for (index, part) in parts.iter().enumerate() {
            let mut pen = Pen::default();
            pen.word(index as u64);
            pen.word(parts.len() as u64);
            pen.bytes(name.as_bytes());
            pen.bytes(part);
            self.append(file, Kind::Attachment, &pen.words)?;
        }
        Ok(())
    }

    /// Appends the reason of the end; the last one counts.
    pub(crate) fn end(&mut self, file: &File, reason: &str) -> io::Result<()> {
        let mut pen = Pen::default();
        pen.bytes(&reason.as_bytes()[..reason.floor_char_boundary(MAX_NAME_BYTES)]);
        self.append(file, Kind::End, &pen.words).map(|_| ())
    }
}
