//! The stress course, watched from inside the drain, on handles that share stripes.

use std::sync::Arc;

use crate::config::AuditConfig;
use crate::drain::Observer;
use crate::merge::Taken;
use crate::stamp::stripe_of;
use crate::{Frame, HandleAudit, Losses, Operation};

#[path = "../../examples/stress/course.rs"]
mod course;

use course::{Checker, Course, FIRST_HANDLE};

/// Records whose order is checked, in debug builds too: a few seconds.
const GOAL: u64 = 10_000_000;

/// Forty handles on eight stripes, so that a stripe is shared.
fn handles() -> Vec<u32> {
    (FIRST_HANDLE..).step_by(4).filter(|handle| stripe_of(*handle) % 32 == 5).take(40).collect()
}

impl Observer for Arc<Checker> {
    fn folded(&mut self, taken: &Taken, operation: Operation, _stack: &[Frame]) {
        Checker::folded(self, operation, taken.record.handle(), taken.record.entry().aux);
    }
}

/// Runs the course while somebody reads all the time.
fn stress(config: AuditConfig, goal: u64, lead: u64) -> Losses {
    let audit = HandleAudit::new(config.enabled(true)).unwrap();
    let handles = handles();
    let checker = Checker::new(&handles);
    audit.pipeline.drain().unwrap().seam.0 = Some(Box::new(checker.clone()));
    let course = Course { goal, lead, handles, checker };
    course.run(&audit, || course.handles.iter().for_each(|handle| drop(audit.trail(*handle))))
}

#[test]
fn records_of_one_handle_fold_in_the_order_in_which_they_happened() {
    // Fewer than one ring has room for, so none is rejected.
    let losses = stress(AuditConfig::default(), GOAL, 6_000);
    assert_eq!(losses.rejected(), 0);
}

/// The same with rings that overflow, producers that never wait, and stamps from one counter for a stripe.
#[test]
fn order_and_accounts_hold_when_rings_overflow() {
    let rejected = stress(AuditConfig::default().ring_capacity(64), GOAL / 20, u64::MAX).rejected();
    let shared = stress(AuditConfig::default().rings(9).ring_capacity(64), GOAL / 20, u64::MAX).rejected();
    assert!(rejected > 0 && shared > 0, "rings of 64 records overflow");
}
