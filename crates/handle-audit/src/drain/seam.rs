//! Where tests look into a pass, between its steps. Outside of tests it is empty and costs nothing.

use crate::focus::Focus;
use crate::merge::Taken;
#[cfg(test)]
use crate::operation::Operation;
#[cfg(test)]
use crate::record::Slot;

/// What a test is told. The order of the calls to `folded` and `focused` is the order that counts.
#[cfg(test)]
pub(crate) trait Observer: std::fmt::Debug + Send {
    /// A ring was looked at or emptied. Producers may go on before the drain's next step.
    fn stepped(&mut self) {}
    /// A record was folded.
    fn folded(&mut self, _taken: &Taken, _operation: Operation) {}
    /// The focus changed.
    fn focused(&mut self, _focus: &Focus) {}
}

#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Seam(pub(crate) Option<Box<dyn Observer>>);

#[cfg(test)]
impl Seam {
    pub(crate) fn empty() -> Self {
        Self(None)
    }

    pub(crate) fn stepped(&mut self) {
        if let Some(observer) = &mut self.0 {
            observer.stepped();
        }
    }

    pub(crate) fn folding(&mut self, order: &[Taken]) {
        let Some(observer) = &mut self.0 else { return };
        for taken in order {
            if let Slot::Head(operation) = taken.record.slot() {
                observer.folded(taken, operation);
            }
        }
    }

    pub(crate) fn focused(&mut self, focus: &Focus) {
        if let Some(observer) = &mut self.0 {
            observer.focused(focus);
        }
    }
}

#[cfg(not(test))]
#[derive(Debug)]
pub(crate) struct Seam;

#[cfg(not(test))]
impl Seam {
    pub(crate) fn empty() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn stepped(&mut self) {}
    #[inline(always)]
    pub(crate) fn folding(&mut self, _order: &[Taken]) {}
    #[inline(always)]
    pub(crate) fn focused(&mut self, _focus: &Focus) {}
}
