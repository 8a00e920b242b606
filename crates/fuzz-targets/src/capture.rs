//! The reader of captures on any bytes, and on real captures that were damaged.

use std::collections::HashSet;
use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use handle_capture::{CaptureOptions, Event, read_bytes, read_bytes_with};
use handle_diagnosis::{Ended, RunSummary};

use crate::common::{RINGS, captured, play, recorders};
use crate::diagnose::judge;
use crate::written::Written;

/// A capture of a run that stopped in the middle.
struct Base {
    bytes: Vec<u8>,
    /// Words that hold something: where damage hits.
    used: Vec<usize>,
}

/// Rounds of the shorter and of the longer run.
const ROUNDS: [u64; 2] = [1_500, 24_000];

/// About the least that a capture may be.
const SMALL: u64 = 2_200_000;

/// Two captures: one with some records in its first segment, one whose segments went round.
static BASES: LazyLock<[Base; 2]> = LazyLock::new(|| ROUNDS.map(base));

/// What was written into either, dropped segments included: the shorter run is the beginning of the longer one.
static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let written = Written::of(&run(ROUNDS[1], 64 << 20));
    assert!(written.count() > ROUNDS[1] / 4, "{} records in a capture", written.count());
    written
});

#[derive(Arbitrary, Debug)]
enum Damage {
    /// Another value in one of the words that are used.
    Word {
        at: u32,
        value: u64,
    },
    /// A value that a length or a count should not have.
    Absurd {
        at: u32,
        which: u8,
    },
    Bit {
        at: u32,
        bit: u8,
    },
    /// Words of the same capture copied elsewhere: whole, and in the wrong place.
    Copy {
        from: u32,
        to: u32,
        words: u8,
    },
    /// The same with whole pages.
    Page {
        from: u8,
        to: u8,
    },
    /// Words of the other capture, whose seals are others.
    Splice {
        at: u32,
        words: u8,
    },
    Zero {
        at: u32,
        words: u16,
    },
    Truncate {
        at: u32,
    },
}

/// The file of a run into a capture of that size.
fn run(rounds: u64, max_bytes: u64) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("run.htrail");
    let options = CaptureOptions::new(&path).rings(RINGS).ring_capacity(64).max_bytes(max_bytes);
    let (audit, writer) = captured(&options);
    let mut recorders = recorders(&audit);
    play(&audit, &mut recorders, 0..rounds);
    writer.attach("run.json", b"{}").expect("an attachment fits");
    writer.note_end("limit").expect("a reason fits");
    std::fs::read(&path).expect("the capture can be read")
}

fn base(rounds: u64) -> Base {
    let mut bytes = run(rounds, SMALL);
    // The tail that nothing was written to says nothing.
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(end.next_multiple_of(4096));
    let used = bytes
        .chunks_exact(8)
        .enumerate()
        .filter(|(_, word)| word.iter().any(|byte| *byte != 0))
        .map(|(index, _)| index)
        .collect();
    Base { bytes, used }
}

impl Damage {
    fn apply(&self, base: &Base, other: &Base, bytes: &mut Vec<u8>) {
        let used = |at: u32| base.used[at as usize % base.used.len()] * 8;
        match *self {
            Self::Word { at, value } => put(bytes, used(at), &value.to_le_bytes()),
            Self::Absurd { at, which } => {
                let absurd = [u64::MAX, 1 << 63, 1 << 40, 0, u32::MAX.into()][usize::from(which % 5)];
                put(bytes, used(at), &absurd.to_le_bytes());
            }
            Self::Bit { at, bit } => {
                let place = used(at) + usize::from(bit / 8 % 8);
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Self::Copy { from, to, words } => {
                copy(bytes, &base.bytes, used(from), used(to), 8 * usize::from(words))
            }
            Self::Page { from, to } => {
                let pages = base.bytes.len() / 4096;
                let page = |number: u8| usize::from(number) % pages * 4096;
                copy(bytes, &base.bytes, page(from), page(to), 4096);
            }
            Self::Splice { at, words } => {
                copy(bytes, &other.bytes, used(at), used(at), 8 * usize::from(words))
            }
            Self::Zero { at, words } => {
                let zeros = vec![0; 8 * usize::from(words)];
                put(bytes, used(at), &zeros);
            }
            Self::Truncate { at } => bytes.truncate(used(at)),
        }
    }
}

/// Overwrites bytes, as far as there are any.
fn put(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (byte, new) in bytes.iter_mut().skip(at).zip(with) {
        *byte = *new;
    }
}

fn copy(bytes: &mut [u8], from: &[u8], source: usize, target: usize, length: usize) {
    put(bytes, target, from.iter().skip(source).take(length).copied().collect::<Vec<_>>().as_slice());
}

/// Any bytes, and real captures damaged in any way: no panic, no more memory than the file justifies, and nothing is
/// read that was not written. What was read is diagnosed too.
pub fn capture_read(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    if choice % 4 == 0 {
        // As they are.
        return read(data, None);
    }
    let bases = &*BASES;
    let which = usize::from(choice % 2);
    let (base, other) = (&bases[which], &bases[1 - which]);
    let mut bytes = base.bytes.clone();
    let mut input = Unstructured::new(data);
    let mut count = 0;
    while !input.is_empty() && count < 64 {
        let Ok(damage) = Damage::arbitrary(&mut input) else { break };
        damage.apply(base, other, &mut bytes);
        count += 1;
    }
    // Enough of the other capture spliced in is that capture, into which the same was written.
    read(&bytes, Some(&WRITTEN));
}

/// Reads the state alone, then the whole history.
fn read(bytes: &[u8], written: Option<&Written>) {
    let mut seen = HashSet::new();
    let check = |event: &Event| {
        let Event::Record(record) = event else { return };
        assert!(seen.insert((record.ring, record.position)), "a record came twice: {record:?}");
        written.unwrap_or_else(|| panic!("nobody wrote {record:?}")).check_record(record);
    };
    let (state, history) = (read_bytes(bytes), read_bytes_with(bytes, check));
    assert_eq!(state.is_ok(), history.is_ok());
    for recovered in [&state, &history].into_iter().flatten() {
        let snapshot = &recovered.snapshot;
        match written {
            Some(written) => written.check_state(snapshot),
            None => assert!(snapshot.trails.is_empty() && snapshot.threads.is_empty()),
        }
    }
    match history {
        Ok(recovered) => {
            let ended = if recovered.is_complete() { Ended::Interrupted } else { Ended::Limit };
            let run = RunSummary { ended, ..RunSummary::default() };
            judge(&recovered.snapshot, None, &run, 80);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
