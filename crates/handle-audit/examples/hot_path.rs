//! What the recording path costs, made visible: a call site in a function of its own, for `objdump` and for
//! `callgrind`. `ci/gate-hot-path.sh` reads both.
//!
//! `hot_path on|off CALLS` makes that many calls, with the audit on or off.

use handle_audit::{AuditConfig, HandleAudit, HandleAuditEntry, HandleKind, Recorder, label};
use std::hint::black_box;

/// A call site that records a signal. Everything but the label is known at run time only, and lies in registers.
#[inline(never)]
fn site_with_record(recorder: &mut Recorder, tid: u32, lr: u32, handle: u32, cycle: u64) {
    recorder.record_signal(handle, HandleAuditEntry::new(cycle, tid, lr, label!("KeSetEvent"), cycle));
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let on = arguments.get(1).is_none_or(|switch| switch == "on");
    let calls: u64 = arguments.get(2).map_or(Ok(1_000), |calls| calls.parse())?;
    let capacity = (2 * calls as usize).clamp(64, 1 << 20);
    let audit = HandleAudit::new(AuditConfig::default().enabled(on).manual().ring_capacity(capacity))?;
    let mut recorder = audit.claim(0)?;
    let created = HandleAuditEntry::new(0, 3, 0x8200_0040, label!("KeInitializeEvent"), 0);
    recorder.record_create(0x1004, HandleKind::EVENT_AUTO, created);
    let (tid, lr) = black_box((3, 0x8200_0040));
    for cycle in 1..=calls {
        site_with_record(&mut recorder, tid, lr, black_box(0x1004), cycle);
    }
    let signals = audit.snapshot()?.trail(0x1004).map_or(0, |trail| trail.signals.total());
    assert_eq!(signals, if on { calls } else { 0 });
    Ok(())
}
