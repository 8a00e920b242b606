//! `tracing` and `fastrace` as ways to record.

use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

use fastrace::collector::{Config, Reporter, SpanRecord};
use fastrace::local::LocalSpan;
use fastrace::prelude::{Event as FastEvent, Span, SpanContext};

use crate::pushers::{Nothing48, Plain, Pusher, TID, Taker};
use crate::workload::LR;

/// A `tracing` event with the fields of an entry.
#[inline(always)]
pub fn event(handle: u32, cycle: u64) {
    tracing::info!(target: "NtSetEvent", handle, cycle, tid = TID, lr = LR, aux = cycle);
}

/// Takes every event and does nothing with it.
#[derive(Debug)]
pub struct NoOp;

impl Subscriber for NoOp {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        std::hint::black_box(event);
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// Takes the fields of every event and pushes them into a ring.
#[expect(missing_debug_implementations, reason = "it would print the ring")]
pub struct IntoRing(Mutex<Plain<6, Nothing48>>);

impl IntoRing {
    /// The subscriber and the ring's other end.
    #[must_use]
    pub fn pair(capacity: usize) -> (Self, impl Taker + use<>) {
        let (pusher, taker) = Plain::pair(capacity, &[]);
        (Self(Mutex::new(pusher)), taker)
    }
}

#[derive(Default)]
struct Fields {
    handle: u32,
    cycle: u64,
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "handle" => self.handle = value as u32,
            "cycle" => self.cycle = value,
            _ => {}
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn std::fmt::Debug) {}
}

impl Subscriber for IntoRing {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        // A subscriber is shared, so its ring needs a lock; nobody else takes it.
        self.0.lock().expect("no one panics with it").push(fields.handle, fields.cycle);
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// Counts the events that `fastrace` reports.
#[derive(Clone, Debug, Default)]
pub struct Counted(Arc<Mutex<u64>>);

impl Reporter for Counted {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        let events: usize = spans.iter().map(|span| span.events.len()).sum();
        *self.0.lock().expect("no one panics with it") += events as u64;
    }
}

/// Switches `fastrace` on, with a reporter that counts.
#[must_use]
pub fn fastrace_on() -> Counted {
    let counted = Counted::default();
    fastrace::set_reporter(counted.clone(), Config::default());
    counted
}

impl Counted {
    /// Events reported so far, after a flush.
    #[must_use]
    pub fn flushed(&self) -> u64 {
        fastrace::flush();
        *self.0.lock().expect("no one panics with it")
    }
}

/// Runs `work` inside a `fastrace` root, without which events go nowhere.
pub fn in_root(work: impl FnOnce()) {
    let root = Span::root("burst", SpanContext::random());
    let _guard = root.set_local_parent();
    let _local = LocalSpan::enter_with_local_parent("export");
    work();
}

/// A `fastrace` event with nothing but a name: fields would be strings.
#[inline(always)]
pub fn fast_event() {
    LocalSpan::add_event(FastEvent::new("NtSetEvent"));
}

/// A `fastrace` span with nothing but a name.
#[inline(always)]
pub fn fast_span() {
    let _span = LocalSpan::enter_with_local_parent("NtSetEvent");
}
