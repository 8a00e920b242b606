//! Captures to damage, and what was written into them.

use handle_capture::{CaptureOptions, read_bytes};

use crate::common::{RINGS, captured, play, recorders};
use crate::written::Written;

/// About the least that a capture of three small rings can be.
pub(crate) const SMALL: u64 = 2_200_000;

/// A run that stopped in the middle, with records in segments and in rings.
pub(crate) struct Base {
    pub(crate) bytes: Vec<u8>,
    /// The same file at an earlier moment: every part of it is genuine, and out of date.
    pub(crate) earlier: Vec<u8>,
    /// Offsets of the words that hold something, so that damage hits.
    pub(crate) used: Vec<usize>,
    pub(crate) written: Written,
    /// The capture's own number.
    pub(crate) id: u64,
}

/// The file of a run into a capture of that size, at a third of the way and at the end.
pub(crate) fn run(rounds: u64, max_bytes: u64) -> (Vec<u8>, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let options = CaptureOptions::new(&path).rings(RINGS).ring_capacity(64).max_bytes(max_bytes);
    let (audit, writer) = captured(&options);
    let mut recorders = recorders(&audit);
    play(&audit, &mut recorders, 0..rounds / 3);
    let earlier = std::fs::read(&path).unwrap();
    play(&audit, &mut recorders, rounds / 3..rounds);
    audit.flush().unwrap();
    play(&audit, &mut recorders, rounds..rounds + 60);
    writer.attach("run.json", &[b'j'; 3000]).unwrap();
    writer.note_end("limit").unwrap();
    (without_tail(std::fs::read(&path).unwrap()), earlier)
}

/// Nothing was ever written to the end of a file that is not full.
fn without_tail(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(end.next_multiple_of(8));
    bytes
}

impl Base {
    pub(crate) fn new(rounds: u64) -> Self {
        let (bytes, earlier) = run(rounds, SMALL);
        let (whole, _) = run(rounds, 64 << 20);
        let words = bytes.as_chunks::<8>().0.iter().enumerate();
        let used = words.filter(|(_, word)| **word != [0; 8]).map(|(index, _)| 8 * index).collect();
        let written = Written::of(&whole);
        assert!(written.count() > rounds / 4, "{} records in {rounds} rounds", written.count());
        let id = read_bytes(&bytes).unwrap().info.id;
        Self { bytes, earlier, used, written, id }
    }
}
