//! Tests, and one fuzz target, that need more than the public interface: the steps of a record, the steps of a pass, the order of the
//! fold.

#[cfg(not(loom))]
mod agree;
#[cfg(all(test, not(loom)))]
mod bounds;
#[cfg(all(test, not(loom)))]
mod captured;
#[cfg(not(loom))]
mod causality;
#[cfg(not(loom))]
mod checks;
#[cfg(all(test, not(loom)))]
mod differential;
#[cfg(all(test, not(loom)))]
mod flush;
#[cfg(not(loom))]
pub(crate) mod fold_order;
#[cfg(all(test, not(loom)))]
mod lives;
#[cfg(loom)]
mod loom_lock;
#[cfg(loom)]
mod loom_models;
#[cfg(not(loom))]
mod model;
#[cfg(shuttle)]
mod shuttle_models;
#[cfg(all(test, not(loom)))]
mod stress;
#[cfg(all(test, not(loom)))]
mod thaw;
#[cfg(not(loom))]
mod world;
