//! Six producers on threads of their own, the real drain thread, and tokens that carry happened-before between them.
//!
//! A handle has one token. Who holds it records under the next number of that handle and passes it on, so all
//! records of one handle happen one after the other, whichever rings they go through. Every record is checked when it
//! is folded: the numbers of a handle must rise, and those that are missing must be those that were rejected.
//!
//! Shared by the unit tests, the sanitizers and the soak.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use handle_audit::{HandleAudit, HandleAuditEntry, HandleKind, Losses, Operation, Recorder, Snapshot, label};

const PRODUCERS: usize = 6;

/// The lowest handle; the others follow it in steps of four.
pub(crate) const FIRST_HANDLE: u32 = 0x1000;

/// A create comes once in so many records of a handle.
const GENERATION: u64 = 1000;

/// How long a producer rests that is ahead of the fold or has no token. Yielding instead takes half of the time of
/// processors that are fewer than the producers.
const PAUSE: Duration = Duration::from_micros(50);

/// How far the fold has come with one handle. Written by whoever folds, one at a time.
#[derive(Debug, Default)]
struct Progress {
    /// The number that was folded last.
    number: AtomicU64,
    /// Records folded, and those of the present generation that left an entry in the trail.
    folded: AtomicU64,
    in_generation: AtomicU64,
}

/// Checks every record in the order of the fold.
#[derive(Debug)]
pub(crate) struct Checker {
    /// By `(handle - FIRST_HANDLE) / 4`.
    progress: Vec<Progress>,
    folded: AtomicU64,
    /// Producers stop, whether the goal is reached or not.
    over: AtomicBool,
}

impl Checker {
    pub(crate) fn new(handles: &[u32]) -> Arc<Self> {
        let places = handles.iter().map(|handle| (handle - FIRST_HANDLE) / 4 + 1).max().unwrap_or(0);
        let progress = (0..places).map(|_| Progress::default()).collect();
        Arc::new(Self { progress, folded: AtomicU64::new(0), over: AtomicBool::new(false) })
    }

    fn progress(&self, handle: u32) -> &Progress {
        &self.progress[(handle - FIRST_HANDLE) as usize / 4]
    }

    /// The fold took a record that carries this number.
    ///
    /// # Panics
    ///
    /// If a record that happened later was folded before.
    pub(crate) fn folded(&self, operation: Operation, handle: u32, number: u64) {
        let this = self.progress(handle);
        let last = this.number.load(Ordering::Relaxed);
        assert!(last < number, "handle {handle:#x}: {number} folded after {last}");
        this.number.store(number, Ordering::Relaxed);
        add_one(&this.folded);
        match operation {
            Operation::Create => this.in_generation.store(1, Ordering::Relaxed),
            // It leaves no entry in a trail.
            Operation::GhostSignal => {}
            _ => add_one(&this.in_generation),
        }
        add_one(&self.folded);
    }

    /// Records folded so far.
    pub(crate) fn total(&self) -> u64 {
        self.folded.load(Ordering::Relaxed)
    }

    /// Lets the producers leave before they have reached the goal.
    pub(crate) fn enough(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Compares everything that can be counted in two ways.
    fn settle(&self, snapshot: &Snapshot, issued: u64) {
        let losses = &snapshot.losses;
        assert_eq!(losses.attempted(), issued);
        assert_eq!(losses.recorded(), snapshot.folded);
        assert_eq!(self.total(), snapshot.folded);
        for trail in &snapshot.trails {
            let this = self.progress(trail.handle);
            assert_eq!(trail.totals.total(), this.in_generation.load(Ordering::Relaxed));
            assert!(trail.sequence().is_sorted_by(|one, next| one.entry.aux < next.entry.aux));
            if losses.rejected() == 0 {
                // Numbers begin at 1, so nothing is missing.
                assert_eq!(this.number.load(Ordering::Relaxed), this.folded.load(Ordering::Relaxed));
            }
        }
    }
}

/// One thread at a time writes, so nothing is lost between the load and the store.
fn add_one(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// A handle's token: the number of its next record.
#[derive(Clone, Copy, Debug)]
struct Token {
    handle: u32,
    next: u64,
}

/// What is run, over which handles.
#[derive(Debug)]
pub(crate) struct Course {
    /// Records to be folded before the producers leave.
    pub(crate) goal: u64,
    /// Records that producers may be ahead of the fold.
    pub(crate) lead: u64,
    pub(crate) handles: Vec<u32>,
    pub(crate) checker: Arc<Checker>,
}

/// Tokens lie in cells marked with the producer whose turn it is, or travel through channels.
#[derive(Debug)]
struct Track<'a> {
    course: &'a Course,
    /// (next number, producer) of every second handle: `next * PRODUCERS + producer`.
    cells: Vec<AtomicU64>,
    mailboxes: Vec<Sender<Token>>,
    issued: Vec<AtomicU64>,
}

impl Course {
    /// Runs the course over an audit whose drain tells the checker, and returns its accounts. Meanwhile `watch` is
    /// called over and over.
    pub(crate) fn run(&self, audit: &HandleAudit, mut watch: impl FnMut()) -> Losses {
        let (mailboxes, mail): (Vec<_>, Vec<_>) = (0..PRODUCERS).map(|_| channel()).unzip();
        for (index, handle) in self.handles.iter().skip(1).step_by(2).enumerate() {
            mailboxes[index % PRODUCERS]
                .send(Token { handle: *handle, next: 1 })
                .expect("nobody has left the course yet");
        }
        let cells = 0..self.handles.len().div_ceil(2) as u64;
        let track = Track {
            course: self,
            cells: cells.map(|n| AtomicU64::new(PRODUCERS as u64 + n % PRODUCERS as u64)).collect(),
            mailboxes,
            issued: (0..PRODUCERS).map(|_| AtomicU64::new(0)).collect(),
        };
        thread::scope(|scope| {
            let start = |(me, mailbox)| {
                let recorder = audit.claim_any().expect("there is a ring for each producer");
                let runner = Runner { track: &track, me, audit, recorder, dice: me as u64 + 1, issued: 0 };
                scope.spawn(move || runner.run(&mailbox))
            };
            let runners: Vec<_> = mail.into_iter().enumerate().map(start).collect();
            while !runners.iter().all(ScopedJoinHandle::is_finished) {
                if audit.flush().is_err() {
                    // A check failed in the drain: nobody would reach the goal.
                    self.checker.enough();
                }
                watch();
                thread::sleep(PAUSE);
            }
        });
        let snapshot = audit.snapshot().expect("every record folded in its place");
        self.checker.settle(&snapshot, track.issued());
        assert!(self.is_over());
        snapshot.losses
    }

    fn is_over(&self) -> bool {
        self.checker.total() >= self.goal || self.checker.over.load(Ordering::Relaxed)
    }
}

impl Track<'_> {
    fn issued(&self) -> u64 {
        self.issued.iter().map(|issued| issued.load(Ordering::Relaxed)).sum()
    }

    /// Records that were issued and not folded. Those that were rejected count too.
    fn under_way(&self) -> u64 {
        self.issued().saturating_sub(self.course.checker.total())
    }
}

struct Runner<'a> {
    track: &'a Track<'a>,
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
        let track = self.track;
        while !track.course.is_over() {
            let before = self.issued;
            if track.under_way() > track.course.lead {
                thread::sleep(PAUSE);
                continue;
            }
            self.play_cells();
            while let Ok(token) = mailbox.try_recv() {
                let token = self.play(token);
                let to = self.throw(PRODUCERS as u64) as usize;
                // A producer that has left the course keeps its mail.
                let _ = track.mailboxes[to].send(token);
            }
            track.issued[self.me].store(self.issued, Ordering::Relaxed);
            if self.issued == before {
                // Everybody else's turn.
                thread::sleep(PAUSE);
            } else if self.throw(64) == 0 {
                self.change_rings();
            }
        }
    }

    fn play_cells(&mut self) {
        let track = self.track;
        for (cell, handle) in track.cells.iter().zip(track.course.handles.iter().step_by(2)) {
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
            let operation = match token.next % GENERATION {
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
