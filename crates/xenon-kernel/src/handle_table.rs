//! Handles: values that count up in steps of 4, and what they name.
//!
//! Each value has a slot with a lock of its own, so that calls on different handles do not meet. A closed value is
//! reissued, the lowest first, once no call that resolved it is in flight and no thread is parked on it: until then a
//! [`Pin`] holds it back, and no record lands in the wrong generation. The handle that an object was recorded under last is
//! held back until nobody uses the object: whoever came by another of its handles records under that one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock};

use crate::object::Object;
use crate::sync::Lock;

/// The first handle; the main thread has it.
pub(crate) const FIRST_HANDLE: u32 = 0x1000;
/// Pseudo handle of the process.
pub(crate) const CURRENT_PROCESS: u32 = u32::MAX;
/// Pseudo handle of the calling thread.
pub(crate) const CURRENT_THREAD: u32 = u32::MAX - 1;

const STEP: u32 = 4;
const SEGMENT: usize = 256;
const SEGMENTS: usize = 256;

type Segment = Box<[Arc<Slot>]>;

/// All handles of the guest.
#[derive(Debug)]
pub(crate) struct HandleTable {
    /// Made as values are needed, never removed.
    segments: Box<[OnceLock<Segment>]>,
    free: Arc<FreeList>,
}

#[derive(Debug, Default)]
struct FreeList(Mutex<FreeValues>);

#[derive(Debug, Default)]
struct FreeValues {
    freed: BTreeSet<u32>,
    issued: usize,
}

/// One handle value.
#[derive(Debug)]
pub(crate) struct Slot {
    value: u32,
    free: Arc<FreeList>,
    state: Mutex<SlotState>,
}

#[derive(Debug, Default)]
struct SlotState {
    phase: Phase,
    object: Option<Arc<Object>>,
    /// Calls in flight and parked threads that hold the value back.
    pins: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Free,
    /// Issued, its object being made.
    Reserved,
    Open,
    /// Closed, and held back by pins.
    Closed,
}

/// Holds a handle value back from being reissued.
#[derive(Debug)]
pub(crate) struct Pin(Arc<Slot>);

/// An object that a call resolved, and what holds its handle back, if it came by a handle.
#[derive(Debug)]
pub(crate) struct Pinned {
    pub(crate) object: Arc<Object>,
    pub(crate) pin: Option<Pin>,
}

impl HandleTable {
    pub(crate) fn new() -> Self {
        Self { segments: (0..SEGMENTS).map(|_| OnceLock::new()).collect(), free: Arc::default() }
    }

    /// The object that `handle` names.
    pub(crate) fn resolve(&self, handle: u32) -> Option<Pinned> {
        let slot = self.slot(handle)?;
        let mut state = slot.state.locked();
        let object = state.object.clone()?;
        state.pins += 1;
        Some(Pinned { object, pin: Some(Pin(slot.clone())) })
    }

    /// Holds back a value that is known to be open.
    pub(crate) fn pin(&self, handle: u32) -> Option<Pin> {
        let slot = self.slot(handle)?;
        slot.state.locked().pins += 1;
        Some(Pin(slot.clone()))
    }

    /// Takes the lowest free value, or `None` when all are in use. Until it is published it resolves to nothing.
    pub(crate) fn reserve(&self) -> Option<Reserved> {
        let index = {
            let mut free = self.free.0.locked();
            match free.freed.pop_first() {
                Some(value) => index_of(value)?,
                None if free.issued < SEGMENT * SEGMENTS => {
                    free.issued += 1;
                    free.issued - 1
                }
                None => return None,
            }
        };
        let segment = self.segments[index / SEGMENT].get_or_init(|| self.new_segment(index / SEGMENT));
        let slot = segment[index % SEGMENT].clone();
        slot.state.locked().phase = Phase::Reserved;
        Some(Reserved(slot))
    }

    /// Takes back a value that was never published.
    pub(crate) fn give_back(&self, reserved: Reserved) {
        reserved.0.state.locked().phase = Phase::Free;
        self.free.0.locked().freed.insert(reserved.value());
    }

    /// Closes `handle`: from here on it resolves to nothing. The caller still holds it back. With `at_once` it is
    /// free for reissue now, whoever uses it: the fault `stale-handle`.
    pub(crate) fn close(&self, handle: u32, at_once: bool) -> Option<Pinned> {
        let slot = self.slot(handle)?;
        let mut state = slot.state.locked();
        let object = state.object.take()?;
        state.pins += 1;
        state.phase = Phase::Closed;
        if at_once {
            state.phase = Phase::Free;
            slot.free.0.locked().freed.insert(slot.value);
        }
        Some(Pinned { object, pin: Some(Pin(slot.clone())) })
    }

    /// Runs `f` while `handle` names nothing and cannot come to name something; not at all if it does.
    pub(crate) fn while_unresolved<R>(&self, handle: u32, f: impl FnOnce() -> R) -> Option<R> {
        let Some(slot) = self.slot(handle) else { return Some(f()) };
        let state = slot.state.locked();
        matches!(state.phase, Phase::Free | Phase::Closed).then(f)
    }

    fn slot(&self, handle: u32) -> Option<&Arc<Slot>> {
        let index = index_of(handle)?;
        self.segments.get(index / SEGMENT)?.get()?.get(index % SEGMENT)
    }

    fn new_segment(&self, number: usize) -> Segment {
        let values = (number * SEGMENT..).map(|index| FIRST_HANDLE + STEP * index as u32);
        let slot = |value| Arc::new(Slot { value, free: self.free.clone(), state: Mutex::default() });
        values.take(SEGMENT).map(slot).collect()
    }
}

fn index_of(handle: u32) -> Option<usize> {
    let offset = handle.checked_sub(FIRST_HANDLE)?;
    (offset % STEP == 0).then_some((offset / STEP) as usize)
}

/// A value that was taken and names nothing yet.
#[derive(Debug)]
pub(crate) struct Reserved(Arc<Slot>);

impl Reserved {
    pub(crate) fn value(&self) -> u32 {
        self.0.value
    }

    /// From here on the value names `object`.
    pub(crate) fn publish(self, object: Arc<Object>) {
        let mut state = self.0.state.locked();
        state.object = Some(object);
        state.phase = Phase::Open;
    }
}

impl Pin {
    /// The handle that is held back.
    pub(crate) fn value(&self) -> u32 {
        self.0.value
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut state = self.0.state.locked();
        state.pins -= 1;
        if state.pins == 0 && state.phase == Phase::Closed {
            state.phase = Phase::Free;
            self.0.free.0.locked().freed.insert(self.0.value);
        }
    }
}

impl Pinned {
    /// An object that did not come by a handle.
    pub(crate) fn unnamed(object: Arc<Object>) -> Self {
        Self { object, pin: None }
    }

    /// The handle it came by.
    pub(crate) fn handle(&self) -> Option<u32> {
        self.pin.as_ref().map(Pin::value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::Dispatch;

    fn table_with(count: u32) -> HandleTable {
        let table = HandleTable::new();
        for id in 0..count {
            let reserved = table.reserve().expect("the table is empty");
            reserved.publish(Arc::new(Object::for_test(u64::from(id), Dispatch::event(false, false))));
        }
        table
    }

    #[test]
    fn values_count_up_and_the_lowest_free_one_is_reissued() {
        let table = table_with(4);
        assert!([0x1000, 0x1004, 0x1008, 0x100C].iter().all(|value| table.resolve(*value).is_some()));
        drop(table.close(0x1008, false));
        drop(table.close(0x1004, false));
        assert!(table.close(0x1004, false).is_none(), "closed once");
        let values = [0x1004, 0x1008, 0x1010];
        assert_eq!(values.map(|_| table.reserve().map(|reserved| reserved.value())), values.map(Some));
    }

    #[test]
    fn a_pinned_value_is_held_back() {
        let table = table_with(2);
        let pinned = table.resolve(0x1004).expect("it is open");
        drop(table.close(0x1004, false));
        assert!(table.resolve(0x1004).is_none());
        assert_eq!(table.reserve().map(|reserved| reserved.value()), Some(0x1008));
        drop(pinned);
        assert_eq!(table.reserve().map(|reserved| reserved.value()), Some(0x1004));
    }

    #[test]
    fn the_last_name_of_an_object_is_held_back_until_nobody_uses_it() {
        let table = table_with(1);
        let (name, twin) = (0x1000, table.reserve().expect("it is the second"));
        twin.publish(table.resolve(name).expect("it is open").object);
        let in_flight = table.resolve(0x1004).expect("it is open");
        drop(table.close(0x1004, false));
        let Pinned { object, pin } = table.close(name, false).expect("it is open");
        object.lock(&ppc::Memory::new()).keep_name(pin);
        drop(object);
        assert_eq!(table.reserve().map(|reserved| reserved.value()), Some(0x1008), "both are held back");
        drop(in_flight);
        let reissued = [0x1000, 0x1004];
        assert_eq!(reissued.map(|_| table.reserve().map(|reserved| reserved.value())), reissued.map(Some));
    }

    #[test]
    fn the_fault_reissues_a_pinned_value() {
        let table = table_with(2);
        let _pinned = table.resolve(0x1004).expect("it is open");
        drop(table.close(0x1004, true));
        assert_eq!(table.reserve().map(|reserved| reserved.value()), Some(0x1004));
        assert_eq!(table.reserve().map(|reserved| reserved.value()), Some(0x1008), "freed once");
    }

    #[test]
    fn values_that_were_never_issued_resolve_to_nothing() {
        let table = table_with(1);
        for handle in [0, 4, 0xFFF, 0x1001, 0x1004, 0x8200_0000, CURRENT_PROCESS, CURRENT_THREAD] {
            assert!(table.resolve(handle).is_none(), "{handle:#x}");
            assert_eq!(table.while_unresolved(handle, || 1), Some(1));
        }
        let reserved = table.reserve().expect("one value is in use");
        assert_eq!(table.while_unresolved(reserved.value(), || 1), None, "an object is being made");
    }
}
