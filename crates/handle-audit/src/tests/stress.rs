//! Six producers on threads of their own, the real drain thread, and tokens that carry happened-before between them.
//!
//! A handle has one token. Who holds it records under the next number of that handle and passes it on, so all
//! records of one handle happen one after the other, whichever rings they go through. Every record is checked when it
//! is folded: the numbers of a handle must rise, and those that are missing must be those that were rejected.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, ScopedJoinHandle};

use crate::config::AuditConfig;
use crate::drain::Observer;
use crate::merge::Taken;
use crate::stamp::stripe_of;
use crate::{HandleAudit, HandleAuditEntry, HandleKind, Operation, Recorder, label};

const PRODUCERS: usize = 6;

/// Debug builds take the same way, only less far.
const GOAL: u64 = if cfg!(debug_assertions) { 1_000_000 } else { 10_000_000 };

/// Forty handles on eight stripes, so that a stripe is shared.
fn handles() -> Vec<u32> {
    (0x1000_u32..).step_by(4).filter(|handle| stripe_of(*handle) % 32 == 5).take(40).collect()
}

/// What one handle has come to.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// The number that was folded last.
    number: u64,
    /// Records folded, and those since the last create.
    folded: u64,
    in_generation: u64,
}

/// Sits in the drain and checks every record.
#[derive(Debug)]
struct Checker {
    progress: Arc<Mutex<BTreeMap<u32, Progress>>>,
    folded: Arc<AtomicU64>,
}

impl Observer for Checker {
    fn folded(&mut self, taken: &Taken, operation: Operation) {
        let (handle, number) = (taken.record.handle(), taken.record.entry().aux);
        let mut progress = self.progress.lock().unwrap();
        let this = progress.entry(handle).or_default();
        assert!(this.number < number, "handle {handle:#x}: {number} folded after {}", this.number);
        this.number = number;
        this.folded += 1;
        match operation {
            Operation::Create => this.in_generation = 1,
            // It leaves no entry in a trail.
            Operation::GhostSignal => {}
            _ => this.in_generation += 1,
        }
        drop(progress);
        self.folded.fetch_add(1, Ordering::Relaxed);
    }
}

/// A handle's token: the number of its next record.
#[derive(Clone, Copy, Debug)]
struct Token {
    handle: u32,
    next: u64,
}

/// Tokens lie in cells marked with the producer whose turn it is, or travel through channels.
#[derive(Debug)]
struct Course {
    handles: Vec<u32>,
    /// (next number, producer) of every second handle: `next * PRODUCERS + producer`.
    cells: Vec<AtomicU64>,
    mailboxes: Vec<Sender<Token>>,
    folded: Arc<AtomicU64>,
    goal: u64,
    /// Records that producers may be ahead of the fold.
    lead: u64,
    issued: Vec<AtomicU64>,
}

impl Course {
    /// Records that were issued and not folded. Those that were rejected count too.
    fn under_way(&self) -> u64 {
        let issued: u64 = self.issued.iter().map(|issued| issued.load(Ordering::Relaxed)).sum();
        issued.saturating_sub(self.folded.load(Ordering::Relaxed))
    }
}

struct Runner<'a> {
    course: &'a Course,
    me: usize,
    audit: &'a HandleAudit,
    recorder: Recorder,
    dice: u64,
    issued: u64,
}

impl Runner<'_> {
    fn throw(&mut self, sides: u64) -> u64 {
        // xorshift64: no more than variety is asked of it.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % sides
    }

    fn run(mut self, mailbox: &Receiver<Token>) {
        while self.course.folded.load(Ordering::Relaxed) < self.course.goal {
            let before = self.issued;
            if self.course.under_way() > self.course.lead {
                thread::yield_now();
                continue;
            }
            self.play_cells();
            while let Ok(token) = mailbox.try_recv() {
                let token = self.play(token);
                let to = self.throw(PRODUCERS as u64) as usize;
                // A producer that has left the course keeps its mail.
                let _ = self.course.mailboxes[to].send(token);
            }
            self.course.issued[self.me].store(self.issued, Ordering::Relaxed);
            if self.issued == before {
                // Everybody else's turn.
                thread::yield_now();
            } else if self.throw(64) == 0 {
                self.change_rings();
            }
        }
    }

    fn play_cells(&mut self) {
        let course = self.course;
        for (cell, handle) in course.cells.iter().zip(course.handles.iter().step_by(2)) {
            let held = cell.load(Ordering::Acquire);
            if held % PRODUCERS as u64 == self.me as u64 {
                let token = self.play(Token { handle: *handle, next: held / PRODUCERS as u64 });
                let to = self.throw(PRODUCERS as u64);
                cell.store(token.next * PRODUCERS as u64 + to, Ordering::Release);
            }
        }
    }

    /// Records a few times under the token.
    fn play(&mut self, mut token: Token) -> Token {
        for _ in 0..=self.throw(30) {
            let entry = HandleAuditEntry::new(token.next, self.me as u32, 0, label!("stress"), token.next);
            let operation = match token.next % 1000 {
                1 => Operation::Create,
                other => Operation::ALL[1 + other as usize % (Operation::COUNT - 1)],
            };
            self.recorder.record_any(operation, token.handle, HandleKind::EVENT_AUTO, entry);
            token.next += 1;
            self.issued += 1;
        }
        token
    }

    /// Lets go of the ring and goes on with another, perhaps one that another thread has just left.
    fn change_rings(&mut self) {
        let next = loop {
            if let Ok(recorder) = self.audit.claim_any() {
                break recorder;
            }
            thread::yield_now();
        };
        self.recorder = next;
    }
}

fn stress(config: AuditConfig, goal: u64, lead: u64) -> u64 {
    let audit = HandleAudit::new(config.enabled(true)).unwrap();
    let folded = Arc::new(AtomicU64::new(0));
    let progress = Arc::default();
    audit.pipeline.drain().unwrap().seam.0 =
        Some(Box::new(Checker { progress: Arc::clone(&progress), folded: folded.clone() }));
    let (mailboxes, mail): (Vec<_>, Vec<_>) = (0..PRODUCERS).map(|_| channel()).unzip();
    let handles = handles();
    for (index, handle) in handles.iter().skip(1).step_by(2).enumerate() {
        mailboxes[index % PRODUCERS].send(Token { handle: *handle, next: 1 }).unwrap();
    }
    let course = Course {
        cells: (0..handles.len().div_ceil(2) as u64)
            .map(|n| AtomicU64::new(PRODUCERS as u64 + n % 6))
            .collect(),
        issued: (0..PRODUCERS).map(|_| AtomicU64::new(0)).collect(),
        handles,
        mailboxes,
        folded,
        goal,
        lead,
    };
    thread::scope(|scope| {
        let start = |(me, mailbox)| {
            let recorder = audit.claim_any().unwrap();
            let runner =
                Runner { course: &course, me, audit: &audit, recorder, dice: me as u64 + 1, issued: 0 };
            scope.spawn(move || runner.run(&mailbox))
        };
        let runners: Vec<_> = mail.into_iter().enumerate().map(start).collect();
        // A reader, all the while. It also says if the drain died of a failed check.
        while !runners.iter().all(ScopedJoinHandle::is_finished) {
            if audit.flush().is_err() {
                course.folded.store(u64::MAX / 2, Ordering::Relaxed);
            }
            course.handles.iter().for_each(|handle| drop(audit.trail(*handle)));
            thread::yield_now();
        }
    });
    let snapshot = audit.snapshot().expect("every record folded in its place");
    let progress = progress.lock().unwrap();
    let issued: u64 = course.issued.iter().map(|issued| issued.load(Ordering::Relaxed)).sum();
    assert_eq!(snapshot.losses.attempted(), issued);
    assert_eq!(snapshot.losses.recorded(), snapshot.folded);
    assert_eq!(progress.values().map(|handle| handle.folded).sum::<u64>(), snapshot.folded);
    assert!(snapshot.folded >= goal);
    for trail in &snapshot.trails {
        assert_eq!(trail.totals.total(), progress[&trail.handle].in_generation);
        assert!(trail.sequence().is_sorted_by(|one, next| one.entry.aux < next.entry.aux));
    }
    snapshot.losses.rejected()
}

#[test]
fn records_of_one_handle_fold_in_the_order_in_which_they_happened() {
    // Fewer than one ring has room for, so none is rejected.
    let rejected = stress(AuditConfig::default(), GOAL, 6_000);
    assert_eq!(rejected, 0);
}

/// The same with rings that overflow, producers that never wait, and stamps from one counter for a stripe.
#[test]
fn order_and_accounts_hold_when_rings_overflow() {
    let rejected = stress(AuditConfig::default().ring_capacity(64), GOAL / 20, u64::MAX);
    let shared = stress(AuditConfig::default().rings(9).ring_capacity(64), GOAL / 20, u64::MAX);
    assert!(rejected > 0 && shared > 0, "rings of 64 records overflow");
}
