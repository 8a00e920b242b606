//! Tests that need more than the public interface: the steps of a record, the steps of a pass, the order of the
//! fold.

#[cfg(not(loom))]
mod agree;
#[cfg(not(loom))]
mod bounds;
#[cfg(not(loom))]
mod differential;
#[cfg(loom)]
mod loom_lock;
#[cfg(loom)]
mod loom_models;
#[cfg(not(loom))]
mod model;
#[cfg(not(loom))]
mod stress;
#[cfg(not(loom))]
mod thaw;
#[cfg(not(loom))]
mod world;
