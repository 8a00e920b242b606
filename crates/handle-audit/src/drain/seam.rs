//! Where tests look into a pass, between its steps. Without them, and without the feature `observe`, it is empty and
//! costs nothing.

#[cfg(any(test, fuzzing, feature = "observe"))]
use crate::entry::Frame;
use crate::focus::Focus;
use crate::merge::{Stacks, Taken};
#[cfg(any(test, fuzzing, feature = "observe"))]
use crate::operation::Operation;
#[cfg(any(test, fuzzing, feature = "observe"))]
use crate::record::Slot;

/// What a test is told. The order of the calls to `folded` and `focused` is the order that counts.
#[cfg(any(test, fuzzing, feature = "observe"))]
pub(crate) trait Observer: std::fmt::Debug + Send {
    /// A ring was looked at or emptied. Producers may go on before the drain's next step.
    fn stepped(&mut self) {}
    /// A record was folded.
    fn folded(&mut self, _taken: &Taken, _operation: Operation, _stack: &[Frame]) {}
    /// The focus changed.
    fn focused(&mut self, _focus: &Focus) {}
}

#[cfg(any(test, fuzzing, feature = "observe"))]
#[derive(Debug)]
pub(crate) struct Seam(pub(crate) Option<Box<dyn Observer>>);

#[cfg(any(test, fuzzing, feature = "observe"))]
impl Seam {
    pub(crate) fn empty() -> Self {
        Self(None)
    }

    pub(crate) fn stepped(&mut self) {
        if let Some(observer) = &mut self.0 {
            observer.stepped();
        }
    }

    pub(crate) fn folding(&mut self, order: &[Taken], stacks: &Stacks) {
        let Some(observer) = &mut self.0 else { return };
        for taken in order {
            if let Slot::Head(operation) = taken.record.slot() {
                observer.folded(taken, operation, stacks.get(taken.stack));
            }
        }
    }

    pub(crate) fn focused(&mut self, focus: &Focus) {
        if let Some(observer) = &mut self.0 {
            observer.focused(focus);
        }
    }
}

/// Is told of every record in the order that counts, before it is folded: for stress tests and soaks, which check
/// that order over more records than trails keep.
#[cfg(any(test, feature = "observe"))]
pub trait FoldObserver: std::fmt::Debug + Send {
    /// This record is folded next. A panic ends the drain.
    fn folded(&mut self, operation: Operation, handle: u32, entry: &crate::HandleAuditEntry);
}

#[cfg(any(test, feature = "observe"))]
impl Observer for Box<dyn FoldObserver> {
    fn folded(&mut self, taken: &Taken, operation: Operation, _stack: &[Frame]) {
        (**self).folded(operation, taken.record.handle(), &taken.record.entry());
    }
}

#[cfg(not(any(test, fuzzing, feature = "observe")))]
#[derive(Debug)]
pub(crate) struct Seam;

#[cfg(not(any(test, fuzzing, feature = "observe")))]
impl Seam {
    pub(crate) fn empty() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn stepped(&mut self) {}
    #[inline(always)]
    pub(crate) fn folding(&mut self, _order: &[Taken], _stacks: &Stacks) {}
    #[inline(always)]
    pub(crate) fn focused(&mut self, _focus: &Focus) {}
}
