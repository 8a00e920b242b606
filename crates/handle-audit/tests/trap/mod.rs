//! Audits in capture mode, whose capture is memory of this process and a function.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use handle_audit::{
    AuditConfig, Capture, CaptureSink, CapturedSlot, Checkpoint, Coverage, Focus, HandleAudit, LedgerAccount,
};
use spsc_ring::{CONTROL_WORDS, LINE_WORDS, Seal};

/// A capture's sink that keeps nothing, and does this whenever it gets records.
struct Trap<F>(F);

impl<F> fmt::Debug for Trap<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trap")
    }
}

impl<F: FnMut() + Send + 'static> CaptureSink for Trap<F> {
    fn append(&mut self, slots: &[CapturedSlot]) {
        if !slots.is_empty() {
            self.0();
        }
    }
    fn focus(&mut self, _: &Focus) {}
    fn coverage(&mut self, _: Coverage) {}
    fn wants_checkpoint(&self) -> bool {
        false
    }
    fn checkpoint(&mut self, _: &Checkpoint) {}
    fn stopped(&mut self, _: &[u64], _: &[LedgerAccount]) {}
}

/// An audit with one ring of so many slots and this trap.
pub(crate) fn trapped(config: AuditConfig, slots: usize, trap: impl FnMut() + Send + 'static) -> HandleAudit {
    let words = CONTROL_WORDS + slots * LINE_WORDS;
    let memory: Arc<Vec<AtomicU64>> = Arc::new((0..words).map(|_| AtomicU64::new(0)).collect());
    let capture = Capture { rings: vec![(memory, Seal::new(1))], sink: Box::new(Trap(trap)) };
    HandleAudit::with_capture(config.rings(1), capture).unwrap()
}
