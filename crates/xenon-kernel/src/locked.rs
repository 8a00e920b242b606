//! Several objects, locked together.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::context::{By, Context};
use crate::object::{Object, ObjectGuard};
use crate::state::State;
use crate::sync::Lock;
use crate::wait::WaitBlock;

type Objects = SmallVec<[Arc<Object>; 4]>;

/// The locks of several objects, taken in the order of their ids, and the threads to let run when they are released.
#[derive(Debug)]
pub(crate) struct Locked<'a> {
    guards: SmallVec<[ObjectGuard<'a>; 4]>,
    released: SmallVec<[Arc<WaitBlock>; 2]>,
}

impl<'a> Locked<'a> {
    /// Locks `objects`, which are sorted and distinct.
    fn new(objects: &'a [Arc<Object>], cx: &Context<'a>) -> Self {
        objects.iter().for_each(|object| cx.expect_record(object));
        let guards = objects.iter().map(|object| object.lock(&cx.kernel.memory)).collect();
        Self { guards, released: SmallVec::new() }
    }

    /// The state of one of the locked objects.
    ///
    /// # Panics
    ///
    /// If it is not among them, which would be an error of this kernel.
    #[inline]
    pub(crate) fn get(&mut self, object: &Arc<Object>) -> &mut State {
        let place = self.guards.binary_search_by_key(&object.id, ObjectGuard::id);
        &mut self.guards[place.expect("every object that an operation touches is locked")]
    }

    /// Lets the thread of an ended wait run once the locks are released.
    pub(crate) fn release(&mut self, block: Arc<WaitBlock>) {
        self.released.push(block);
    }

    /// What the waiters of `object` wait for besides and is not locked.
    fn partners_missing(&mut self, object: &Arc<Object>) -> Objects {
        let state = self.get(object);
        if !state.has_shared_waiters() {
            return Objects::new();
        }
        let waiters = state.waiters().clone();
        let members = waiters.iter().flat_map(|block| &block.members);
        let is_locked = |id: u64| self.guards.binary_search_by_key(&id, ObjectGuard::id).is_ok();
        members.filter(|member| !is_locked(member.object.id)).map(|member| member.object.clone()).collect()
    }
}

fn sort(objects: &mut Objects) {
    objects.sort_by_key(|object| object.id);
    objects.dedup_by_key(|object| object.id);
}

impl Context<'_> {
    /// Runs `f` with `objects` locked, then lets run whom it let go.
    pub(crate) fn with_locked<R>(
        &mut self,
        objects: impl IntoIterator<Item = Arc<Object>>,
        f: impl FnOnce(&mut Self, &mut Locked<'_>) -> R,
    ) -> R {
        let mut objects: Objects = objects.into_iter().collect();
        sort(&mut objects);
        let mut locked = Locked::new(&objects, self);
        let result = f(self, &mut locked);
        self.unlock(locked);
        result
    }

    /// The same, with all locked besides that the waiters of `object` wait for: what signals `object` may have to take
    /// from those too. The set is found under the lock of `object`, which has to be let go to take the others in order;
    /// it is looked at again afterwards.
    pub(crate) fn with_partners<R>(
        &mut self,
        object: &Arc<Object>,
        others: impl IntoIterator<Item = Arc<Object>>,
        f: impl FnOnce(&mut Self, &mut Locked<'_>) -> R,
    ) -> R {
        let mut objects: Objects = others.into_iter().chain([object.clone()]).collect();
        loop {
            sort(&mut objects);
            let mut locked = Locked::new(&objects, self);
            let missing = locked.partners_missing(object);
            if missing.is_empty() {
                let result = f(self, &mut locked);
                self.unlock(locked);
                return result;
            }
            drop(locked);
            objects.extend(missing);
        }
    }

    /// Changes one object and lets go whoever can go.
    pub(crate) fn change<R>(
        &mut self,
        object: &Arc<Object>,
        by: By<'_>,
        f: impl FnOnce(&mut Self, &mut State) -> R,
    ) -> R {
        self.with_partners(object, [], |cx, locked| {
            let result = f(cx, locked.get(object));
            cx.wake_eligible_waiters(locked, object, by);
            result
        })
    }

    /// Looks at or changes one object in a way that lets nobody go.
    pub(crate) fn with_state<R>(
        &mut self,
        object: &Arc<Object>,
        f: impl FnOnce(&mut Self, &mut State) -> R,
    ) -> R {
        self.expect_record(object);
        let mut state = object.lock(&self.kernel.memory);
        f(self, &mut state)
    }

    fn unlock(&self, locked: Locked<'_>) {
        let Locked { guards, released } = locked;
        // The headers are true before anybody who was let go can look at them.
        drop(guards);
        for block in released {
            self.let_run(&block);
        }
    }

    /// Makes the thread of an ended wait ready, if it is parked on it. If not, it is still on its way there, or runs a
    /// kernel APC, and looks at the outcome before it parks.
    fn let_run(&self, block: &Arc<WaitBlock>) {
        let mut waiting = block.thread.waiting.locked();
        if waiting.parked_on.as_ref().is_some_and(|parked_on| Arc::ptr_eq(parked_on, block)) {
            waiting.parked_on = None;
            drop(waiting);
            self.kernel.scheduler.make_ready(&block.thread);
        }
    }
}
