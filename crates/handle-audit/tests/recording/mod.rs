//! Recorders in every state in which a ring can stand, for the tests of what recording asks of the host.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use handle_audit::{
    AuditConfig, Capture, CaptureSink, CapturedSlot, Checkpoint, Coverage, Focus, Frame, HandleAudit,
    HandleAuditEntry, HandleKind, Label, LedgerAccount, Operation, Recorder, label,
};
use spsc_ring::{CONTROL_WORDS, LINE_WORDS, Seal};

const RECORDS: usize = 256;

/// A drain's sink that keeps nothing.
#[derive(Debug)]
struct Sink;

impl CaptureSink for Sink {
    fn append(&mut self, _: &[CapturedSlot]) {}
    fn focus(&mut self, _: &Focus) {}
    fn coverage(&mut self, _: Coverage) {}
    fn wants_checkpoint(&self) -> bool {
        false
    }
    fn checkpoint(&mut self, _: &Checkpoint) {}
    fn stopped(&mut self, _: &[u64], _: &[LedgerAccount]) {}
}

fn captured(config: AuditConfig) -> HandleAudit {
    let words = CONTROL_WORDS + RECORDS * LINE_WORDS;
    let memory: Arc<Vec<AtomicU64>> = Arc::new((0..words).map(|_| AtomicU64::new(0)).collect());
    let capture = Capture { rings: vec![(memory, Seal::new(1))], sink: Box::new(Sink) };
    HandleAudit::with_capture(config.rings(1), capture).unwrap()
}

/// An audit without a thread, with a recorder that has not recorded yet. All are on, whether late or not.
pub(crate) fn cases() -> Vec<(&'static str, HandleAudit, Recorder)> {
    let late = AuditConfig::default().ring_capacity(RECORDS).manual();
    let on = late.clone().enabled(true);
    let audits = [
        ("a ring of its own", HandleAudit::new(on.clone()).unwrap()),
        ("counters shared by nine rings", HandleAudit::new(on.clone().rings(9)).unwrap()),
        ("a ring in a capture", captured(on)),
        ("a ring that was made late", HandleAudit::new(late.clone()).unwrap()),
        ("a ring in a capture that was made late", captured(late)),
    ];
    let with_recorder = |(name, audit): (_, HandleAudit)| {
        let recorder = audit.claim(0).unwrap();
        audit.enable().unwrap();
        (name, audit, recorder)
    };
    audits.map(with_recorder).into()
}

/// The label of all records. Who asks for its id has it interned, which the first record would do otherwise.
pub(crate) fn source() -> Label {
    label!("test")
}

/// Every operation, and a create with a stack, which finds room or not.
pub(crate) fn record_everything(recorder: &mut Recorder, cycle: u64) {
    let frames = [Frame { frame: 0x7000_0100, lr: 0x8200_0040 }; 32];
    let entry = HandleAuditEntry::new(cycle, 1, 0x8200_0040, source(), 0);
    recorder.expect(0x1004);
    for operation in Operation::ALL {
        recorder.record_any(operation, 0x1004, HandleKind::EVENT_AUTO, entry);
    }
    recorder.record_create_with_stack(0x1008, HandleKind::MUTANT, entry, &frames);
    recorder.record_signal(0x1004, entry);
}
