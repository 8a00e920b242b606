//! What memory alone costs a fold: for each event, read and write the head of a trail and write one entry of it, with
//! nothing else to do and with the addresses known in advance.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::workload::{Spread, indices};

/// Events whose memory is fetched together, as the fold does it.
const BATCH: usize = 64;

/// Entries of a trail with three full lists.
const FULL: usize = 3 * 40;

/// Entries of all trails: with a million handles the benchmark's trails are not full.
const ALL: usize = 1 << 24;

/// As much memory as that many trails take, and the order in which events come to them.
#[derive(Debug)]
pub struct Memory {
    heads: Vec<[u64; 8]>,
    entries: Vec<[u64; 4]>,
    entries_of_one: usize,
    order: Vec<u32>,
    next: usize,
}

impl Memory {
    /// The memory of so many trails with full lists.
    #[must_use]
    pub fn new(handles: u32) -> Self {
        let order = indices(handles, Spread::Uniform, 1 << 20);
        let handles = handles as usize;
        let entries_of_one = (ALL / handles).min(FULL);
        let entries = vec![[1; 4]; handles * entries_of_one];
        Self { heads: vec![[1; 8]; handles], entries, entries_of_one, order, next: 0 }
    }

    /// The time that the memory of `events` events takes, and how many there were: whole batches.
    pub fn walk(&mut self, events: usize) -> (Duration, usize) {
        let batches = events.div_ceil(BATCH);
        let begin = Instant::now();
        for _ in 0..batches {
            self.batch();
        }
        (begin.elapsed(), batches * BATCH)
    }

    fn batch(&mut self) {
        if self.next + BATCH > self.order.len() {
            self.next = 0;
        }
        let batch = &self.order[self.next..self.next + BATCH];
        self.next += BATCH;
        let touched = batch.iter().fold(0, |sum, trail| sum ^ self.heads[*trail as usize][0]);
        let places: [usize; BATCH] = std::array::from_fn(|event| {
            let trail = batch[event] as usize;
            trail * self.entries_of_one + self.heads[trail][1] as usize % self.entries_of_one
        });
        black_box(places.iter().fold(touched, |sum, place| sum ^ self.entries[*place][0]));
        for (trail, place) in batch.iter().zip(places) {
            let head = &mut self.heads[*trail as usize];
            head[1] = head[1].wrapping_add(7);
            self.entries[place] = [head[1]; 4];
        }
    }
}
