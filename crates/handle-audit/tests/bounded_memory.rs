//! A handle that is created again and again takes no more memory than the first times, whatever its lives were like.

use cap::Cap;
use handle_audit::{
    AuditConfig, Frame, HandleAudit, HandleAuditEntry, HandleKind, MAX_OPEN_WAITS, Operation, Recorder, label,
};

#[global_allocator]
static MEMORY: Cap<std::alloc::System> = Cap::new(std::alloc::System, usize::MAX);

const HANDLE: u32 = 0x1004;

/// More generations than a piece of memory that the store asks for has cells: one lost cell each would show.
const GENERATIONS: u64 = 40_000;

/// What a pass may take besides, in bytes: less than any such piece.
const SCRATCH: usize = 256 << 10;

/// The records of one generation after its create: how often each operation, by threads of their own or by one.
struct Life {
    name: &'static str,
    stack: &'static [Frame],
    records: &'static [(Operation, u32)],
}

const LIVES: [Life; 9] = [
    Life { name: "a list of one", stack: &[], records: &[(Operation::Signal, 1)] },
    Life { name: "a list of a few", stack: &[], records: &[(Operation::Signal, 3)] },
    Life { name: "a list of many", stack: &[], records: &[(Operation::Signal, 10)] },
    Life { name: "other records", stack: &[], records: &[(Operation::Reset, 1)] },
    Life { name: "a closer", stack: &[], records: &[(Operation::Close, 1)] },
    Life { name: "another name", stack: &[], records: &[(Operation::Alias, 1)] },
    Life { name: "a stack", stack: &[Frame { frame: 1, lr: 2 }; 9], records: &[] },
    Life { name: "an open wait", stack: &[], records: &[(Operation::Wait, 1)] },
    Life { name: "a few open waits", stack: &[], records: &[(Operation::Wait, 3)] },
];

fn live(recorder: &mut Recorder, life: &Life) {
    let entry = |tid| HandleAuditEntry::new(7, tid, 0, label!("test"), 0x2000);
    if life.stack.is_empty() {
        recorder.record_create(HANDLE, HandleKind::EVENT_AUTO, entry(1));
    } else {
        recorder.record_create_with_stack(HANDLE, HandleKind::EVENT_AUTO, entry(1), life.stack);
    }
    for (operation, times) in life.records {
        for tid in 1..=*times {
            recorder.record_any(*operation, HANDLE, HandleKind::EVENT_AUTO, entry(tid));
        }
    }
}

#[test]
fn a_handle_that_comes_back_takes_no_more_memory() {
    let audit = HandleAudit::new(AuditConfig::default().rings(1).manual().enabled(true)).unwrap();
    let mut recorder = audit.claim(0).unwrap();
    // The largest blocks: fewer generations fill a piece.
    let many =
        Life { name: "many open waits", stack: &[], records: &[(Operation::Wait, MAX_OPEN_WAITS as u32)] };
    for (life, generations) in LIVES.iter().map(|life| (life, GENERATIONS)).chain([(&many, GENERATIONS / 64)])
    {
        let mut live_on = |generations: u64| {
            for generation in 0..generations {
                live(&mut recorder, life);
                if generation % 100 == 0 {
                    audit.flush().unwrap();
                }
            }
            audit.flush().unwrap();
            MEMORY.allocated()
        };
        let before = live_on(1_000.min(generations));
        let after = live_on(generations);
        assert!(after < before + SCRATCH, "{}: {before} bytes, then {after}", life.name);
    }
    assert_eq!(audit.losses().unwrap().rejected(), 0);
}
