//! A bounded single-producer single-consumer (SPSC) ring of `Copy` records.
//!
//! ```text
//!             write slots            tail (Release)
//!  Producer ──────────────▶ slots ◀────────────────── Consumer
//!             head (Acquire)          read slots, then release
//! ```
//!
//! # Guarantees
//!
//! - One [`Producer`] and one [`Consumer`] to a ring; neither can be cloned or shared, both can be sent to
//!   another thread. A second of either does not compile.
//! - Pushing and reading never block, allocate, make a system call or take a lock, and use no
//!   read-modify-write and no fence: plain loads, plain stores, one Release store to publish.
//! - A record that was published is read whole, in the order of publication, exactly once.
//! - A full ring refuses the newest record and gives it back: [`Full`].
//! - Several records can be published by one store ([`Producer::push_all`]); the consumer sees all or none.
//!
//! # What it does not do
//!
//! - It does not wake the consumer. Whoever drains it looks from time to time.
//! - Dropping one end says nothing to the other. What was published stays readable.
//! - Records are `Copy`: nothing is dropped, so nothing is owed to a record that is never read.
//!
//! Positions are `u64` and count records since the ring began; they compare by wrapping subtraction, so a ring
//! may begin at any position ([`ring_from`]) and pass the wrap-around.
//!
//! [`line_ring`] is the same in memory that the caller lends, such as a mapped file: its lines check themselves, so
//! that what a killed process had published can be read afterwards.
//!
//! Beside the ring there is what else of recording and draining takes unsafe code: [`Direct`], [`is_set`], [`Cells`],
//! [`fetch`].
//!
//! With `--cfg loom` both rings run on loom's atomics and cells; with `--cfg shuttle` [`ring`] runs on shuttle's.

mod hot;
mod line;
mod planted;
mod ring;
mod shim;

pub use hot::{CELLS, Cells, Direct, fetch, is_set};
pub use line::{
    CONTROL_WORDS, Damaged, FIRST_NOTE_WORD, HEAD_WORD, LINE_WORDS, Line, LineConsumer, LineProducer,
    NOTE_WORDS, PAYLOAD_WORDS, Payload, Seal, SharedWords, TAIL_WORD, line_ring,
};
#[doc(hidden)]
pub use planted::is_planted;
pub use ring::{Consumer, Full, Producer, ring, ring_from};

/// A second producer does not compile:
///
/// ```compile_fail
/// let (producer, _consumer) = spsc_ring::ring::<u64>(8);
/// let _second = producer.clone();
/// ```
///
/// Nor does a producer shared between threads:
///
/// ```compile_fail
/// let (producer, _consumer) = spsc_ring::ring::<u64>(8);
/// fn share<T: Sync>(_: &T) {}
/// share(&producer);
/// ```
///
/// It can be sent:
///
/// ```
/// let (mut producer, mut consumer) = spsc_ring::ring::<u64>(8);
/// std::thread::spawn(move || producer.push(7)).join().unwrap().unwrap();
/// assert_eq!(consumer.look(), 1);
/// assert_eq!(consumer.get(0), 7);
/// ```
#[cfg(doctest)]
#[derive(Debug)]
pub struct MisuseDoesNotCompile;
