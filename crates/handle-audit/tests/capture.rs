//! What a capture is told is enough to fold everything once more.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use handle_audit::{
    ACCOUNT_WORDS, AuditConfig, Capture, CaptureSink, Captured, CapturedRecord, CapturedSlot, Checkpoint,
    Coverage, Focus, Frame, Gap, HandleAudit, HandleAuditEntry, HandleKind, Label, LedgerAccount,
    MAX_APPENDED_SLOTS, MAX_STACK_FRAMES, Operation, Recorder, Replay, Snapshot, label, settle,
};
use spsc_ring::{CONTROL_WORDS, FIRST_NOTE_WORD, LINE_WORDS, NOTE_WORDS, Seal, SharedWords};

const RINGS: usize = 3;
const CAPACITY: usize = 64;

#[derive(Debug, Clone)]
enum Told {
    Slots(Vec<CapturedSlot>),
    Focus(Focus),
    Coverage(Coverage),
    Checkpoint(Box<Checkpoint>),
    Stopped(Vec<u64>, Vec<LedgerAccount>),
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
    fn stopped(&mut self, ends: &[u64], ledgers: &[LedgerAccount]) {
        self.note(Told::Stopped(ends.to_vec(), ledgers.to_vec()));
    }
}

type Memory = Vec<Arc<Vec<AtomicU64>>>;

fn captured(capacity: usize) -> (HandleAudit, Arc<Mutex<Vec<Told>>>, Memory) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let words = CONTROL_WORDS + capacity * LINE_WORDS;
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
            Told::Checkpoint(_) | Told::Stopped(..) => {}
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
    let (audit, told, _memory) = captured(CAPACITY);
    let mut recorders: Vec<_> = (0..RINGS).map(|ring| audit.claim(ring).unwrap()).collect();
    play(&audit, &mut recorders, 4_000);
    audit.set_focus([0x9000, 0x9004].into_iter().collect()).unwrap();
    audit.disable().unwrap();
    audit.enable().unwrap();
    play(&audit, &mut recorders, 100);
    audit.shutdown().unwrap();
    let live = audit.snapshot().unwrap();
    assert!(live.losses.rejected() > 0 && live.losses.stacks_dropped() > 0, "rings were full at times");
    let told = told.lock().unwrap();
    assert!(told.iter().filter(|told| matches!(told, Told::Checkpoint(_))).count() > 5);
    let Some(Told::Stopped(_, ledgers)) = told.last() else { panic!("the end is told last") };
    let ledgers: Vec<_> = ledgers.iter().copied().map(Some).collect();
    for skip in [0, 1, told.len() / 2, told.len() * 9 / 10] {
        let replayed = replay(&told, skip);
        assert_eq!(replayed.folded(), live.folded);
        same(&replayed.snapshot(&ledgers, &[]), &live);
    }
}

/// The lines of a ring that are whole, with their positions.
fn lines(ring: u8, memory: &[AtomicU64]) -> Vec<CapturedSlot> {
    let word = |index: usize| memory[index].load(Relaxed);
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
fn a_record_is_read_with_what_follows_it_in_its_ring_and_with_the_labels_of_the_capture() {
    let (audit, told, _memory) = captured(CAPACITY);
    let mut recorder = audit.claim(1).unwrap();
    let entry = HandleAuditEntry::new(1, 2, 3, label!("NtCreateEvent"), 4);
    let frames: Vec<_> = (0..12).map(|lr| Frame { frame: 0x7000_0000, lr }).collect();
    recorder.record_create_with_stack(4, HandleKind::EVENT_AUTO, entry, &frames);
    audit.flush().unwrap();
    let told = told.lock().unwrap();
    let Some(Told::Slots(slots)) = told.last() else { panic!("it was appended last") };
    assert_eq!(slots.len(), 4);

    let (source, kind) = (label!("another NtCreateEvent"), label!("another Event/Auto"));
    let label = |id| if id == HandleKind::EVENT_AUTO.label().id() { kind } else { source };
    let read = |slots: &[CapturedSlot]| match Captured::read(slots, label) {
        Some((Captured::Record(record), used)) => (record, used),
        other => panic!("{other:?}"),
    };
    let (record, used) = read(slots);
    assert_eq!((record.entry, record.kind), (HandleAuditEntry { source, ..entry }, HandleKind::host(kind)));
    assert_eq!((&record.stack, used), (&frames, 4));
    for stray in [CapturedSlot { ring: 2, ..slots[2] }, CapturedSlot { position: 9, ..slots[2] }] {
        let (cut, used) = read(&[slots[0], slots[1], stray, slots[3]]);
        assert_eq!((&cut.stack[..], used), (&frames[..4], 2));
    }
    assert_eq!(Captured::read(&slots[1..], label), None, "a stack without its create begins nothing");

    let mut replay = Replay::new(2);
    replay.fold(&CapturedRecord { ring: 2, ..record.clone() });
    assert_eq!(replay.folded(), 0, "there is no such ring");
    replay.fold(&record);
    assert_eq!(replay.folded(), 1);
}

#[test]
fn without_a_ledger_gaps_are_rejections_of_their_own_ring() {
    let mut replay = Replay::new(2);
    let rejected = [(Operation::Signal, 3)].into_iter().collect();
    replay.add_gap(Gap { ring: 1, first_cycle: 5, last_cycle: 9, rejected });
    let rings = replay.snapshot(&[], &[]).losses.rings;
    assert_eq!([0, 1].map(|ring: usize| rings[ring].rejected.total()), [0, 3]);
}

#[test]
fn an_append_holds_as_many_whole_records_as_fit() {
    let (audit, told, _memory) = captured(2048);
    let mut recorder = audit.claim(0).unwrap();
    let frames = [Frame::default(); MAX_STACK_FRAMES];
    let mut slots = 0;
    for cycle in 0..400 {
        let entry = HandleAuditEntry::new(cycle, 1, 0, label!("NtSetEvent"), 0);
        if cycle % 3 == 0 {
            recorder.record_create_with_stack(4, HandleKind::EVENT_AUTO, entry, &frames);
            slots += 1 + frames.len() / 4;
        } else {
            recorder.record_signal(4, entry);
            slots += 1;
        }
    }
    audit.flush().unwrap();
    let told = told.lock().unwrap();
    let appends: Vec<_> = told
        .iter()
        .filter_map(|told| if let Told::Slots(slots) = told { Some(slots) } else { None })
        .collect();
    assert_eq!(appends.iter().map(|slots| slots.len()).sum::<usize>(), slots);
    for slots in &appends {
        assert!(slots.len() <= MAX_APPENDED_SLOTS && !read(slots).is_empty());
    }
    let [full @ .., _] = &appends[..] else { panic!("something was appended") };
    assert!(
        !full.is_empty() && full.iter().all(|slots| slots.len() + 1 + frames.len() / 4 > MAX_APPENDED_SLOTS)
    );
}

#[test]
fn a_checkpoint_holds_what_was_taken_and_is_folded() {
    let begin = u64::MAX - 1;
    let checkpoint = Checkpoint {
        taken: vec![3, begin.wrapping_add(4)],
        pending: vec![(0, 1), (1, 1), (1, u64::MAX)],
        ..Checkpoint::default()
    };
    let held = |ring, positions: &[u64]| -> Vec<bool> {
        positions.iter().map(|position| checkpoint.holds(ring, *position)).collect()
    };
    assert_eq!(held(0, &[0, 1, 2, 3, 4]), [true, false, true, false, false]);
    // Past the wrap-around.
    assert_eq!(held(1, &[begin, u64::MAX, 0, 1, 2, 3]), [true, false, true, false, false, false]);
    assert_eq!(held(2, &[0]), [false], "there is no such ring");
}

/// The two copies of its account that a recorder leaves in the memory of its ring, where they are whole.
fn notes(ring: u8, memory: &[AtomicU64]) -> Vec<LedgerAccount> {
    let words: Vec<u64> =
        memory[FIRST_NOTE_WORD..][..NOTE_WORDS].iter().map(|word| word.load(Relaxed)).collect();
    let (copies, _) = words.as_chunks::<ACCOUNT_WORDS>();
    let seal = Seal::new(u64::from(ring));
    copies.iter().filter_map(|words| LedgerAccount::from_words(words, seal)).collect()
}

#[test]
fn two_notes_are_written_in_turn_so_that_one_is_whole_at_every_moment() {
    let (audit, _told, memory) = captured(CAPACITY);
    let mut recorder = audit.claim(1).unwrap();
    let mut expect = |last: u64, record: &mut dyn FnMut(&mut Recorder, HandleAuditEntry)| {
        record(&mut recorder, HandleAuditEntry::new(last, 1, 0, label!("NtSetEvent"), 0));
        let mut notes = notes(1, &memory[1]);
        notes.sort_by_key(LedgerAccount::version);
        let versions: Vec<u64> = notes.iter().map(LedgerAccount::version).collect();
        assert_eq!(versions, (last.saturating_sub(1).max(1)..=last).collect::<Vec<_>>());
        notes.pop()
    };
    // Signals may use 56 slots.
    for _ in 0..CAPACITY / 8 * 7 {
        assert_eq!(expect(0, &mut |recorder, entry| recorder.record_signal(4, entry)), None);
    }
    for last in 1..=5 {
        let account = expect(last, &mut |recorder, entry| recorder.record_signal(4, entry)).unwrap();
        assert_eq!((account.rejected.get(Operation::Signal), account.last_cycle), (last, last));
    }
    let stack = [Frame::default(); MAX_STACK_FRAMES];
    let create = &mut |recorder: &mut Recorder, entry| {
        recorder.record_create_with_stack(4, HandleKind::EVENT_AUTO, entry, &stack);
    };
    assert_eq!(expect(6, create).unwrap().stacks_dropped, 1);
    audit.flush().unwrap();
    let account = expect(7, &mut |recorder, entry| recorder.record_signal(4, entry)).unwrap();
    assert_eq!((account.gaps_sent, account.rejected.total(), account.stacks_dropped), (1, 5, 1));
}

#[test]
fn a_damaged_slot_is_a_hole_in_its_ring_here_and_in_the_capture() {
    let (audit, told, memory) = captured(CAPACITY);
    let mut recorder = audit.claim(1).unwrap();
    recorder.record_create(
        4,
        HandleKind::EVENT_AUTO,
        HandleAuditEntry::new(1, 1, 0, label!("NtSetEvent"), 0),
    );
    for cycle in 2..5 {
        recorder.record_signal(4, HandleAuditEntry::new(cycle, 1, 0, label!("NtSetEvent"), 0));
    }
    memory[1][CONTROL_WORDS + 2 * LINE_WORDS].fetch_xor(1, Relaxed);
    audit.shutdown().unwrap();
    let live = audit.snapshot().unwrap();
    assert_eq!((live.losses.holes(), live.folded), (vec![1], 3));
    same(&replay(&told.lock().unwrap(), 0).snapshot(&[], &[]), &live);
}

#[test]
fn at_every_moment_each_published_record_stands_in_its_ring_or_was_appended() {
    let (audit, told, memory) = captured(CAPACITY);
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
    let (audit, told, memory) = captured(CAPACITY);
    let mut recorders: Vec<_> = (0..RINGS).map(|ring| audit.claim(ring).unwrap()).collect();
    play(&audit, &mut recorders, 30);
    audit.shutdown().unwrap();
    let told = told.lock().unwrap();
    let Some(Told::Stopped(ends, _)) = told.last() else { panic!("the end is told last: {told:?}") };
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
