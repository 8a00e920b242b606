//! Checkpoints: what is in them, what they leave out, and what is not believed.

use handle_audit::{
    CapturedRecord, Checkpoint, Frame, Gap, HandleAuditEntry, HandleKind, Lead, Operation, OperationCounts,
    Replay, TrailEntry,
};

use super::image::{OwnLabels, source};
use crate::checkpoint::{Assembly, encode};
use crate::frame::{Kind, MAX_BODY_WORDS};
use crate::words::{Glass, MAX_COUNT, Pen};

/// Something of every sort: trails with stacks, other names, open waits, an end and an earlier generation, ghosts,
/// leads, threads, losses.
fn rich() -> Checkpoint {
    let mut replay = Replay::new(2);
    replay.set_focus([0x9000, 0x9004].into_iter().collect());
    for n in 0..400_u64 {
        let operation = Operation::ALL[(n * 7 % 15) as usize];
        let handle = [0x1000, 0x1004, 0x1008, 0x9000, 0x5000][(n / 15 % 5) as usize];
        let aux = if operation == Operation::Alias { 0xB000 + n } else { n << 40 | n };
        let stack =
            [Frame { frame: 0x7000_0000, lr: 0x8200_0010 }, Frame { frame: 0x7000_0001, lr: 0x8200_0021 }];
        replay.fold(&CapturedRecord {
            ring: (n % 2) as u8,
            position: n / 2,
            stamp: n,
            operation,
            handle: if operation == Operation::Create && handle >= 0x5000 { 0x1000 } else { handle },
            kind: HandleKind::EVENT_AUTO,
            entry: HandleAuditEntry::new(n, (n % 3) as u32 + 1, 0x8200_0000 + n as u32, source(), aux),
            stack: stack.to_vec(),
        });
    }
    let rejected: OperationCounts = Operation::ALL.into_iter().zip(1..).collect();
    replay.add_gap(Gap { ring: 1, first_cycle: 3, last_cycle: 9, rejected });
    replay.add_gap(Gap::hole(0, 77));
    let state = replay.snapshot(&[], &[]);
    Checkpoint { state, taken: vec![200, 201], pending: (0..3000).map(|n| (1, n)).collect() }
}

fn assemble(frames: &[(Kind, Vec<u64>)], rings: u64) -> Option<(Checkpoint, u64)> {
    let [(Kind::CheckpointBegin, begin), parts @ .., (Kind::CheckpointEnd, end)] = frames else {
        panic!("a checkpoint has a beginning and an end: {frames:?}")
    };
    let mut assembly = Assembly::begin(begin, &OwnLabels, rings)?;
    parts.iter().for_each(|(_, body)| assembly.part(body, &OwnLabels));
    assembly.end(end)
}

#[test]
fn a_checkpoint_reads_back_as_it_was() {
    let mut checkpoint = rich();
    let state = &checkpoint.state;
    assert!(!state.ghosts.is_empty() && !state.leads.is_empty() && !state.threads.is_empty());
    let trail = state.trail(0x1000).unwrap();
    let stack = trail.created_stack.as_ref().unwrap();
    assert!(stack.len() == 2 && trail.previous.is_some() && !trail.aliases.is_empty());
    assert!(state.trails.iter().any(|trail| !trail.open_waits.is_empty()));
    assert!(state.trails.iter().any(|trail| trail.closed.is_some()));
    let (frames, omitted) = encode(&checkpoint, usize::MAX);
    assert_eq!(omitted, 0);
    assert!(frames.iter().all(|(_, body)| body.len() <= MAX_BODY_WORDS));
    // What a ring rejected stands in its account, not in the checkpoint.
    checkpoint.state.losses.rings.iter_mut().for_each(|ring| ring.rejected = OperationCounts::default());
    assert_eq!(assemble(&frames, 2), Some((checkpoint, 0)));
}

/// Four words around each item but its own length and kind would be too many: 20 words a gap, 3 and 2 a place pending.
#[test]
fn items_fill_a_frame_to_its_last_word() {
    for (gaps, parts) in [(0, 1), (408, 1), (409, 1), (410, 2), (818, 2), (819, 3)] {
        let mut checkpoint =
            Checkpoint { pending: vec![(0, 1), (0, 2)], taken: vec![0], ..Checkpoint::default() };
        checkpoint.state.losses.gaps = vec![Gap::hole(0, 1); gaps];
        let (frames, _) = encode(&checkpoint, usize::MAX);
        assert_eq!(frames.len(), 2 + parts, "{gaps} gaps");
        let words: usize = frames[1..=parts].iter().map(|(_, body)| body.len()).sum();
        assert_eq!(words, 7 + 20 * gaps);
    }
    assert_eq!(7 + 20 * 409, MAX_BODY_WORDS);
}

fn lead(handle: u32) -> Lead {
    let entry = HandleAuditEntry::new(1, 2, 3, source(), 4);
    let first = TrailEntry { seq: 1, operation: Operation::Wait, ring: 0, entry };
    Lead { handle, first, totals: OperationCounts::default() }
}

#[test]
fn what_does_not_fit_the_budget_is_left_out_and_counted() {
    let mut checkpoint = Checkpoint { taken: vec![0], ..Checkpoint::default() };
    checkpoint.state.losses.rings.push(handle_audit::RingAccount::default());
    checkpoint.state.leads = (0..10).map(lead).collect();
    // A lead takes 21 words, and two around it.
    for (budget, kept) in [(0, 0), (20, 0), (21, 1), (43, 1), (44, 2), (227, 9), (228, 10), (9999, 10)] {
        let (frames, omitted) = encode(&checkpoint, budget);
        assert_eq!(omitted, 10 - kept, "{budget} words");
        assert_eq!(frames.last(), Some(&(Kind::CheckpointEnd, vec![kept, omitted])));
        let (read, told) = assemble(&frames, 1).unwrap();
        assert_eq!((read.state.leads.len() as u64, told), (kept, omitted));
    }
}

#[test]
fn a_checkpoint_that_contradicts_itself_is_none() {
    let (frames, _) = encode(&rich(), usize::MAX);
    let (Kind::CheckpointEnd, end) = frames.last().unwrap().clone() else { panic!("it has an end") };
    assert!(assemble(&frames, 2).is_some());
    assert!(assemble(&frames, 3).is_none(), "of another number of rings");
    type Forge<'a> = &'a dyn Fn(&mut Vec<(Kind, Vec<u64>)>);
    let last = frames.len() - 1;
    let forged: [Forge<'_>; 6] = [
        &|frames| frames[last].1[0] += 1,
        &|frames| frames[last].1.push(0),
        &|frames| _ = frames.remove(1),
        // An item of a kind that there is not, and one that is longer than its frame: as many as the end says.
        &|frames| frames[1].1[0] = 7,
        &|frames| {
            frames.insert(last, (Kind::CheckpointPart, vec![1, 1]));
        },
        &|frames| {
            frames.insert(last, (Kind::CheckpointPart, vec![7, 0]));
            frames[last + 1].1[0] = end[0] + 1;
        },
    ];
    for (number, forge) in forged.into_iter().enumerate() {
        let mut frames = frames.clone();
        forge(&mut frames);
        assert!(assemble(&frames, 2).is_none(), "{number}");
    }
}

#[test]
fn counts_and_lists_beyond_their_bounds_are_refused() {
    fn glass(words: &[u64]) -> Glass<'_> {
        Glass { words, labels: &OwnLabels }
    }
    let count = |count| glass(&[count]).count();
    assert_eq!([0, MAX_COUNT - 1, MAX_COUNT].map(count), [Some(0), Some(MAX_COUNT - 1), None]);
    let list = |words: &[u64], limit| glass(words).list(limit, Glass::word);
    assert_eq!(list(&[2, 5, 6, 7], 2), Some(vec![5, 6]));
    assert_eq!(list(&[3, 5, 6, 7], 2), None);
    assert_eq!(list(&[3, 5, 6], 4), None);
    assert_eq!(list(&[u64::MAX], usize::MAX), None);
    let mut pen = Pen::default();
    pen.bytes(b"nine byte");
    assert_eq!(pen.words, [9, u64::from_le_bytes(*b"nine byt"), u64::from(b'e')]);
    assert_eq!(glass(&pen.words).bytes(), Some(b"nine byte".to_vec()));
    assert_eq!(glass(&pen.words[..2]).bytes(), None);
}
