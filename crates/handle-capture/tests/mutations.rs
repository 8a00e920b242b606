//! Captures that were damaged in every way we could think of: no panic, no hang, bounded memory, and nothing is
//! accepted that was not written.
//!
//! `MUTATIONS=1000000 cargo test --release -p handle-capture --test mutations -- --nocapture` does a million.

mod common;

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use common::{RINGS, captured, play, recorders};
use handle_audit::CapturedRecord;
use handle_capture::{CaptureOptions, Event, read_bytes, read_with};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// Bytes that one reader may have allocated at a time, whatever the file says: about ten times what the whole file of
/// 2.5 MB gives.
const MEMORY: usize = 32 << 20;

/// Threads that read.
const READERS: usize = 2;

/// The counter of bytes is one for all, so one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Random enough, and the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ mixed >> 31) % sides.max(1) as u64) as usize
    }
}

type Written = HashMap<(u8, u64), CapturedRecord>;

/// A run that stopped in the middle, with records in segments and in rings.
struct Base {
    bytes: Vec<u8>,
    /// The same file at an earlier moment: every part of it is genuine, and out of date.
    earlier: Vec<u8>,
    /// Places that hold something, so that damage hits.
    used: Vec<usize>,
    /// All that was ever written, dropped segments included: read from a larger capture of the same run.
    written: Written,
}

/// Plays a run into a capture of that size; shows its file at a third of the way and at the end.
fn run(rounds: u64, max_bytes: u64) -> (Vec<u8>, Vec<u8>) {
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
    (std::fs::read(&path).unwrap(), earlier)
}

impl Base {
    fn new(rounds: u64) -> Self {
        let (bytes, earlier) = run(rounds, 2_500_000);
        let (whole, _) = run(rounds, 64 << 20);
        let used = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        let written = records(&whole);
        assert!(written.len() as u64 > rounds / 4, "{}", written.len());
        Self { bytes, earlier, used, written }
    }
}

fn records(bytes: &[u8]) -> Written {
    let mut written = Written::new();
    let mut visit = |event: &Event| {
        if let Event::Record(record) = event {
            written.insert((record.ring, record.position), record.clone());
        }
    };
    read_bytes(bytes, &mut visit).unwrap();
    written
}

fn copy_over(bytes: &mut [u8], from: &[u8], dice: &mut Dice, unit: usize) {
    let length = unit * (1 + dice.roll(16));
    let (to, at) = (dice.roll(bytes.len()) / unit * unit, dice.roll(from.len()) / unit * unit);
    let length = length.min(bytes.len() - to).min(from.len() - at);
    bytes[to..to + length].copy_from_slice(&from[at..at + length]);
}

/// Damages `bytes` in one of many ways.
fn mutate(bytes: &mut Vec<u8>, base: &Base, other: &[u8], dice: &mut Dice) {
    let used = &base.used[..base.used.partition_point(|at| *at < bytes.len()).max(1)];
    let last = bytes.len() - 1;
    let place = |dice: &mut Dice| used[dice.roll(used.len())].min(last);
    match dice.roll(10) {
        0 => bytes.truncate(dice.roll(bytes.len() + 1)),
        1 => bytes.truncate(place(dice) / 4096 * 4096 + dice.roll(3)),
        2 => {
            let twin = bytes.clone();
            copy_over(bytes, &twin, dice, 4096);
        }
        3 => copy_over(bytes, other, dice, 4096),
        4 => {
            let twin = bytes.clone();
            copy_over(bytes, &twin, dice, 8);
        }
        5 => {
            let at = place(dice) / 8 * 8;
            let absurd = [u64::MAX, 1 << 63, 1 << 40, 0, u64::from(u32::MAX)][dice.roll(5)];
            if let Some(word) = bytes.get_mut(at..at + 8) {
                word.copy_from_slice(&absurd.to_le_bytes());
            }
        }
        6 => {
            let at = place(dice);
            let end = (at + dice.roll(100_000)).min(bytes.len());
            bytes[at..end].fill(dice.roll(256) as u8);
        }
        7 => {
            // The same place, as it was earlier.
            let at = place(dice) / 4096 * 4096;
            let end = (at + 4096 * (1 + dice.roll(64))).min(bytes.len()).min(base.earlier.len());
            if at < end {
                bytes[at..end].copy_from_slice(&base.earlier[at..end]);
            }
        }
        _ => {
            for _ in 0..1 + dice.roll(8) {
                let at = place(dice);
                bytes[at] ^= 1 << dice.roll(8);
            }
        }
    }
}

/// Reads a damaged capture; returns whether anything of it was recognised.
fn survive(bytes: &[u8], written: &Written) -> bool {
    let mut seen = HashSet::new();
    let check = |event: &Event| {
        let Event::Record(record) = event else { return };
        assert!(seen.insert((record.ring, record.position)), "a record came twice: {record:?}");
        let mut original = written.get(&(record.ring, record.position)).expect("it was written").clone();
        // A stack whose slots are damaged is left out.
        original.stack.truncate(record.stack.len());
        // A label that is damaged reads as lost.
        if record.entry.source.as_str().ends_with(" lost)") {
            original.entry.source = record.entry.source;
        }
        if record.kind.as_str().ends_with(" lost)") {
            original.kind = record.kind;
        }
        assert_eq!(*record, original);
    };
    read_bytes(bytes, check).is_ok()
}

/// Runs something, and says how many bytes were allocated at most beyond those that were before.
fn peak<T>(what: impl FnOnce() -> T) -> (T, usize) {
    ALLOCATED.reset_peak_usage();
    let before = ALLOCATED.current_usage();
    let result = what();
    (result, ALLOCATED.peak_usage().saturating_sub(before))
}

#[test]
fn a_damaged_capture_is_read_as_far_as_it_is_whole() {
    let _alone = ALONE.lock();
    let count: u64 = std::env::var("MUTATIONS").map_or(20_000, |text| text.parse().unwrap());
    // After so many rounds in so little space, segments were overwritten.
    let bases = [Base::new(4_000), Base::new(25_000)];
    let (other, _) = run(4_000, 2_500_000);
    let one = |seed: u64| {
        let base = &bases[(seed % 2) as usize];
        let mut dice = Dice(seed);
        let mut bytes = base.bytes.clone();
        for _ in 0..1 + dice.roll(3) {
            if !bytes.is_empty() {
                mutate(&mut bytes, base, &other, &mut dice);
            }
        }
        let read = std::panic::catch_unwind(|| survive(&bytes, &base.written));
        u64::from(read.unwrap_or_else(|_| panic!("seed {seed}")))
    };
    let all = || -> u64 {
        std::thread::scope(|scope| {
            let part = |first| scope.spawn(move || (first..count).step_by(READERS).map(one).sum::<u64>());
            let parts = [0, 1].map(part);
            parts.map(|part| part.join().unwrap()).iter().sum()
        })
    };
    let (recognised, peak) = peak(all);
    println!(
        "{count} mutations, {recognised} recognised, at most {peak} bytes for {READERS} readers at once"
    );
    assert!(recognised > count * 9 / 10, "only {recognised} of {count} were recognised");
    assert!(peak < READERS * MEMORY, "{peak} bytes");
}

/// Offsets at which something begins: pages, lines of rings, frames.
fn boundaries(bytes: &[u8]) -> Vec<usize> {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let frame = u32::from_le_bytes(*b"FRAM");
    let ring_bytes = 4096 + 64 * 64;
    let lines =
        (0..RINGS).flat_map(|ring| (0..=64).map(move |line| 8192 + ring * ring_bytes + 4096 + line * 64));
    let pages = (0..=bytes.len()).step_by(4096);
    let frames = (0..bytes.len() - 8).step_by(8).filter(|at| word(*at) == frame);
    let all: std::collections::BTreeSet<_> = lines.chain(pages).chain(frames).collect();
    all.into_iter().collect()
}

#[test]
fn a_capture_cut_at_any_boundary_gives_what_stands_before_it() {
    let _alone = ALONE.lock();
    let base = Base::new(4_000);
    let boundaries = boundaries(&base.bytes);
    assert!(boundaries.len() > 700, "{}", boundaries.len());
    let (recognised, peak) = peak(|| {
        let near = |at: &usize| [at.saturating_sub(1), *at, at + 1, at + 8, at + 32];
        let lengths = boundaries.iter().flat_map(near).map(|length| length.min(base.bytes.len()));
        lengths.filter(|length| survive(&base.bytes[..*length], &base.written)).count()
    });
    println!("{} boundaries, {recognised} cuts recognised, at most {peak} bytes", boundaries.len());
    assert!(recognised > boundaries.len() * 4, "the first header is enough to recognise it");
    assert!(peak < MEMORY, "{peak} bytes");
}

/// A geometry that describes a terabyte, in a file of some pages: the digest is right, so it must be believed.
#[test]
fn a_header_that_promises_far_more_than_there_is_costs_no_memory() {
    let _alone = ALONE.lock();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let options = CaptureOptions::new(&path).rings(128).ring_capacity(1 << 14).max_bytes(160 << 20);
    let (writer, capture) = handle_capture::CaptureWriter::create(&options).unwrap();
    drop((writer, capture));
    let bytes = std::fs::read(&path).unwrap()[..8192].to_vec();
    std::fs::write(&path, &bytes).unwrap();
    let (recovered, peak) = peak(|| read_with(&path, |_| ()).unwrap());
    assert!(!recovered.is_complete());
    assert!(peak < MEMORY, "{peak} bytes");
}

#[test]
fn a_damaged_header_alone_loses_nothing() {
    let _alone = ALONE.lock();
    let (bytes, _) = run(4_000, 2_500_000);
    let written = records(&bytes);
    for damage in [0..4096, 4096..8192, 0..8192] {
        let mut bytes = bytes.clone();
        bytes[damage].fill(0xAA);
        assert_eq!(records(&bytes), written);
    }
    let mut spliced = bytes.clone();
    spliced[..8192].copy_from_slice(&run(100, 2_500_000).0[..8192]);
    assert_eq!(records(&spliced), written, "the headers of another capture");
}
