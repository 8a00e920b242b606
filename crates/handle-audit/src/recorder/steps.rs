//! A record taken apart, so that a test can let the drain and other recorders go on between its steps.

use super::{NO_KIND, Recorder};
use crate::entry::{Frame, HandleAuditEntry, HandleKind};
use crate::operation::Operation;
use crate::record::{self, Record};

/// What is to be recorded.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    pub(crate) kind: HandleKind,
    pub(crate) handle: u32,
    pub(crate) entry: HandleAuditEntry,
    /// Only for creates.
    pub(crate) frames: Option<Vec<Frame>>,
}

/// How far a record has come.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The cells were read; the stamp is not shown yet.
    Chosen(Call, u64),
    /// The stamp is shown; the record is not published yet.
    Shown(Call, u64),
    /// Nothing is left to do.
    Done,
}

impl Recorder {
    /// The whole record, as a host makes it.
    pub(crate) fn call(&mut self, call: &Call) {
        match &call.frames {
            Some(frames) => self.record_create_with_stack(call.handle, call.kind, call.entry, frames),
            None => self.record_any(call.operation, call.handle, call.kind, call.entry),
        }
    }

    /// The first step: sees the switch and the room, reads the cells. What the recording path would leave to its
    /// slow part is done at once.
    pub(crate) fn begin(&mut self, call: Call) -> Step {
        let needed = match &call.frames {
            Some(frames) => 1 + record::stack_slots(frames.len()),
            None if call.operation == Operation::Create => 1,
            None => 1 + self.reserve,
        };
        if !self.is_enabled() || self.shared.counts_shared() || self.producer.room() < needed {
            self.call(&call);
            return Step::Done;
        }
        let stamp = self.shared.stamps.choose(call.handle);
        Step::Chosen(call, stamp)
    }

    /// The next step.
    pub(crate) fn go_on(&mut self, step: Step) -> Step {
        match step {
            Step::Chosen(call, stamp) => {
                self.shared.stamps.show(call.handle, self.cell, stamp);
                Step::Shown(call, stamp)
            }
            Step::Shown(call, stamp) => {
                let kind = if call.operation == Operation::Create { call.kind.label().id() } else { NO_KIND };
                let unstamped = record::Unstamped::new(call.operation, kind, call.handle, &call.entry);
                let head = Record::new(&unstamped, call.entry.source.mark(), || stamp);
                let frames = call.frames.unwrap_or_default();
                assert!(self.producer.push_all(record::create_slots(head, &frames).as_slice()));
                Step::Done
            }
            Step::Done => Step::Done,
        }
    }
}
