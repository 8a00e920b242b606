//! `tracing` and `fastrace` as ways to record.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt;

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

thread_local! {
    static SEEN: Cell<u64> = const { Cell::new(0) };
    static RING: RefCell<Option<Plain<6, Nothing48>>> = const { RefCell::new(None) };
}

/// A layer that does nothing with an event but count it.
#[derive(Debug)]
pub struct NoOp;

impl<S: Subscriber> Layer<S> for NoOp {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        std::hint::black_box(event);
        SEEN.set(SEEN.get() + 1);
    }
}

/// A layer that pushes the fields of every event into the ring of its thread.
#[derive(Debug)]
pub struct IntoRing;

impl<S: Subscriber> Layer<S> for IntoRing {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        RING.with_borrow_mut(|ring| {
            if let Some(ring) = ring {
                ring.push(fields.handle, fields.cycle);
            }
        });
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

/// Events of this thread, which reach a layer while this lives.
#[derive(Debug)]
pub struct Traced<L> {
    layer: PhantomData<L>,
    _default: DefaultGuard,
}

impl<L: Layer<Registry> + Send + Sync> Traced<L> {
    fn new(layer: L) -> Self {
        let default = tracing_subscriber::registry().with(layer).set_default();
        Self { layer: PhantomData, _default: default }
    }
}

/// Takes nothing: what comes to the layer that does nothing goes no further.
#[derive(Debug)]
pub struct Nowhere;

impl Taker for Nowhere {
    fn drain(&mut self) -> u64 {
        0
    }

    fn take(&mut self) -> Vec<(u32, u64)> {
        Vec::new()
    }
}

impl Pusher for Traced<NoOp> {
    const NAME: &'static str = "tracing, no-op layer";
    type Taker = Nowhere;

    fn pair(_capacity: usize, _handles: &[u32]) -> (Self, Self::Taker) {
        (Self::new(NoOp), Nowhere)
    }

    #[inline(always)]
    fn push(&mut self, handle: u32, cycle: u64) {
        event(handle, cycle);
    }
}

impl Pusher for Traced<IntoRing> {
    const NAME: &'static str = "tracing, layer into a ring";
    type Taker = spsc_ring::Consumer<[u64; 6]>;

    /// The ring takes the place of an earlier one.
    fn pair(capacity: usize, handles: &[u32]) -> (Self, Self::Taker) {
        let (pusher, taker) = Plain::pair(capacity, handles);
        RING.set(Some(pusher));
        (Self::new(IntoRing), taker)
    }

    #[inline(always)]
    fn push(&mut self, handle: u32, cycle: u64) {
        event(handle, cycle);
    }
}

/// Checks that events reach the layer that does nothing; the other gives back what was pushed.
///
/// # Panics
///
/// If they do not.
pub fn check_no_op() {
    let (mut pusher, _) = Traced::<NoOp>::pair(0, &[]);
    let before = SEEN.get();
    (0..24).for_each(|cycle| pusher.push(4, cycle));
    assert_eq!(SEEN.get(), before + 24, "every event reached the layer");
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
