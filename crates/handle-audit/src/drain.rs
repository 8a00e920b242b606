//! The drain: pops every ring, restores order, folds. It owns no thread; whoever holds it may run a pass.

use crossbeam_queue::SegQueue;
use spsc_ring::Damaged;

use crate::capture::{CaptureSink, CapturedSlot};
use crate::focus::Focus;
use crate::fold::Fold;
use crate::lane::Intake;
use crate::losses::{Gap, Losses, add_gap};
use crate::map::TrailMap;
use crate::merge::{Limits, Merge, Stacks, Taken};
use crate::operation::{Operation, OperationCounts};
use crate::record::{self, Record, Slot};
use crate::shared::Shared;
use crate::shim::{Arc, Ordering};
use crate::snapshot::Coverage;

mod seam;
#[cfg(all(test, loom))]
mod traps;

#[cfg(any(test, feature = "observe"))]
pub use seam::FoldObserver;
#[cfg(any(test, fuzzing))]
pub(crate) use seam::Observer;
pub(crate) use seam::Seam;

/// What is said to the drain. Messages take effect before the next pass.
#[derive(Debug)]
pub(crate) enum Control {
    /// The audit was enabled for the first time: here are the rings.
    Rings(Vec<Intake>),
    /// What is folded goes into a capture too.
    Capture(Box<dyn CaptureSink>),
    /// When the audit was on.
    Coverage(Coverage),
    /// Ghosts are kept for these handles from now on.
    Focus(Focus),
    /// The audit is over: what comes later is counted as late.
    Stop,
}

/// What a pass did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    /// Records folded.
    pub(crate) folded: usize,
    /// How full the fullest ring was, in 1/256 of its capacity.
    pub(crate) fill: u64,
}

/// A ring's reading end and what was read of it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) intake: Intake,
    /// The sum of all gap records folded.
    gaps: OperationCounts,
    /// Records that came after the stop.
    late: u64,
}

#[derive(Debug)]
pub(crate) struct Drain {
    shared: Arc<Shared>,
    pub(crate) fold: Fold,
    control: Arc<SegQueue<Control>>,
    pub(crate) sources: Vec<Source>,
    pub(crate) sink: Option<Box<dyn CaptureSink>>,
    /// Taken from the rings and not folded yet.
    pub(crate) aside: Vec<Taken>,
    /// The stacks of what was taken.
    pub(crate) stacks: Stacks,
    /// Scratch space of a pass.
    order: Vec<Taken>,
    merge: Merge,
    limits: Limits,
    pub(crate) gaps: Vec<Gap>,
    /// Slots of the gaps taken in this pass, if there is a capture.
    pub(crate) gap_slots: Vec<CapturedSlot>,
    pub(crate) coverage: Coverage,
    stopped: bool,
    pub(crate) folded: u64,
    pub(crate) seam: Seam,
}

impl Drain {
    pub(crate) fn new(shared: Arc<Shared>, map: Arc<TrailMap>, control: Arc<SegQueue<Control>>) -> Self {
        let focus = Shared::newest_focus(&shared.first_focus).focus.clone();
        Self {
            shared,
            fold: Fold::new(map, focus),
            control,
            sources: Vec::new(),
            sink: None,
            aside: Vec::new(),
            stacks: Stacks::default(),
            order: Vec::new(),
            merge: Merge::default(),
            limits: Limits::none(),
            gaps: Vec::new(),
            gap_slots: Vec::new(),
            coverage: Coverage::default(),
            stopped: false,
            folded: 0,
            seam: Seam::empty(),
        }
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stopped
    }

    /// The rules of the fold, as of the last message.
    pub(crate) fn focus(&self) -> &Focus {
        &self.fold.focus
    }

    /// Applies what was said to the drain.
    pub(crate) fn listen(&mut self) {
        while let Some(message) = self.control.pop() {
            match message {
                Control::Rings(intakes) => {
                    let source = |intake| Source { intake, gaps: OperationCounts::default(), late: 0 };
                    self.sources.extend(intakes.into_iter().map(source));
                }
                Control::Capture(mut sink) => {
                    sink.focus(&self.fold.focus);
                    self.sink = Some(sink);
                }
                Control::Coverage(coverage) => {
                    self.coverage = coverage;
                    if let Some(sink) = &mut self.sink {
                        sink.coverage(coverage);
                    }
                }
                Control::Focus(focus) => {
                    self.seam.focused(&focus);
                    if let Some(sink) = &mut self.sink {
                        sink.focus(&focus);
                    }
                    self.fold.focus = focus;
                }
                Control::Stop => self.stop(),
            }
        }
    }

    fn stop(&mut self) {
        if !spsc_ring::planted!("stop_before_last_pass") {
            self.fold_all();
        }
        self.stopped = true;
        let ends: Vec<u64> = self.sources.iter().map(|source| source.intake.taken()).collect();
        if let Some(mut sink) = self.sink.take() {
            let ledgers: Vec<_> = self.shared.places.iter().map(|place| place.ledger.account()).collect();
            sink.stopped(&ends, &ledgers);
        }
    }

    /// One pass: take everything, look again, fold what nothing unseen can precede.
    pub(crate) fn pass(&mut self) -> Pass {
        #[cfg(all(test, loom, planted))]
        if spsc_ring::planted!("held_back_record_stays") {
            return self.pass_that_leaves_records_in_their_rings();
        }
        let fill = self.take_all();
        if self.stopped {
            self.count_late();
            return Pass { folded: 0, fill };
        }
        if !spsc_ring::planted!("one_look") {
            self.look_again();
        }
        let folded = self.fold_released();
        self.give_back();
        Pass { folded, fill }
    }

    /// Folds what nothing unseen can precede, in order; in a capture it stands first.
    fn fold_released(&mut self) -> usize {
        let mut order = std::mem::take(&mut self.order);
        // A checkpoint holds whole records only, so with a capture a record's thread is folded along with its trail.
        let captured = self.sink.is_some();
        self.merge.hold_back(&mut self.aside, &self.limits);
        if !captured {
            self.fold.fold_threads(&self.aside);
        }
        self.merge.release(&mut self.aside, &mut order);
        self.append_gaps(&order);
        let mut rest = &order[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.append(rest));
            self.seam.folding(now, &self.stacks);
            if captured {
                self.fold.fold_threads(now);
            }
            self.folded += self.fold.fold_trails(now, &self.stacks);
            rest = later;
        }
        let folded = order.len();
        order.clear();
        self.order = order;
        self.stacks.forget_all_but(&mut self.aside);
        folded
    }

    /// Gives the slots of records that were folded back to their recorders, up to the oldest that is still set
    /// aside: a capture has that one in its ring only.
    fn give_back(&mut self) {
        for (ring, source) in (0..).zip(&mut self.sources) {
            let end = source.intake.taken();
            let age = |position: &u64| end.wrapping_sub(*position);
            let held = self.aside.iter().filter(|taken| taken.ring() == ring).map(|taken| taken.position);
            source.intake.give_back(held.max_by_key(age));
        }
    }

    /// Folds everything that was published before the call, however many passes it takes.
    pub(crate) fn fold_all(&mut self) {
        // What this call must fold is what its first pass takes: it looks after the call began.
        self.pass();
        if spsc_ring::planted!("flush_returns_early") {
            return;
        }
        let before: Vec<u64> = self.sources.iter().map(|source| source.intake.taken()).collect();
        while self.aside.iter().any(|taken| {
            let head = before[usize::from(taken.ring())];
            taken.position.wrapping_sub(head) as i64 <= -1
        }) {
            self.pass();
        }
    }

    /// The first look. Everything below it leaves the rings.
    fn take_all(&mut self) -> u64 {
        let mut fill = 0;
        // All tails are read before any record is, so that the first look is one moment as far as possible.
        for source in &mut self.sources {
            source.intake.look();
            self.seam.stepped();
        }
        let mut basket = Basket {
            aside: &mut self.aside,
            stacks: &mut self.stacks,
            gaps: &mut self.gaps,
            gap_slots: self.sink.as_ref().map(|_| &mut self.gap_slots),
        };
        for (ring, source) in (0..).zip(&mut self.sources) {
            fill = fill.max(source.intake.fill());
            take(ring, source, &mut basket);
            self.seam.stepped();
        }
        fill
    }

    /// The second look: what was published since holds back what might come after it.
    fn look_again(&mut self) {
        self.limits.reset();
        for source in &mut self.sources {
            let mut position = source.intake.seen();
            let end = source.intake.look();
            while position != end {
                if let Ok(record) = source.intake.get(position)
                    && let Slot::Head(_) = record.slot()
                {
                    self.limits.newcomer(&record);
                }
                position = position.wrapping_add(1);
            }
            self.seam.stepped();
        }
    }

    fn count_late(&mut self) {
        for taken in self.aside.drain(..) {
            self.sources[usize::from(taken.ring())].late += 1;
        }
        self.stacks.forget_all_but(&mut self.aside);
        self.give_back();
    }

    /// The accounts after a flush, the gaps that are still open among them.
    pub(crate) fn accounts(&mut self) -> Losses {
        self.fold_all();
        let gaps = self.gaps();
        self.losses(gaps)
    }

    /// The accounts as they stand, with these gaps and those of the fold.
    pub(crate) fn losses(&self, mut gaps: Vec<Gap>) -> Losses {
        let account = |ring: usize| {
            let ledger = self.shared.places[ring].ledger.account();
            let mut account = self.fold.map.account(ring);
            account.late = self.sources.get(ring).map_or(0, |source| source.late);
            account.rejected = ledger.rejected;
            account.stacks_dropped = ledger.stacks_dropped;
            account
        };
        let mut rings: Vec<_> = (0..self.shared.places.len()).map(account).collect();
        self.fold.account_for_refused(&mut rings, &mut gaps);
        Losses {
            rings,
            gaps,
            unmatched: self.fold.map.unmatched.get(),
            threads_not_kept: self.fold.map.threads_not_kept.load(Ordering::Relaxed),
        }
    }

    /// All gaps: those that were taken, those that wait in their rings, and those still open.
    ///
    /// The window of an open gap is read while its recorder may close it and open the next. A changed count of sent
    /// gaps tells, and then the reading is repeated. Once is enough: this releases no slot, and a recorder whose
    /// ring is full again cannot send another gap.
    fn gaps(&mut self) -> Vec<Gap> {
        let mut gaps = self.gaps.clone();
        for (ring, source) in (0..).zip(&mut self.sources) {
            let ledger = &self.shared.places[usize::from(ring)].ledger;
            loop {
                let sent = ledger.gaps_sent();
                let waiting = waiting_gaps(ring, &mut source.intake);
                let mut known = source.gaps;
                waiting.iter().for_each(|gap| known.merge(&gap.rejected));
                let open = ledger.account().open_gap(ring, &known);
                if sent == ledger.gaps_sent() {
                    waiting.into_iter().chain(open).for_each(|gap| add_gap(&mut gaps, gap));
                    break;
                }
            }
        }
        gaps
    }
}

/// The gap records that were published and not taken yet.
fn waiting_gaps(ring: u8, intake: &mut Intake) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut position = intake.taken();
    let end = intake.look();
    while position != end {
        if let Ok(record) = intake.get(position) {
            match (record.slot(), gaps.last_mut()) {
                (Slot::Gap, _) => gaps.push(record::gap_from(ring, &record)),
                (Slot::GapCounts, Some(gap)) => record::add_gap_counts(gap, &record),
                _ => {}
            }
        }
        position = position.wrapping_add(1);
    }
    gaps
}

/// What is taken of the rings is put here.
struct Basket<'a> {
    aside: &'a mut Vec<Taken>,
    stacks: &'a mut Stacks,
    gaps: &'a mut Vec<Gap>,
    gap_slots: Option<&'a mut Vec<CapturedSlot>>,
}

/// What the next slot may belong to, if it is no head.
enum Open {
    Nothing,
    /// The create that was taken last.
    Create,
    /// A gap, which ends with the first slot that is not of it.
    Gap(Gap),
}

/// Takes all that was seen of one ring.
fn take(ring: u8, source: &mut Source, basket: &mut Basket<'_>) {
    let Source { intake, gaps, .. } = source;
    let end = intake.seen();
    match intake {
        Intake::Heap(heap) => {
            if !basket.take_heads(ring, heap.records()) {
                basket.sort(ring, gaps, heap.records().map(|(position, record)| (position, Ok(record))));
            }
        }
        Intake::Captured { .. } => {
            let taken = intake.taken();
            let positions = (0..end.wrapping_sub(taken)).map(|offset| taken.wrapping_add(offset));
            basket.sort(ring, gaps, positions.map(|position| (position, intake.get(position))));
        }
    }
    intake.take(end);
}

impl Basket<'_> {
    /// Takes slots if all of them are heads, as they nearly always are; takes nothing and says `false` if not.
    fn take_heads(&mut self, ring: u8, slots: impl Iterator<Item = (u64, Record)>) -> bool {
        let before = self.aside.len();
        let mut heads_only = true;
        self.aside.extend(slots.map(|(position, record)| {
            heads_only &= record.is_head();
            Taken::new(record, ring, position)
        }));
        if !heads_only {
            self.aside.truncate(before);
        }
        heads_only
    }

    /// Puts the slots of a ring where they belong. `sent` counts what its gaps say.
    fn sort(
        &mut self,
        ring: u8,
        sent: &mut OperationCounts,
        slots: impl Iterator<Item = (u64, Result<Record, Damaged>)>,
    ) {
        let mut open = Open::Nothing;
        for (position, record) in slots {
            match record.map(|record| (record, record.slot())) {
                Ok((record, Slot::Head(operation))) => {
                    self.close(&mut open, sent);
                    if operation == Operation::Create {
                        open = Open::Create;
                    }
                    self.aside.push(Taken::new(record, ring, position));
                }
                Ok((record, slot)) => self.sort_other(&mut open, sent, (ring, position), &record, slot),
                Err(_) => self.lose(&mut open, sent, (ring, position)),
            }
        }
        self.close(&mut open, sent);
    }

    /// A slot that is no head.
    fn sort_other(
        &mut self,
        open: &mut Open,
        sent: &mut OperationCounts,
        at: (u8, u64),
        record: &Record,
        slot: Slot,
    ) {
        match (slot, &mut *open) {
            (Slot::Stack, Open::Create) => {
                let create = self.aside.last_mut().expect("the create was taken");
                self.stacks.extend(&mut create.stack, record.frames());
            }
            (Slot::GapCounts, Open::Gap(gap)) => {
                record::add_gap_counts(gap, record);
                self.keep_slot(at, record);
            }
            (Slot::Gap, _) => {
                self.close(open, sent);
                *open = Open::Gap(record::gap_from(at.0, record));
                self.keep_slot(at, record);
            }
            // What it belongs to was damaged.
            _ => self.lose(open, sent, at),
        }
    }

    /// What was open is whole.
    fn close(&mut self, open: &mut Open, sent: &mut OperationCounts) {
        if let Open::Gap(gap) = std::mem::replace(open, Open::Nothing) {
            sent.merge(&gap.rejected);
            add_gap(self.gaps, gap);
        }
    }

    /// A slot was damaged. The capture gets a hole where it stood.
    #[cold]
    fn lose(&mut self, open: &mut Open, sent: &mut OperationCounts, at: (u8, u64)) {
        self.close(open, sent);
        let hole = record::gap_slots(0, u64::MAX, &OperationCounts::default());
        self.keep_slot(at, &hole.as_slice()[0]);
        add_gap(self.gaps, Gap::hole(at.0, 0));
    }

    /// Keeps a slot of a gap for the capture.
    fn keep_slot(&mut self, (ring, position): (u8, u64), record: &Record) {
        if let Some(slots) = &mut self.gap_slots {
            slots.push(CapturedSlot { ring, position, payload: record.payload() });
        }
    }
}
