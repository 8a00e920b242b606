//! Captures that were damaged in every way we could think of: no panic, no hang, bounded memory, and nothing is
//! accepted that was not written.
//!
//! `ci/mutations.sh` does a million.

#[path = "../common/mod.rs"]
mod common;

mod base;
mod damage;
mod written;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Instant;

use cap::Cap;
use common::RINGS;
use handle_capture::{CaptureOptions, Event, read_bytes, read_bytes_with, read_with};
use peak_alloc::PeakAlloc;
use rustc_hash::FxHashSet;

use base::{Base, SMALL, run};
use damage::{Dice, Patient};
use written::Written;

#[global_allocator]
static ALLOCATED: Cap<PeakAlloc> = Cap::new(PeakAlloc, usize::MAX);

/// Bytes that a reader may hold at a time, whatever the file says. A whole file of 2.2 MB takes 5 MB.
const MEMORY: usize = 12 << 20;

/// Bytes that it may allocate in all. Whatever it reads, decodes or folds it allocates for, so this counts its work, and
/// one that goes round in circles is noticed without a clock. A whole file takes 30 MB, for it is read twice.
const WORK: usize = 64 << 20;

/// The counters of bytes are one for all, so one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Places of records that were read.
type Seen = FxHashSet<(u8, u64)>;

/// What a reader took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Took {
    /// Bytes at a time.
    memory: usize,
    /// Bytes in all.
    work: usize,
}

impl Took {
    fn of<T>(what: impl FnOnce() -> T) -> (T, Self) {
        PeakAlloc.reset_peak_usage();
        let (held, before) = (PeakAlloc.current_usage(), ALLOCATED.total_allocated());
        let result = what();
        let memory = PeakAlloc.peak_usage().saturating_sub(held);
        (result, Self { memory, work: ALLOCATED.total_allocated() - before })
    }

    fn is_bounded(self) -> bool {
        self.memory < MEMORY && self.work < WORK
    }

    fn or_more(self, other: Self) -> Self {
        Self { memory: self.memory.max(other.memory), work: self.work.max(other.work) }
    }
}

/// Reads the state alone, then the whole history; says whether anything was recognised. `written` says what was ever
/// written into the capture of a number, the one that the file is read as; without that, any record is taken for one.
fn survive<'a>(bytes: &[u8], written: impl Fn(u64) -> Option<&'a Written>, seen: &mut Seen) -> bool {
    seen.clear();
    let state = read_bytes(bytes);
    let written = state.as_ref().ok().and_then(|state| written(state.info.id));
    let check = |event: &Event| {
        if let (Event::Record(record), Some(written)) = (event, written) {
            assert!(seen.insert((record.ring, record.position)), "a record came twice: {record:?}");
            written.check_record(record);
        }
    };
    let history = read_bytes_with(bytes, check);
    for recovered in [&history, &state].into_iter().flatten() {
        if let Some(written) = written {
            written.check_state(&recovered.snapshot);
        }
    }
    assert_eq!(history.is_ok(), state.is_ok());
    history.is_ok()
}

/// What the environment says, or else the default.
fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn a_damaged_capture_is_read_as_far_as_it_is_whole() {
    let _alone = ALONE.lock();
    let (first, count) = (variable("MUTATIONS_FROM", 0), variable("MUTATIONS", 20_000));
    // After so many rounds in so little space, segments were overwritten.
    let bases = [Base::new(1_500), Base::new(24_000)];
    let other = Base::new(1_500);
    let mut patients = bases.each_ref().map(Patient::new);
    let (mut recognised, mut most, begin) = (0, Took::default(), Instant::now());
    let mut seen = Seen::default();
    for seed in first..first + count {
        // A full one takes several times as long to read.
        let patient = &mut patients[usize::from(seed % 8 == 0)];
        let mut dice = Dice(seed);
        for _ in 0..1 + dice.roll(3) {
            patient.damage(&other.bytes, &mut dice);
        }
        let (bytes, base, forged) = (&patient.bytes, patient.base, patient.forged);
        // Enough of the other capture makes it that one.
        let written = |id| match id {
            _ if forged => None,
            id if id == other.id => Some(&other.written),
            _ => Some(&base.written),
        };
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            Took::of(|| survive(bytes, written, &mut seen))
        }));
        let (known, took) = read.unwrap_or_else(|_| panic!("seed {seed}"));
        assert!(took.is_bounded(), "seed {seed}: {took:?}");
        (recognised, most) = (recognised + u64::from(known), most.or_more(took));
        patient.heal();
        let done = seed + 1 - first;
        if done.is_multiple_of(10_000) {
            let seconds = begin.elapsed().as_secs_f64();
            println!(
                "{done} of {count} from {first} on, {:.0} a second, {seconds:.0} s: {recognised} recognised, \
                 {most:?}",
                done as f64 / seconds
            );
        }
    }
    println!(
        "{count} mutations from {first} on: {recognised} recognised, none accepted that was not written, {most:?}"
    );
    assert!(recognised > count * 9 / 10, "only {recognised} of {count} were recognised");
    for patient in &patients {
        assert!(patient.bytes == patient.base.bytes, "every damage was undone");
    }
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
    let all: BTreeSet<_> = lines.chain(pages).chain(frames).collect();
    all.into_iter().collect()
}

#[test]
fn a_capture_cut_at_any_boundary_gives_what_stands_before_it() {
    let _alone = ALONE.lock();
    let base = Base::new(4_000);
    let boundaries = boundaries(&base.bytes);
    assert!(boundaries.len() > 400, "{}", boundaries.len());
    let near = |at: &usize| [at.saturating_sub(1), *at, at + 1, at + 8, at + 32];
    let mut seen = Seen::default();
    let mut recognised = 0;
    for length in boundaries.iter().flat_map(near).map(|length| length.min(base.bytes.len())) {
        let cut = &base.bytes[..length];
        let (known, took) = Took::of(|| survive(cut, |_| Some(&base.written), &mut seen));
        assert!(took.is_bounded(), "{length}: {took:?}");
        recognised += usize::from(known);
    }
    println!("{} boundaries, {recognised} cuts recognised", boundaries.len());
    assert!(recognised > boundaries.len() * 4, "the first header is enough to recognise it");
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
    let (recovered, took) = Took::of(|| read_with(&path, |_| ()).unwrap());
    assert!(!recovered.is_complete());
    assert!(took.is_bounded(), "{took:?}");
}

#[test]
fn a_damaged_header_alone_loses_nothing() {
    let _alone = ALONE.lock();
    let (bytes, _) = run(4_000, SMALL);
    let written = Written::of(&bytes).count();
    for damage in [0..4096, 4096..8192, 0..8192] {
        let mut bytes = bytes.clone();
        bytes[damage].fill(0xAA);
        assert_eq!(Written::of(&bytes).count(), written);
    }
    let mut spliced = bytes.clone();
    spliced[..8192].copy_from_slice(&run(100, SMALL).0[..8192]);
    assert_eq!(Written::of(&spliced).count(), written, "the headers of another capture");
}
