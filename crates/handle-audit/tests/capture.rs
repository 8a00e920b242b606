//! What a capture is told is enough to fold everything once more.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use handle_audit::{
    AuditConfig, Capture, CaptureSink, Captured, CapturedRecord, CapturedSlot, Checkpoint, Coverage, Focus,
    Frame, HandleAudit, HandleAuditEntry, HandleKind, Label, LedgerAccount, Operation, Recorder, Replay,
    Snapshot, label, settle,
};
use spsc_ring::{CONTROL_WORDS, LINE_WORDS, Seal, SharedWords};

const RINGS: usize = 3;
const CAPACITY: usize = 64;

#[derive(Debug, Clone)]
enum Told {
    Slots(Vec<CapturedSlot>),
    Focus(Focus),
    Coverage(Coverage),
    Checkpoint(Box<Checkpoint>),
    Stopped(Vec<u64>),
}

/// Keeps what it is told; wants a checkpoint once in a while.
#[derive(Debug)]
struct Notebook {
    told: Arc<Mutex<Vec<Told>>>,
    since_checkpoint: usize,
}

impl Notebook {
    fn note(&mut self, told: Told) {
        self.told.lock().unwrap().push(told);
    }
}

impl CaptureSink for Notebook {
    fn append(&mut self, slots: &[CapturedSlot]) {
        self.since_checkpoint += slots.len();
        self.note(Told::Slots(slots.to_vec()));
    }
    fn focus(&mut self, focus: &Focus) {
        self.note(Told::Focus(focus.clone()));
    }
    fn coverage(&mut self, coverage: Coverage) {
        self.note(Told::Coverage(coverage));
    }
    fn wants_checkpoint(&self) -> bool {
        self.since_checkpoint > 200
    }
    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        self.since_checkpoint = 0;
        self.note(Told::Checkpoint(Box::new(checkpoint.clone())));
    }
    fn stopped(&mut self, ends: &[u64], _ledgers: &[LedgerAccount]) {
        self.note(Told::Stopped(ends.to_vec()));
    }
}

type Memory = Vec<Arc<Vec<AtomicU64>>>;

fn captured() -> (HandleAudit, Arc<Mutex<Vec<Told>>>, Memory) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let words = CONTROL_WORDS + CAPACITY * LINE_WORDS;
    let memory: Memory =
        (0..RINGS).map(|_| Arc::new((0..words).map(|_| AtomicU64::new(0)).collect())).collect();
    let ring = |(salt, memory): (u64, &Arc<Vec<AtomicU64>>)| {
        (memory.clone() as Arc<dyn SharedWords>, Seal::new(salt))
    };
    let capture = Capture {
        rings: (0..).zip(&memory).map(ring).collect(),
        sink: Box::new(Notebook { told: told.clone(), since_checkpoint: 0 }),
    };
    let focus = [0x9000].into_iter().collect();
    let config = AuditConfig::default().rings(RINGS).manual().enabled(true).focus(focus);
    (HandleAudit::with_capture(config, capture).unwrap(), told, memory)
}

/// Records something of every sort, so much of it now and then that rings fill up.
fn play(audit: &HandleAudit, recorders: &mut [Recorder], rounds: u64) {
    let entry = |cycle, tid| HandleAuditEntry::new(cycle, tid, 0x8200_0040, label!("NtSetEvent"), cycle * 3);
    let frames: Vec<_> = (0..9).map(|n| Frame { frame: 0x7000_0000 + n, lr: n }).collect();
    for round in 0..rounds {
        let handle = 0x1000 + 4 * (round % 7) as u32;
        let recorder = &mut recorders[(round % 3) as usize];
        match round % 11 {
            0 => recorder.record_create_with_stack(handle, HandleKind::EVENT_AUTO, entry(round, 1), &frames),
            1 => recorder.record_wait(handle, entry(round, 2)),
            2 => recorder.record_wake(handle, entry(round, 2)),
            3 => recorder.record_signal(0x9000, entry(round, 3)),
            4 => recorder.record_promise(0x5000 + handle, entry(round, 3)),
            5 => recorder.record_alias(handle, entry(round, 1)),
            6 => recorder.record_create(handle, HandleKind::MUTANT, entry(round, 1)),
            _ => recorder.record_signal(handle, entry(round, 4)),
        }
        if round % 97 == 96 && round % 5 != 0 {
            audit.pump().unwrap();
        }
    }
}

fn read(slots: &[CapturedSlot]) -> Vec<(CapturedSlot, Captured)> {
    let id = |wanted| {
        let known = ["Event/Auto", "Mutant", "NtSetEvent"].map(Label::new);
        known.into_iter().find(|label| label.id() == wanted).unwrap_or(Label::OVERFLOW)
    };
    let (mut at, mut all) = (0, Vec::new());
    while at < slots.len() {
        let (captured, used) = Captured::read(&slots[at..], id).expect("what was appended reads back");
        all.push((slots[at], captured));
        at += used;
    }
    all
}

/// Follows what was told, from the first checkpoint after `skip` on, or from the beginning.
fn replay(told: &[Told], skip: usize) -> Replay {
    let begin = told.iter().skip(skip).position(|told| matches!(told, Told::Checkpoint(_)));
    let (mut replay, rest, checkpoint) = match begin.map(|at| (&told[skip + at], &told[skip + at + 1..])) {
        Some((Told::Checkpoint(from), rest)) if skip > 0 => (Replay::resume(from), rest, (**from).clone()),
        _ => (Replay::new(RINGS), told, Checkpoint::default()),
    };
    for told in rest {
        match told {
            Told::Slots(slots) => {
                for (at, captured) in read(slots) {
                    match captured {
                        _ if checkpoint.holds(at.ring, at.position) => {}
                        Captured::Record(record) => replay.fold(&record),
                        Captured::Gap(gap) => replay.add_gap(gap),
                    }
                }
            }
            Told::Focus(focus) => replay.set_focus(focus.clone()),
            Told::Coverage(coverage) => replay.set_coverage(*coverage),
            Told::Checkpoint(_) | Told::Stopped(_) => {}
        }
    }
    replay
}

/// Equal, part by part, so that a failure names the part.
fn same(replayed: &Snapshot, live: &Snapshot) {
    assert_eq!((replayed.folded, &replayed.focus), (live.folded, &live.focus));
    assert_eq!(replayed.losses, live.losses);
    for (replayed, live) in replayed.trails.iter().zip(&live.trails) {
        assert_eq!(replayed, live);
    }
    assert_eq!((&replayed.ghosts, &replayed.leads), (&live.ghosts, &live.leads));
    for (replayed, live) in replayed.threads.iter().zip(&live.threads) {
        assert_eq!(replayed, live);
    }
    assert!(replayed == live);
}

#[test]
fn a_replay_gives_the_same_snapshot_from_the_beginning_and_from_any_checkpoint() {
    let (audit, told, _memory) = captured();
    let mut recorders: Vec<_> = (0..RINGS).map(|ring| audit.claim(ring).unwrap()).collect();
    play(&audit, &mut recorders, 4_000);
    audit.set_focus([0x9000, 0x9004].into_iter().collect()).unwrap();
    play(&audit, &mut recorders, 100);
    audit.shutdown().unwrap();
    let live = audit.snapshot().unwrap();
    assert!(live.losses.rejected() > 0 && live.losses.stacks_dropped() > 0, "rings were full at times");
    let told = told.lock().unwrap();
    assert!(told.iter().filter(|told| matches!(told, Told::Checkpoint(_))).count() > 5);
    for skip in [0, 1, told.len() / 2, told.len() * 9 / 10] {
        // What a capture knows of rejections stands in gap records and in the rings' notes; here in the audit.
        let mut replayed = replay(&told, skip).snapshot(&[], &[]);
        for (account, live) in replayed.losses.rings.iter_mut().zip(&live.losses.rings) {
            (account.rejected, account.stacks_dropped) = (live.rejected, live.stacks_dropped);
        }
        replayed.losses.gaps.clone_from(&live.losses.gaps);
        same(&replayed, &live);
    }
}

/// The lines of a ring that are whole, with their positions.
fn lines(ring: u8, memory: &[AtomicU64]) -> Vec<CapturedSlot> {
    let word = |index: usize| memory[index].load(std::sync::atomic::Ordering::Relaxed);
    let lines = (0..CAPACITY).map(|line| {
        let line = std::array::from_fn(|index| word(CONTROL_WORDS + line * LINE_WORDS + index));
        Seal::new(u64::from(ring)).open(&line)
    });
    let (head, tail) = (word(spsc_ring::HEAD_WORD), word(spsc_ring::TAIL_WORD));
    let mut slots: Vec<_> = (lines.flatten())
        .filter(|(position, _)| (head..tail).contains(position))
        .map(|(position, payload)| CapturedSlot { ring, position, payload })
        .collect();
    slots.sort_by_key(|slot| slot.position);
    slots
}

#[test]
fn at_every_moment_each_published_record_stands_in_its_ring_or_was_appended() {
    let (audit, told, memory) = captured();
    let mut recorders: Vec<_> = (0..RINGS).map(|ring| audit.claim(ring).unwrap()).collect();
    for _ in 0..40 {
        play(&audit, &mut recorders, 53);
        // The process dies here: what it leaves is `told` and the rings' memory.
        let mut dead = replay(&told.lock().unwrap(), 0);
        let appended: std::collections::HashSet<_> = (told.lock().unwrap().iter())
            .filter_map(|told| if let Told::Slots(slots) = told { Some(slots.clone()) } else { None })
            .flatten()
            .map(|slot| (slot.ring, slot.position))
            .collect();
        let mut rest: Vec<CapturedRecord> = Vec::new();
        for (ring, memory) in (0..).zip(&memory) {
            let mut slots = lines(ring, memory);
            slots.retain(|slot| !appended.contains(&(slot.ring, slot.position)));
            for (_, captured) in read(&slots) {
                match captured {
                    Captured::Record(record) => rest.push(record),
                    Captured::Gap(gap) => dead.add_gap(gap),
                }
            }
        }
        settle(&rest, &[]).iter().for_each(|record| dead.fold(record));
        let recovered = dead.snapshot(&[], &[]);
        let live = audit.snapshot().unwrap();
        assert_eq!(live.losses.recorded(), recovered.losses.recorded());
        let mut recovered = recovered;
        recovered.losses.clone_from(&live.losses);
        same(&recovered, &live);
    }
}

#[test]
fn what_came_late_lies_beyond_the_ends() {
    let (audit, told, memory) = captured();
    let mut recorders: Vec<_> = (0..RINGS).map(|ring| audit.claim(ring).unwrap()).collect();
    play(&audit, &mut recorders, 30);
    audit.shutdown().unwrap();
    let told = told.lock().unwrap();
    let Some(Told::Stopped(ends)) = told.last() else { panic!("the end is told last: {told:?}") };
    let taken = audit.snapshot().unwrap().losses.rings;
    for ((ring, memory), (end, account)) in (0..).zip(&memory).zip(ends.iter().zip(&taken)) {
        assert!(lines(ring, memory).is_empty(), "everything was given back");
        assert!(*end >= account.folded.total());
    }
    assert_eq!(taken.iter().map(|ring| ring.folded.get(Operation::Create)).sum::<u64>(), 6);
}

#[test]
fn a_capture_of_another_number_of_rings_is_refused() {
    let capture =
        Capture { rings: Vec::new(), sink: Box::new(Notebook { told: Arc::default(), since_checkpoint: 0 }) };
    let error = HandleAudit::with_capture(AuditConfig::default(), capture).unwrap_err();
    assert_eq!(error.to_string(), "an audit of 8 rings cannot use a capture of 0");
}
