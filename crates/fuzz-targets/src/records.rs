//! Whole programs of recorders and readers against the reference model.
//!
//! The program runs on one thread, so everything in it happened in its own order, and each handle must fold in that
//! order whichever rings its records took. What a ring refuses is foretold by [`Room`], an account of slots.

use arbitrary::{Arbitrary, Unstructured};
use handle_audit::{
    AuditConfig, ClaimError, Coverage, Focus, Frame, HandleAudit, HandleAuditEntry, HandleKind, Label,
    Operation, OperationCounts, Recorder, label,
};

use crate::agree::agree;
use crate::model::{Model, Told};

#[derive(Arbitrary, Debug)]
struct Set {
    /// One ring to nine: with nine, stamps come from shared counters.
    rings: u8,
    capacity: u8,
    /// Recording begins with the first enable.
    late: bool,
    /// Records before the wrap-around at which the rings begin, if not at 0.
    before_wrap: Option<u8>,
    focus: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Record {
        ring: u8,
        operation: u8,
        handle: u8,
        tid: u8,
        aux: u8,
    },
    CreateWithStack {
        ring: u8,
        handle: u8,
        frames: u8,
    },
    /// Drops a recorder and claims its ring again.
    HandOver {
        ring: u8,
    },
    /// Drops a recorder. The ring has none until it is claimed.
    Leave {
        ring: u8,
    },
    /// Claims a ring, which may have a recorder or not exist.
    Claim {
        ring: u8,
    },
    ClaimAny,
    Pump,
    Flush,
    Focus(Vec<u8>),
    Disable,
    Enable,
    /// A snapshot in the middle, compared with the model.
    Look,
    Shutdown,
}

/// Handles few enough to meet again, some of them on one stripe.
fn handle(byte: u8) -> u32 {
    0x1000 + u32::from(byte % 24) * 4
}

fn focus(bytes: &[u8]) -> Focus {
    bytes.iter().map(|byte| handle(*byte)).collect()
}

/// What a record says beside its operation, handle, thread and argument. All of it follows from its number, so that no two
/// records in a row have a field in common, and inputs need no bytes for it.
fn particulars(number: u64) -> (HandleKind, Label, u32) {
    let kinds = [
        HandleKind::EVENT_MANUAL,
        HandleKind::EVENT_AUTO,
        HandleKind::SEMAPHORE,
        HandleKind::TIMER_MANUAL,
        HandleKind::MUTANT,
        HandleKind::THREAD,
        HandleKind::host(label!("File")),
    ];
    let sources =
        [label!("NtSetEvent"), label!("KeSetEvent"), label!("NtClose"), Label::OVERFLOW, label!("fuzz")];
    let pick = |count: usize| (number % count as u64) as usize;
    // The factor is odd, so no two records of a program have one link register; and it reaches every bit.
    (kinds[pick(kinds.len())], sources[pick(sources.len())], (number as u32).wrapping_mul(0x9E37_79B1))
}

/// What one ring has room for: the rule of reserve, gap and stack told without a ring.
#[derive(Clone, Debug)]
struct Room {
    capacity: u64,
    used: u64,
    /// Position of the next slot.
    next: u64,
    gap: Option<OperationCounts>,
}

enum Verdict {
    Rejected,
    /// Recorded at this position, with so many frames.
    Recorded(u64, usize),
}

impl Room {
    fn free(&self) -> u64 {
        self.capacity - self.used
    }

    fn reserve(&self) -> u64 {
        self.capacity / 8
    }

    fn send_gap(&mut self) {
        let Some(gap) = self.gap else { return };
        let slots = 1 + (gap.iter().count() as u64).div_ceil(4);
        if self.free() > self.reserve() + slots {
            self.take(slots);
            self.gap = None;
        }
    }

    /// Takes slots and returns the position of the first.
    fn take(&mut self, slots: u64) -> u64 {
        let first = self.next;
        self.used += slots;
        self.next = first.wrapping_add(slots);
        first
    }

    fn offer(&mut self, operation: Operation, frames: usize) -> Verdict {
        self.send_gap();
        let frames = frames.min(32);
        let stack = (frames as u64).div_ceil(4);
        let keep = if operation == Operation::Create { 0 } else { self.reserve() };
        if frames > 0 && self.free() > stack {
            Verdict::Recorded(self.take(1 + stack), frames)
        } else if self.free() > keep {
            Verdict::Recorded(self.take(1), 0)
        } else {
            self.gap.get_or_insert_default().add(operation, 1);
            Verdict::Rejected
        }
    }
}

struct World {
    audit: HandleAudit,
    recorders: Vec<Option<Recorder>>,
    rooms: Vec<Room>,
    model: Model,
    enabled: bool,
    disabled_once: bool,
    over: bool,
    coverage: Coverage,
    /// Where the rings' positions began.
    origin: u64,
    cycle: u64,
    rejected: Vec<u64>,
    stacks_dropped: u64,
}

/// Any program of records, claims, hand-overs, passes, flushes, focus changes, switches and a shutdown, on tiny rings
/// that may stand close to the wrap-around of their positions: trails, ghosts, leads, threads and accounts are those of
/// the model, at the end and whenever somebody looks.
pub fn record_sequences(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(set) = Set::arbitrary(&mut input) else { return };
    let mut world = World::new(&set);
    while !input.is_empty() {
        let Ok(step) = Step::arbitrary(&mut input) else { break };
        world.step(step);
    }
    world.end();
}

impl World {
    fn new(set: &Set) -> Self {
        let rings = 1 + usize::from(set.rings % 9);
        let capacity = 8 + usize::from(set.capacity % 57);
        let start = set.before_wrap.map_or(0, |back| 0u64.wrapping_sub(u64::from(back)));
        let config = AuditConfig::default()
            .rings(rings)
            .ring_capacity(capacity)
            .first_position(start)
            .focus(focus(&set.focus))
            .enabled(!set.late)
            .manual();
        let audit = HandleAudit::new(config).expect("the configuration is in range");
        let mut model = Model::default();
        model.set_focus(focus(&set.focus).iter().collect());
        let room = Room { capacity: capacity.next_power_of_two() as u64, used: 0, next: start, gap: None };
        Self {
            recorders: (0..rings).map(|ring| audit.claim(ring).ok()).collect(),
            audit,
            rooms: vec![room; rings],
            model,
            enabled: !set.late,
            disabled_once: false,
            over: false,
            coverage: Coverage::default(),
            origin: start,
            cycle: 0,
            rejected: Vec::new(),
            stacks_dropped: 0,
        }
    }

    fn step(&mut self, step: Step) {
        let rings = self.recorders.len();
        match step {
            Step::Record { ring, operation, handle: byte, tid, aux } => {
                let operation = Operation::ALL[usize::from(operation) % Operation::COUNT];
                self.record(usize::from(ring) % rings, operation, handle(byte), tid % 5, aux, &[]);
            }
            Step::CreateWithStack { ring, handle: byte, frames } => {
                let frames: Vec<_> =
                    (1..=u32::from(frames % 40)).map(|lr| Frame { frame: lr * 16, lr }).collect();
                self.record(usize::from(ring) % rings, Operation::Create, handle(byte), 1, 0, &frames);
            }
            Step::HandOver { ring } => {
                self.recorders[usize::from(ring) % rings] = None;
                self.claim(usize::from(ring) % rings);
            }
            Step::Leave { ring } => self.recorders[usize::from(ring) % rings] = None,
            Step::Claim { ring } => self.claim(usize::from(ring) % (rings + 2)),
            Step::ClaimAny => self.claim_any(),
            Step::Pump => {
                self.audit.pump().expect("the drain lives");
                self.empty();
            }
            Step::Flush => {
                self.audit.flush().expect("the drain lives");
                self.empty();
            }
            Step::Focus(bytes) => {
                self.audit.set_focus(focus(&bytes)).expect("the drain lives");
                self.model.set_focus(focus(&bytes).iter().collect());
                self.empty();
            }
            Step::Disable => self.disable(),
            Step::Enable => self.enable(),
            Step::Look => self.look(),
            Step::Shutdown => {
                self.audit.shutdown().expect("the drain lives");
                self.empty();
                (self.enabled, self.over) = (false, true);
            }
        }
    }

    fn claim(&mut self, ring: usize) {
        let rings = self.recorders.len();
        match self.audit.claim(ring) {
            Ok(recorder) => {
                assert_eq!(recorder.ring(), ring);
                let free = self.recorders[ring].replace(recorder).is_none();
                assert!(free, "ring {ring} was given away twice");
            }
            Err(ClaimError::Claimed { .. }) => assert!(self.recorders[ring].is_some()),
            Err(error) => assert_eq!((error, ring >= rings), (ClaimError::NoSuchRing { ring, rings }, true)),
        }
    }

    fn claim_any(&mut self) {
        let free = self.recorders.iter().position(Option::is_none);
        match (self.audit.claim_any(), free) {
            (Ok(recorder), Some(ring)) => {
                assert_eq!(recorder.ring(), ring, "the first free one");
                self.recorders[ring] = Some(recorder);
            }
            (result, free) => {
                let refused = result.map(|recorder| recorder.ring());
                assert_eq!(
                    (refused, free),
                    (Err(ClaimError::NoneFree { rings: self.recorders.len() }), None)
                );
            }
        }
    }

    fn disable(&mut self) {
        self.audit.disable().expect("the drain lives");
        if std::mem::replace(&mut self.enabled, false) {
            self.disabled_once = true;
            self.empty();
        }
    }

    fn enable(&mut self) {
        self.audit.enable().expect("the drain lives");
        if self.enabled || self.over {
            return;
        }
        if self.disabled_once {
            self.coverage.pauses += 1;
        } else {
            self.coverage.late_start = true;
        }
        self.enabled = true;
        self.empty();
    }

    /// A pass took everything out of the rings.
    fn empty(&mut self) {
        self.rooms.iter_mut().for_each(|room| room.used = 0);
    }

    fn record(&mut self, ring: usize, operation: Operation, handle: u32, tid: u8, aux: u8, frames: &[Frame]) {
        self.cycle += 1;
        let (kind, source, lr) = particulars(self.cycle);
        let entry = HandleAuditEntry::new(self.cycle, u32::from(tid), lr, source, u64::from(aux));
        let Some(recorder) = self.recorders[ring].as_mut() else { return };
        if frames.is_empty() {
            recorder.record_any(operation, handle, kind, entry);
        } else {
            recorder.record_create_with_stack(handle, kind, entry, frames);
        }
        if !self.enabled {
            return;
        }
        let Verdict::Recorded(position, kept) = self.rooms[ring].offer(operation, frames.len()) else {
            self.rejected.push(self.cycle);
            return;
        };
        self.stacks_dropped += u64::from(kept == 0 && !frames.is_empty());
        let (ring, frames) = (ring as u8, frames[..kept].to_vec());
        self.model.tell(Told { ring, position, operation, handle, kind, entry, frames });
    }

    /// Everything so far is what the model says.
    fn look(&mut self) {
        let snapshot = self.audit.snapshot().expect("the drain lives");
        self.empty();
        agree(&snapshot, &self.model, self.origin);
        assert_eq!(snapshot.coverage, self.coverage);
        assert_eq!(snapshot.losses.rejected(), self.rejected.len() as u64);
        assert_eq!(snapshot.losses.recorded(), self.model.all.len() as u64);
        assert_eq!((snapshot.losses.stacks_dropped(), snapshot.losses.late()), (self.stacks_dropped, 0));
        for cycle in &self.rejected {
            assert!(snapshot.losses.overlaps(*cycle, *cycle), "no gap tells of the record at cycle {cycle}");
        }
    }

    fn end(mut self) {
        self.look();
        self.recorders.clear();
        self.audit.shutdown().expect("the drain lives");
        assert_eq!(self.audit.losses().expect("the drain lives").late(), 0);
    }
}
