//! What stands in the rings: records that were published and are perhaps in no segment yet.

use handle_audit::{ACCOUNT_WORDS, CapturedSlot, LedgerAccount};
use spsc_ring::{CONTROL_WORDS, FIRST_NOTE_WORD, HEAD_WORD, LINE_WORDS, Seal, TAIL_WORD};

use crate::frame::to_words;
use crate::layout::{Geometry, PAGE, RING_CONTROL};
use crate::source::Source;

/// Slots that one record takes at most: between the tail and that many beyond it there may be lines that were
/// written and not published.
const MAX_UNPUBLISHED: u64 = 16;

/// Lines read at once.
const CHUNK_LINES: u64 = 1024;

/// One ring as it was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct RingFound {
    /// Published and not released, by position.
    pub(crate) slots: Vec<CapturedSlot>,
    /// Tail and head, if they can be right.
    pub(crate) bounds: Option<Bounds>,
    /// Published lines that cannot be read.
    pub(crate) damaged: u64,
    /// The recorder's account, if one of its copies is whole.
    pub(crate) ledger: Option<LedgerAccount>,
}

/// The released and the published end of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) head: u64,
    pub(crate) tail: u64,
}

impl Bounds {
    fn of(control: &[u64; CONTROL_WORDS]) -> Self {
        Self { head: control[HEAD_WORD], tail: control[TAIL_WORD] }
    }

    fn length(self) -> u64 {
        self.tail.wrapping_sub(self.head)
    }

    fn contains(self, slot: &CapturedSlot) -> bool {
        slot.position.wrapping_sub(self.head) < self.length()
    }
}

/// Reads the words of a ring's control block, the lines between head and tail, and the account.
pub(crate) fn look(source: &dyn Source, geometry: &Geometry, ring: u64) -> RingFound {
    let seal = geometry.ring_seal(ring);
    let Some(control) = control(source, geometry, ring) else { return RingFound::default() };
    let mut slots = lines(source, geometry, ring, seal);
    // A process that runs went on meanwhile.
    let after =
        self::control(source, geometry, ring).map_or(Bounds::of(&control), |control| Bounds::of(&control));
    let Some(bounds) = bounds(Bounds::of(&control), after.tail, geometry.ring_capacity, &slots) else {
        slots.sort_by_key(|slot| slot.position);
        return RingFound { slots, ledger: ledger(&control, seal), ..RingFound::default() };
    };
    slots.retain(|slot| bounds.contains(slot));
    slots.sort_by_key(|slot| slot.position.wrapping_sub(bounds.head));
    // What was released while the lines were read may be overwritten, and stands in a segment.
    let released = after.head.wrapping_sub(bounds.head).min(bounds.length());
    let held = Bounds { head: bounds.head.wrapping_add(released), ..bounds };
    let whole = slots.iter().filter(|slot| held.contains(slot)).count() as u64;
    RingFound { slots, bounds: Some(bounds), damaged: held.length() - whole, ledger: ledger(&control, seal) }
}

/// The tail, as it is now.
pub(crate) fn tail(source: &dyn Source, geometry: &Geometry, ring: u64) -> Option<u64> {
    Some(control(source, geometry, ring)?[TAIL_WORD])
}

fn control(source: &dyn Source, geometry: &Geometry, ring: u64) -> Option<[u64; CONTROL_WORDS]> {
    let at = geometry.ring_at(ring) + RING_CONTROL;
    to_words(&source.read(at, CONTROL_WORDS * 8)).try_into().ok()
}

/// Every line that is whole and stands where its position belongs.
fn lines(source: &dyn Source, geometry: &Geometry, ring: u64, seal: Seal) -> Vec<CapturedSlot> {
    let capacity = geometry.ring_capacity;
    let mut found = Vec::new();
    for first in (0..capacity).step_by(CHUNK_LINES as usize) {
        let at = geometry.ring_at(ring) + PAGE + first * LINE_WORDS as u64 * 8;
        let count = CHUNK_LINES.min(capacity) as usize;
        let words = to_words(&source.read(at, count * LINE_WORDS * 8));
        for (index, line) in (first..).zip(words.as_chunks::<LINE_WORDS>().0) {
            if let Some((position, payload)) = seal.open(line)
                && position & (capacity - 1) == index
            {
                found.push(CapturedSlot { ring: ring as u8, position, payload });
            }
        }
    }
    found
}

/// Head and tail, unless they contradict themselves or the lines: no line can be far beyond the tail, as it was after
/// the lines were read, or so old that the ring must have overwritten it.
fn bounds(bounds: Bounds, tail_after: u64, capacity: u64, lines: &[CapturedSlot]) -> Option<Bounds> {
    let oldest = bounds.tail.wrapping_sub(capacity + MAX_UNPUBLISHED);
    let newest = tail_after.wrapping_add(MAX_UNPUBLISHED);
    let sound = bounds.length() <= capacity
        && lines.iter().all(|line| line.position.wrapping_sub(oldest) <= newest.wrapping_sub(oldest));
    sound.then_some(bounds)
}

/// The newer of the two copies of the account that is whole.
fn ledger(control: &[u64; CONTROL_WORDS], seal: Seal) -> Option<LedgerAccount> {
    let copies = control[FIRST_NOTE_WORD..].as_chunks::<ACCOUNT_WORDS>().0;
    let whole = copies.iter().take(2).filter_map(|words| LedgerAccount::from_words(words, seal));
    let newest = whole.max_by_key(LedgerAccount::version);
    let untouched = copies.iter().take(2).flatten().all(|word| *word == 0);
    if untouched { Some(LedgerAccount::default()) } else { newest }
}
