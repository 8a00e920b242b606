//! Exports that are not implemented: what they did with a handle, or near one.

use handle_audit::{Operation, TrailEntry};

use crate::history::{History, Step};
use crate::rules::Known;
use crate::view::View;

/// Whether a status says that the call failed: a caller that looks at it does not count on the call.
pub(super) fn failed(status: u64) -> bool {
    status as u32 >= 0xC000_0000
}

/// An export that is not implemented and returned as if it had worked.
pub(super) fn is_silent_stub(step: &Step) -> bool {
    step.operation() == Operation::Stub && !failed(step.entry().aux)
}

/// The record that says that a call was to a stub: on the same handle, or on the caller's own thread object.
pub(super) fn stub_of(view: &View<'_>, history: &History, call: &Step) -> Option<Step> {
    let same = |step: &Step| {
        let (a, b) = (step.entry(), call.entry());
        step.operation() == Operation::Stub
            && a.source == b.source
            && a.tid == b.tid
            && a.lr == b.lr
            && a.cycle >= b.cycle
    };
    let here = history.steps.iter().find(|step| same(step)).copied();
    here.or_else(|| on_thread(view, call.entry().tid).find(|step| same(step)))
}

/// Stubs on an object, then stubs without a handle that its creator and its waiter called between the create and
/// the wait, or at any later time.
pub(super) fn stubs_near(view: &View<'_>, known: &Known<'_, '_>, waiter: u32) -> Vec<Step> {
    let mut stubs: Vec<Step> =
        known.history.steps.iter().filter(|step| is_silent_stub(step)).copied().collect();
    let created = known.history.created.entry;
    let until = known.history.steps.get(known.at).map_or(view.now, |wait| wait.entry().cycle);
    let mut callers = vec![created.tid, waiter];
    callers.dedup();
    for tid in callers {
        let in_window =
            |step: &Step| (created.cycle..=until).contains(&step.entry().cycle) && !failed(step.entry().aux);
        stubs.extend(on_thread(view, tid).filter(in_window));
    }
    stubs
}

fn on_thread<'v>(view: &'v View<'_>, tid: u32) -> impl Iterator<Item = Step> + 'v {
    view.thread_object(tid).into_iter().flat_map(|object| {
        let handle = object.handle();
        let stubs = object.trail.others.held().filter(|record| record.operation == Operation::Stub);
        stubs.map(move |record: &TrailEntry| Step { handle, record: *record })
    })
}
