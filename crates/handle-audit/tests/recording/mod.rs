//! Recorders in every state in which a ring can stand, for the tests of what recording asks of the host.

#[path = "../trap/mod.rs"]
mod trap;

use handle_audit::{
    AuditConfig, Frame, HandleAudit, HandleAuditEntry, HandleKind, Label, Operation, Recorder, label,
};
use trap::trapped;

const RECORDS: usize = 256;

/// An audit without a thread, with a recorder that has not recorded yet. All are on, whether late or not.
pub(crate) fn cases() -> Vec<(&'static str, HandleAudit, Recorder)> {
    let late = AuditConfig::default().ring_capacity(RECORDS).manual();
    let on = late.clone().enabled(true);
    let audits = [
        ("a ring of its own", HandleAudit::new(on.clone()).unwrap()),
        ("counters shared by nine rings", HandleAudit::new(on.clone().rings(9)).unwrap()),
        ("a ring in a capture", trapped(on, RECORDS, || ())),
        ("a ring that was made late", HandleAudit::new(late.clone()).unwrap()),
        ("a ring in a capture that was made late", trapped(late, RECORDS, || ())),
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
