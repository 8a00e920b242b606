//! Objects that the guest knows by the address of their dispatcher header.

use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;

use crate::object::Object;
use crate::sync::Lock;

const SHARDS: usize = 64;

/// A map from addresses to objects, in shards so that calls on different objects rarely meet.
#[derive(Debug)]
pub(crate) struct ObjectsInMemory([Mutex<FxHashMap<u32, Arc<Object>>>; SHARDS]);

impl Default for ObjectsInMemory {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl ObjectsInMemory {
    pub(crate) fn get(&self, address: u32) -> Option<Arc<Object>> {
        self.shard(address).locked().get(&address).cloned()
    }

    /// Puts `object` in the place of whatever was known at `address`.
    pub(crate) fn insert(&self, address: u32, object: Arc<Object>) {
        self.shard(address).locked().insert(address, object);
    }

    /// The object at `address`: the one that is known, if it passes `fits`, else a new one. Of several threads that
    /// ask at once, one makes it.
    pub(crate) fn get_or_make(
        &self,
        address: u32,
        fits: impl FnOnce(&Arc<Object>) -> bool,
        make: impl FnOnce() -> Option<Arc<Object>>,
    ) -> Option<Arc<Object>> {
        let mut shard = self.shard(address).locked();
        if let Some(known) = shard.get(&address).filter(|known| fits(known)) {
            return Some(known.clone());
        }
        let object = make()?;
        shard.insert(address, object.clone());
        Some(object)
    }

    /// Forgets whatever is known at `address`. Gives it.
    pub(crate) fn take(&self, address: u32) -> Option<Arc<Object>> {
        self.shard(address).locked().remove(&address)
    }

    /// Forgets `object`, if it is still what is known at `address`.
    pub(crate) fn remove(&self, address: u32, object: &Arc<Object>) {
        let mut shard = self.shard(address).locked();
        if shard.get(&address).is_some_and(|known| Arc::ptr_eq(known, object)) {
            shard.remove(&address);
        }
    }

    /// Headers are 16 bytes or more apart.
    fn shard(&self, address: u32) -> &Mutex<FxHashMap<u32, Arc<Object>>> {
        &self.0[(address >> 4) as usize % SHARDS]
    }
}
