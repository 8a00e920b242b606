//! Whole programs of recorders and readers against the reference model.
//!
//! The program runs on one thread, so everything in it happened in its own order, and each handle must fold in that
//! order whichever rings its records took. What a ring refuses is foretold by [`Room`], an account of slots.

use arbitrary::{Arbitrary, Unstructured};
use handle_audit::{
    AuditConfig, Focus, Frame, HandleAudit, HandleAuditEntry, HandleKind, Operation, OperationCounts,
    Recorder, label,
};

use crate::agree::agree;
use crate::model::{Model, Told};

const RINGS: usize = 3;

#[derive(Arbitrary, Debug)]
struct Set {
    capacity: u8,
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
    Pump,
    Flush,
    Focus(Vec<u8>),
    Disable,
    Enable,
}

/// Handles few enough to meet again, some of them on one stripe.
fn handle(byte: u8) -> u32 {
    0x1000 + u32::from(byte % 24) * 4
}

fn focus(bytes: &[u8]) -> Focus {
    bytes.iter().map(|byte| handle(*byte)).collect()
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
    cycle: u64,
    rejected: Vec<u64>,
    stacks_dropped: u64,
}

/// Any program of records, hand-overs, passes, flushes, focus changes and switches, on tiny rings that may stand close
/// to the wrap-around of their positions: trails, ghosts, leads, threads and accounts are those of the model.
pub fn record_sequences(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(set) = Set::arbitrary(&mut input) else { return };
    let mut world = World::new(&set);
    while !input.is_empty() {
        let Ok(step) = Step::arbitrary(&mut input) else { break };
        world.step(step);
    }
    world.check(set.before_wrap.map_or(0, |back| 0u64.wrapping_sub(u64::from(back))));
}

impl World {
    fn new(set: &Set) -> Self {
        let capacity = 8 + usize::from(set.capacity % 57);
        let start = set.before_wrap.map_or(0, |back| 0u64.wrapping_sub(u64::from(back)));
        let config = AuditConfig::default()
            .rings(RINGS)
            .ring_capacity(capacity)
            .first_position(start)
            .focus(focus(&set.focus))
            .enabled(true)
            .manual();
        let audit = HandleAudit::new(config).expect("the configuration is in range");
        let mut model = Model::default();
        model.set_focus(focus(&set.focus).iter().collect());
        let room = Room { capacity: capacity.next_power_of_two() as u64, used: 0, next: start, gap: None };
        Self {
            recorders: (0..RINGS).map(|ring| audit.claim(ring).ok()).collect(),
            audit,
            rooms: vec![room; RINGS],
            model,
            enabled: true,
            cycle: 0,
            rejected: Vec::new(),
            stacks_dropped: 0,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Record { ring, operation, handle: byte, tid, aux } => {
                let operation = Operation::ALL[usize::from(operation) % Operation::COUNT];
                self.record(usize::from(ring) % RINGS, operation, handle(byte), tid % 5, aux, &[]);
            }
            Step::CreateWithStack { ring, handle: byte, frames } => {
                let frames: Vec<_> =
                    (1..=u32::from(frames % 40)).map(|lr| Frame { frame: lr * 16, lr }).collect();
                self.record(usize::from(ring) % RINGS, Operation::Create, handle(byte), 1, 0, &frames);
            }
            Step::HandOver { ring } => {
                let ring = usize::from(ring) % RINGS;
                self.recorders[ring] = None;
                self.recorders[ring] = self.audit.claim(ring).ok();
            }
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
            Step::Disable => {
                self.audit.disable().expect("the drain lives");
                if std::mem::replace(&mut self.enabled, false) {
                    self.empty();
                }
            }
            Step::Enable => {
                self.audit.enable().expect("the drain lives");
                if !std::mem::replace(&mut self.enabled, true) {
                    self.empty();
                }
            }
        }
    }

    /// A pass took everything out of the rings.
    fn empty(&mut self) {
        self.rooms.iter_mut().for_each(|room| room.used = 0);
    }

    fn record(&mut self, ring: usize, operation: Operation, handle: u32, tid: u8, aux: u8, frames: &[Frame]) {
        self.cycle += 1;
        let kind = HandleKind::SEMAPHORE;
        let entry =
            HandleAuditEntry::new(self.cycle, u32::from(tid), 0x8200_0000, label!("fuzz"), u64::from(aux));
        let recorder = self.recorders[ring].as_mut().expect("the ring was free to claim");
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

    fn check(mut self, origin: u64) {
        let snapshot = self.audit.snapshot().expect("the drain lives");
        agree(&snapshot, &self.model, origin);
        assert_eq!(snapshot.losses.rejected(), self.rejected.len() as u64);
        assert_eq!(snapshot.losses.recorded(), self.model.all.len() as u64);
        assert_eq!(snapshot.losses.stacks_dropped(), self.stacks_dropped);
        for cycle in &self.rejected {
            assert!(snapshot.losses.overlaps(*cycle, *cycle), "no gap tells of the record at cycle {cycle}");
        }
        self.recorders.clear();
        self.audit.shutdown().expect("the drain lives");
        assert_eq!(self.audit.losses().expect("the drain lives").late(), 0);
    }
}
