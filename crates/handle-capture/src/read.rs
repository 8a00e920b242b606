//! Reading a capture: finished, killed, still being written, or damaged.
//!
//! ```text
//! rings (raw) ─▶ second look at the tails ─▶ segments ─▶ what the rings have beyond them ─▶ Snapshot
//! ```
//!
//! The rings are read before the segments. A record leaves its ring only when it stands in a segment, so whatever
//! was in neither at the first moment was not published then. What both have is told by (ring, position).

use std::fs::File;
use std::path::{Path, PathBuf};

use handle_audit::{Captured, CapturedRecord, CapturedSlot, settle};
use rustc_hash::FxHashSet;

use crate::error::CaptureError;
use crate::find::{self, Found};
use crate::frame::to_words;
use crate::history::{Extent, History};
use crate::layout::{Geometry, Role, header};
use crate::names::Names;
use crate::recovered::{Ending, Event, Info, Note, Recovered};
use crate::rings::{self, RingFound};
use crate::source::{FileSource, Source};
use crate::words::{Glass, LabelOf};

/// Reads the state that a capture leads to. Its process may have finished, been killed or still run; it is not
/// disturbed. What stands before the newest whole checkpoint is not looked at, so damage there is not told.
///
/// # Errors
///
/// [`CaptureError`] if the file cannot be opened, or no section of a capture is recognisable in it. Damage beyond
/// that is no error: see [`Recovered::notes`].
pub fn read(path: impl AsRef<Path>) -> Result<Recovered, CaptureError> {
    read_file(path.as_ref(), Extent::State, |_| ())
}

/// Reads all of a capture, and shows every event in the order of the fold.
///
/// # Errors
///
/// As [`read`].
pub fn read_with(path: impl AsRef<Path>, visit: impl FnMut(&Event)) -> Result<Recovered, CaptureError> {
    read_file(path.as_ref(), Extent::History, visit)
}

/// Reads the state that a capture in memory leads to, rings included.
///
/// # Errors
///
/// As [`read`].
pub fn read_bytes(bytes: &[u8]) -> Result<Recovered, CaptureError> {
    read_memory(bytes, Extent::State, |_| ())
}

/// Reads all of a capture in memory, rings included, and shows every event in the order of the fold.
///
/// # Errors
///
/// As [`read`].
pub fn read_bytes_with(bytes: &[u8], visit: impl FnMut(&Event)) -> Result<Recovered, CaptureError> {
    read_memory(bytes, Extent::History, visit)
}

fn read_file(path: &Path, extent: Extent, visit: impl FnMut(&Event)) -> Result<Recovered, CaptureError> {
    let source = open(path)?;
    let running = source.is_written();
    let found = find::geometry(&source)?;
    let rings = rings_file(&source, &found.geometry);
    read_sources(&source, found, &rings, (running, extent), visit)
}

fn read_memory(bytes: &[u8], extent: Extent, visit: impl FnMut(&Event)) -> Result<Recovered, CaptureError> {
    let found = find::geometry(&bytes)?;
    let elsewhere = || RingsMissing { path: PathBuf::new() };
    let rings = if found.geometry.rings_elsewhere { Err(elsewhere()) } else { Ok(None) };
    read_sources(&bytes, found, &rings, (false, extent), visit)
}

pub(crate) fn open(path: &Path) -> Result<FileSource, CaptureError> {
    // Opening a pipe would wait for somebody to write to it.
    let metadata = path.metadata().map_err(CaptureError::io(path, "cannot open the capture"))?;
    if !metadata.is_file() {
        return Err(CaptureError::NotACapture { length: 0 });
    }
    let file = File::open(path).map_err(CaptureError::io(path, "cannot open the capture"))?;
    let length = file.metadata().map_err(CaptureError::io(path, "cannot read the capture"))?.len();
    Ok(FileSource { file, length })
}

/// Where the rings should be and are not.
#[derive(Debug)]
pub(crate) struct RingsMissing {
    path: PathBuf,
}

/// The file that has the rings, and its path; nothing if that is the capture itself.
pub(crate) fn rings_file(
    source: &dyn Source,
    geometry: &Geometry,
) -> Result<Option<(PathBuf, FileSource)>, RingsMissing> {
    if !geometry.rings_elsewhere {
        return Ok(None);
    }
    let at = (header::RINGS_PATH * 8) as u64;
    let words = to_words(&source.read(at, header::RINGS_PATH_BYTES + 8));
    let path = Glass { words: &words, labels: &NoLabels }.bytes().unwrap_or_default();
    let path = PathBuf::from(String::from_utf8_lossy(&path).into_owned());
    let rings = open(&path).ok().filter(|rings| {
        find::section(rings, geometry, Role::Header, 0).is_some()
            || find::section(rings, geometry, Role::Ring, 0).is_some()
    });
    match rings {
        Some(rings) => Ok(Some((path, rings))),
        None => Err(RingsMissing { path }),
    }
}

pub(crate) fn read_sources(
    source: &dyn Source,
    found: Found,
    rings_in: &Result<Option<(PathBuf, FileSource)>, RingsMissing>,
    (running, extent): (bool, Extent),
    mut visit: impl FnMut(&Event),
) -> Result<Recovered, CaptureError> {
    let geometry = found.geometry;
    let ring_source = match rings_in {
        Ok(Some((_, file))) => Some(file as &dyn Source),
        Ok(None) => Some(source),
        Err(_) => None,
    };
    let rings = ring_source.map_or_else(Vec::new, |source| look_at_rings(source, &geometry));
    let newcomers =
        ring_source.filter(|_| running).map_or_else(Vec::new, |source| look_again(source, &geometry, &rings));

    let names = Names::new(source, geometry);
    let waiting = rings.iter().flat_map(|ring| &ring.slots).chain(&newcomers);
    let waiting = waiting.map(|slot| (slot.ring, slot.position)).collect();
    let mut history = History::new(source, geometry, &names, waiting, &mut visit);
    history.read(extent);
    let rest = history.beyond(&rings, &newcomers);
    let without_rings = rings_in.as_ref().err().filter(|_| !history.stopped());
    if without_rings.is_some() {
        history.hole(0);
    }
    let notes = names.notes();

    let ending = ending(source, running, notes.end);
    let mut remarks = history.remarks();
    remarks.extend(ring_remarks(&rings, &rest));
    if let Some(RingsMissing { path }) = without_rings {
        remarks.push(Note::RingsMissing { path: path.display().to_string() });
    }
    if notes.lost > 0 {
        remarks.push(Note::LostNotes { count: notes.lost });
    }
    if !found.headers_intact {
        remarks.push(Note::Header);
    }
    remarks.sort_by_key(|note| !note.is_loss());
    let info = Info {
        id: geometry.id,
        created: geometry.created,
        pid: geometry.pid,
        ending,
        rings: geometry.rings,
        ring_capacity: geometry.ring_capacity,
        bytes: source.length(),
        rings_at: rings_in.as_ref().ok().and_then(Option::as_ref).map(|(path, _)| path.clone()),
        segments_written: history.written(),
        segments_kept: history.kept(),
        slots_in_segments: history.slots(),
        slots_in_rings: rest.slots,
    };
    let snapshot = history.snapshot(&rings, &rest.late);
    Ok(Recovered { snapshot, info, notes: remarks, attachments: notes.attachments })
}

/// The first look: all that stands in the rings.
fn look_at_rings(source: &dyn Source, geometry: &Geometry) -> Vec<RingFound> {
    (0..geometry.rings).map(|ring| rings::look(source, geometry, ring)).collect()
}

/// The second look: what was published since.
fn look_again(source: &dyn Source, geometry: &Geometry, rings: &[RingFound]) -> Vec<CapturedSlot> {
    let mut newcomers = Vec::new();
    let tails: Vec<_> = (0..geometry.rings).map(|ring| rings::tail(source, geometry, ring)).collect();
    for ((ring, first), tail) in (0..).zip(rings).zip(tails) {
        let (Some(first), Some(tail)) = (first.bounds, tail) else { continue };
        let since = tail.wrapping_sub(first.tail);
        if since > 0 {
            // Lines that are gone by now were folded, and stand in a segment.
            let now = rings::look(source, geometry, ring).slots;
            newcomers.extend(now.into_iter().filter(|slot| slot.position.wrapping_sub(first.tail) < since));
        }
    }
    newcomers
}

/// What the rings had beyond the segments.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// Slots folded.
    pub(crate) slots: u64,
    /// Records published after the end, by ring.
    pub(crate) late: Vec<u64>,
    /// Records left out because what must come before them may not have been seen.
    pub(crate) in_flight: u64,
    /// Slots that continue nothing.
    pub(crate) orphans: u64,
}

impl<V: FnMut(&Event)> History<'_, V> {
    /// Folds what stands in the rings and in no segment.
    pub(crate) fn beyond(&mut self, rings: &[RingFound], newcomers: &[CapturedSlot]) -> Rest {
        let mut rest = Rest { late: vec![0; rings.len()], ..Rest::default() };
        let mut records = Vec::new();
        for (ring, found) in rings.iter().enumerate() {
            self.notice_release(ring, found);
            if (found.damaged > 0 || found.bounds.is_none()) && !self.has_all_of(ring, found) {
                self.hole(ring as u8);
            }
            let slots: Vec<_> =
                found.slots.iter().filter(|slot| !self.has(slot.ring, slot.position)).copied().collect();
            for (slot, captured, used) in decode(&slots, self.names, &mut rest.orphans) {
                if self.end_of(ring).is_some_and(|end| (slot.position.wrapping_sub(end) as i64) >= 0) {
                    rest.late[ring] += u64::from(matches!(captured, Captured::Record(_)));
                    continue;
                }
                rest.slots += used;
                match captured {
                    Captured::Record(mut record) => {
                        if cut_short(found, slot.position.wrapping_add(used)) {
                            record.stack.clear();
                        }
                        records.push(record);
                    }
                    Captured::Gap(gap) => self.gap(gap),
                }
            }
        }
        let newcomers: Vec<_> =
            newcomers.iter().filter(|slot| !self.has(slot.ring, slot.position)).copied().collect();
        let newcomers: Vec<CapturedRecord> = decode(&newcomers, self.names, &mut 0)
            .into_iter()
            .filter_map(|(_, captured, _)| match captured {
                Captured::Record(record) => Some(record),
                Captured::Gap(_) => None,
            })
            .collect();
        let order = settle(&records, &newcomers);
        rest.in_flight = (records.len() - order.len() + newcomers.len()) as u64;
        order.into_iter().for_each(|record| self.record(record));
        rest
    }
}

/// Whether the line after a record's last one is damaged: it may have been the next part of the stack.
fn cut_short(found: &RingFound, next: u64) -> bool {
    let first = found.slots.first().map_or(next, |slot| slot.position);
    let order = |slot: &CapturedSlot| slot.position.wrapping_sub(first);
    let whole = found.slots.binary_search_by_key(&next.wrapping_sub(first), order).is_ok();
    !whole && found.bounds.is_none_or(|bounds| bounds.tail != next)
}

/// Slots as records and gaps, each with its first slot and how many slots it has. What continues nothing is counted.
pub(crate) fn decode(
    slots: &[CapturedSlot],
    names: &Names<'_>,
    orphans: &mut u64,
) -> Vec<(CapturedSlot, Captured, u64)> {
    let (mut at, mut all) = (0, Vec::new());
    while at < slots.len() {
        match Captured::read(&slots[at..], |id| names.label(id)) {
            Some((captured, used)) => {
                all.push((slots[at], captured, used as u64));
                at += used;
            }
            None => {
                *orphans += 1;
                at += 1;
            }
        }
    }
    all
}

/// Why the capture ended. What kills the process comes after what the host noted, and so counts more; a panic may
/// have been caught, and counts less, unless it is what made the process abort.
fn ending(source: &dyn Source, running: bool, noted: Option<String>) -> Ending {
    let crash = to_words(&source.read(header::CRASH as u64 * 8, 16));
    let signal = match *crash {
        [number, address] if number != 0 => Some(Ending::Signal { number: number as u32, address }),
        _ => None,
    };
    let panic = panic_text(source).map(Ending::Panic);
    match signal {
        Some(Ending::Signal { number: SIGABRT, .. }) if panic.is_some() => panic,
        Some(signal) => Some(signal),
        None => noted.map(Ending::Noted).or(panic),
    }
    .unwrap_or(if running { Ending::Running } else { Ending::Killed })
}

/// The number of the signal that an abort raises.
const SIGABRT: u32 = 6;

fn panic_text(source: &dyn Source) -> Option<String> {
    let words = to_words(&source.read(header::PANIC as u64 * 8, 8 + header::PANIC_BYTES));
    let (length, text) = words.split_first()?;
    let bytes = length << 1 >> 1;
    if length >> 63 == 0 || bytes > header::PANIC_BYTES as u64 {
        return None;
    }
    let words: Vec<u64> = std::iter::once(bytes).chain(text.iter().copied()).collect();
    let bytes = Glass { words: &words, labels: &NoLabels }.bytes().unwrap_or_default();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[derive(Debug)]
struct NoLabels;

impl LabelOf for NoLabels {
    fn label(&self, _id: u16) -> handle_audit::Label {
        handle_audit::Label::OVERFLOW
    }
}

fn ring_remarks(rings: &[RingFound], rest: &Rest) -> Vec<Note> {
    let mut remarks = Vec::new();
    for (ring, found) in (0..).zip(rings) {
        if found.bounds.is_none() {
            remarks.push(Note::RingControl { ring });
        }
        if found.ledger.is_none() {
            remarks.push(Note::Account { ring });
        }
        if found.damaged > 0 {
            remarks.push(Note::DamagedLines { ring, lines: found.damaged });
        }
    }
    if rest.in_flight > 0 {
        remarks.push(Note::InFlight { records: rest.in_flight });
    }
    if rest.orphans > 0 {
        remarks.push(Note::Unordered { slots: rest.orphans });
    }
    remarks
}

/// Places of slots.
pub(crate) type Places = FxHashSet<(u8, u64)>;
