//! What the recording path costs, made visible: one call site in functions of their own, for `objdump` and for
//! `callgrind`. `ci/gate-hot-path.sh` reads both.
//!
//! `hot_path on|off CALLS` makes that many calls of each, with the audit on or off.

use handle_audit::{AuditConfig, HandleAudit, HandleAuditEntry, HandleKind, Recorder, label};
use std::hint::black_box;

fn entry(cycle: u64) -> HandleAuditEntry {
    HandleAuditEntry::new(cycle, 3, 0x8200_0040, label!("KeSetEvent"), 1)
}

/// A call site that records a signal: handle and cycle change, the label is made once.
#[inline(never)]
fn site_with_signal(recorder: &mut Recorder, handle: u32, cycle: u64) {
    recorder.record_signal(handle, entry(cycle));
}

/// The same without the record: the ruler.
#[inline(never)]
fn site_without(recorder: &mut Recorder, handle: u32, cycle: u64) {
    black_box((recorder, handle, entry(cycle).source));
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let on = arguments.get(1).is_none_or(|switch| switch == "on");
    let calls: u64 = arguments.get(2).map_or(Ok(1_000), |calls| calls.parse())?;
    let capacity = (2 * calls as usize).clamp(64, 1 << 20);
    let audit = HandleAudit::new(AuditConfig::default().enabled(on).manual().ring_capacity(capacity))?;
    let mut recorder = audit.claim(0)?;
    recorder.record_create(0x1004, HandleKind::EVENT_AUTO, entry(0));
    for cycle in 1..=calls {
        site_with_signal(&mut recorder, black_box(0x1004), cycle);
        site_without(&mut recorder, black_box(0x1004), cycle);
    }
    let signals = audit.snapshot()?.trail(0x1004).map_or(0, |trail| trail.signals.total());
    assert_eq!(signals, if on { calls } else { 0 });
    Ok(())
}
