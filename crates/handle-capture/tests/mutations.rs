//! Captures that were damaged in every way we could think of: no panic, no hang, bounded memory, and nothing is
//! accepted that was not written.
//!
//! `MUTATIONS=1000000 cargo test --release -p handle-capture --test mutations` does a million.

mod common;

use std::collections::HashMap;

use common::{RINGS, captured, play, recorders};
use handle_audit::CapturedRecord;
use handle_capture::{CaptureOptions, Event, read_bytes};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Address space that all of it may take: what the test begins with, and this much.
const MEMORY: u64 = 512 << 20;

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

/// The file of a run that stopped in the middle: with records in segments and in rings. After `rounds` of a small
/// capture, segments were overwritten.
fn capture(rounds: u64) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let options = CaptureOptions::new(&path).rings(RINGS).ring_capacity(64).max_bytes(2_500_000);
    let (audit, writer) = captured(&options);
    let mut recorders = recorders(&audit);
    play(&audit, &mut recorders, 0..rounds);
    audit.flush().unwrap();
    play(&audit, &mut recorders, rounds..rounds + 60);
    writer.attach("run.json", &[b'j'; 3000]).unwrap();
    writer.note_end("limit").unwrap();
    std::fs::read(&path).unwrap()
}

fn copy_over(bytes: &mut [u8], from: &[u8], dice: &mut Dice, unit: usize) {
    let length = unit * (1 + dice.roll(16));
    let (to, at) = (dice.roll(bytes.len()) / unit * unit, dice.roll(from.len()) / unit * unit);
    let length = length.min(bytes.len() - to).min(from.len() - at);
    bytes[to..to + length].copy_from_slice(&from[at..at + length]);
}

/// Damages `bytes` in one of many ways. `used` are places that hold something, so that damage hits.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], used: &[usize], dice: &mut Dice) {
    let place = |dice: &mut Dice| used[dice.roll(used.len())];
    match dice.roll(8) {
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
        _ => {
            for _ in 0..1 + dice.roll(8) {
                let at = place(dice);
                bytes[at] ^= 1 << dice.roll(8);
            }
        }
    }
}

type Written = HashMap<(u8, u64), CapturedRecord>;

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

/// Reads a damaged capture; returns whether anything of it was recognised.
fn survive(bytes: &[u8], written: &Written) -> bool {
    let mut seen = std::collections::HashSet::new();
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

#[test]
fn a_damaged_capture_is_read_as_far_as_it_is_whole() {
    let count: u64 = std::env::var("MUTATIONS").map_or(20_000, |text| text.parse().unwrap());
    let limit = Rlimit { current: Some(own_memory() + MEMORY), ..getrlimit(Resource::As) };
    setrlimit(Resource::As, limit).unwrap();
    let bases = [capture(4_000), capture(25_000)];
    let written: Vec<_> = bases.iter().map(|bytes| records(bytes)).collect();
    assert!(written.iter().all(|written| written.len() > 1_000));
    let other = capture(4_000);
    let used: Vec<Vec<usize>> =
        bases.iter().map(|bytes| (0..bytes.len()).filter(|at| bytes[*at] != 0).collect()).collect();
    let one = |seed: u64| {
        let base = (seed % 2) as usize;
        let mut dice = Dice(seed);
        let mut bytes = bases[base].clone();
        for _ in 0..1 + dice.roll(3) {
            if !bytes.is_empty() {
                let hit = used[base].partition_point(|at| *at < bytes.len());
                mutate(&mut bytes, &other, &used[base][..hit.max(1)], &mut dice);
            }
        }
        let read = std::panic::catch_unwind(|| survive(&bytes, &written[base]));
        u64::from(read.unwrap_or_else(|_| panic!("seed {seed}")))
    };
    let recognised: u64 = std::thread::scope(|scope| {
        let half = |first| scope.spawn(move || (first..count).step_by(2).map(one).sum::<u64>());
        [half(0), half(1)].map(|half| half.join().unwrap()).iter().sum()
    });
    assert!(recognised > count * 9 / 10, "only {recognised} of {count} were recognised");
}

/// Address space in use, from `/proc/self/statm`.
fn own_memory() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn a_damaged_header_alone_loses_nothing() {
    let bytes = capture(4_000);
    let written = records(&bytes);
    for damage in [0..4096, 4096..8192, 0..8192] {
        let mut bytes = bytes.clone();
        bytes[damage].fill(0xAA);
        assert_eq!(records(&bytes), written);
    }
    let mut spliced = bytes.clone();
    spliced[..8192].copy_from_slice(&capture(100)[..8192]);
    assert_eq!(records(&spliced), written, "the headers of another capture");
}
