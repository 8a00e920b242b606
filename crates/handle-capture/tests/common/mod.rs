//! A small host that records something of every sort.

use handle_audit::{AuditConfig, Frame, HandleAudit, HandleAuditEntry, HandleKind, Recorder, label};
use handle_capture::{CaptureOptions, CaptureWriter};

/// Rings of every test.
pub(crate) const RINGS: usize = 3;

/// An audit that is captured, without a thread of its own: the test says when it drains.
pub(crate) fn captured(options: &CaptureOptions) -> (HandleAudit, CaptureWriter) {
    let (writer, capture) = CaptureWriter::create(options).unwrap();
    let focus = [0x9000].into_iter().collect();
    let config = AuditConfig::default().rings(RINGS).manual().enabled(true).focus(focus);
    (HandleAudit::with_capture(config, capture).unwrap(), writer)
}

/// All recorders of an audit.
pub(crate) fn recorders(audit: &HandleAudit) -> Vec<Recorder> {
    (0..RINGS).map(|ring| audit.claim(ring).unwrap()).collect()
}

/// Records `rounds` things, drains now and then, and lets the rings fill up sometimes.
pub(crate) fn play(audit: &HandleAudit, recorders: &mut [Recorder], rounds: std::ops::Range<u64>) {
    let entry = |cycle, tid| HandleAuditEntry::new(cycle, tid, 0x8200_0040, label!("NtSetEvent"), cycle * 3);
    let frames: Vec<_> = (0..9).map(|n| Frame { frame: 0x7000_0000 + n, lr: n }).collect();
    for round in rounds {
        let handle = 0x1000 + 4 * (round % 23) as u32;
        let recorder = &mut recorders[(round % RINGS as u64) as usize];
        match round % 11 {
            0 => recorder.record_create_with_stack(handle, HandleKind::EVENT_AUTO, entry(round, 1), &frames),
            1 => recorder.record_wait(handle, entry(round, 2)),
            2 => recorder.record_wake(handle, entry(round, 2)),
            3 => recorder.record_signal(0x9000, entry(round, 3)),
            4 => recorder.record_promise(0x5000 + handle, entry(round, 3)),
            5 => recorder.record_alias(handle, entry(round, 1)),
            6 if round % 3 == 0 => recorder.record_create(handle, HandleKind::MUTANT, entry(round, 1)),
            7 => recorder.record_close(handle, entry(round, 4)),
            _ => recorder.record_signal(handle, entry(round, 4)),
        }
        if round % 397 == 396 && round % 5 != 0 {
            audit.pump().unwrap();
        }
    }
}
