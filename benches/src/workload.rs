//! The events that all candidates get, and the work that lies between them.

use handle_audit::{HandleAuditEntry, Label, Operation, label};

/// What a call site knows, before anyone's encoding of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub operation: Operation,
    /// To which handle.
    pub handle: u32,
    /// By which guest thread.
    pub tid: u32,
    /// When, in guest cycles.
    pub cycle: u64,
}

/// Where the calls come from.
pub const LR: u32 = 0x8200_0040;

impl Event {
    /// The entry that the audit takes.
    #[inline(always)]
    #[must_use]
    pub fn entry(&self, source: Label) -> HandleAuditEntry {
        HandleAuditEntry { cycle: self.cycle, tid: self.tid, lr: LR, source, aux: self.cycle }
    }

    /// The export that stands for its operation.
    #[must_use]
    pub fn source(&self) -> Label {
        match self.operation {
            Operation::Wait => label!("NtWaitForSingleObjectEx"),
            Operation::Wake => label!("KeSetEvent"),
            _ => label!("NtSetEvent"),
        }
    }
}

/// The handle of an index: in steps of four from the first one of a kernel's table.
#[inline(always)]
#[must_use]
pub const fn handle(index: u32) -> u32 {
    0xF800_0000 + index * 4
}

/// A small generator of pseudo-random numbers (xorshift64*), so that every run sees the same events.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed other than 0.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// The next number below `limit`.
    pub fn below(&mut self, limit: u32) -> u32 {
        (((self.draw() >> 32) * u64::from(limit)) >> 32) as u32
    }

    /// The next number of `[0, 1)`.
    pub fn share(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// How often each handle is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// All alike.
    Uniform,
    /// The n-th most used one 1/n as often as the first.
    Zipf,
}

/// `count` handle indices below `handles`.
#[must_use]
pub fn indices(handles: u32, spread: Spread, count: usize) -> Vec<u32> {
    let mut random = Random::new(0x9E37_79B9_7F4A_7C15);
    match spread {
        Spread::Uniform => (0..count).map(|_| random.below(handles)).collect(),
        Spread::Zipf => {
            let mut sum = 0.0;
            let steps: Vec<f64> = (1..=handles)
                .map(|rank| {
                    sum += 1.0 / f64::from(rank);
                    sum
                })
                .collect();
            // Ranks are scattered over the table, or the most used handles would share cache lines.
            let scatter = |rank: usize| (rank as u64 * 0x9E37_79B1 % u64::from(handles)) as u32;
            (0..count)
                .map(|_| {
                    let at = random.share() * sum;
                    scatter(steps.partition_point(|step| *step <= at))
                })
                .collect()
        }
    }
}

/// Guest threads that take turns.
const THREADS: u32 = 16;

/// `count` events as a host records them: half of them signals, by the thread that runs; with the others either that
/// thread waits on a handle and parks, and another goes on, or a parked thread wakes, which ends its wait.
#[must_use]
pub fn events(handles: u32, spread: Spread, count: usize) -> Vec<Event> {
    let mut random = Random::new(42);
    let mut ready: Vec<u32> = (2..=THREADS).collect();
    let mut parked: Vec<(u32, u32)> = Vec::new();
    let mut running = 1;
    let event = |(cycle, index)| {
        let (tid, handle) = (running, handle(index));
        if random.below(2) == 0 {
            return Event { operation: Operation::Signal, handle, tid, cycle };
        }
        if parked.is_empty() || !ready.is_empty() && random.below(2) == 0 {
            parked.push((tid, handle));
            running = ready.swap_remove(random.below(ready.len() as u32) as usize);
            return Event { operation: Operation::Wait, handle, tid, cycle };
        }
        let (tid, handle) = parked.swap_remove(random.below(parked.len() as u32) as usize);
        ready.push(tid);
        Event { operation: Operation::Wake, handle, tid, cycle }
    };
    (0..).zip(indices(handles, spread, count)).map(event).collect()
}

/// `count` events as no host records them: operations at random, half of them signals, a quarter waits, a quarter wakes, by
/// four guest threads in runs of 64. Every thread waits on half of all handles at once, and every second wake ends nothing.
#[must_use]
pub fn unpaired(handles: u32, spread: Spread, count: usize) -> Vec<Event> {
    let mut random = Random::new(42);
    let operations = [Operation::Signal, Operation::Signal, Operation::Wait, Operation::Wake];
    (0..)
        .zip(indices(handles, spread, count))
        .map(|(number, index)| Event {
            operation: operations[random.below(4) as usize],
            handle: handle(index),
            tid: 1 + (number >> 6) as u32 % 4,
            cycle: number,
        })
        .collect()
}

/// About 100 ns of work that keeps the processor busy: chains of multiplications side by side. Beside one chain alone a
/// record would cost nothing that can be measured, for most of the processor would be idle.
#[inline(always)]
#[must_use]
pub fn work(value: u64) -> u64 {
    let mut chains: [u64; 8] = std::array::from_fn(|n| value ^ n as u64);
    for _ in 0..48 {
        for chain in &mut chains {
            *chain = (*chain ^ *chain >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        }
    }
    chains.into_iter().fold(0, u64::wrapping_add)
}
