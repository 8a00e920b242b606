//! What the benchmarks share: the work, the rivals, and how time is taken.
//!
//! Machines that run these are shared and small, so an absolute time says little. Whatever is compared runs in
//! turns in one process ([`measure::in_turns`]), and what counts is the median of the ratios of each turn.
//!
//! Every candidate is checked before it is timed: a [`pushers::Pusher`] must give back what was pushed, a map must
//! hold what the events say.

#![forbid(unsafe_code)]

pub mod feed;
pub mod footprint;
pub mod goals;
pub mod guests;
pub mod incumbent;
pub mod limits;
pub mod loops;
pub mod measure;
pub mod pushers;
pub mod report;
pub mod runs;
pub mod subscribers;
pub mod threads;
pub mod workload;
