//! What memory alone costs a fold: for each event, read and write the head of a trail and write one entry of it, with
//! nothing else to do. Heads are fetched two batches ahead, entries one, and nothing waits for either.

use std::hint::black_box;
use std::time::{Duration, Instant};

use spsc_ring::fetch;

use crate::workload::{Spread, indices};

/// Events whose memory is fetched together.
const BATCH: usize = 16;

/// Entries of a trail with three full lists.
const FULL: usize = 3 * 40;

/// Entries of all trails: with a million handles the benchmark's trails are not full.
const ALL: usize = 1 << 24;

#[derive(Clone, Debug)]
#[repr(align(64))]
struct Head([u64; 8]);

#[derive(Clone, Debug)]
#[repr(align(32))]
#[expect(dead_code, reason = "an entry is only written")]
struct Entry([u64; 4]);

/// As much memory as that many trails take, and the order in which events come to them.
#[derive(Debug)]
pub struct Memory {
    heads: Vec<Head>,
    entries: Vec<Entry>,
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
        let entries = vec![Entry([1; 4]); handles * entries_of_one];
        Self { heads: vec![Head([1; 8]); handles], entries, entries_of_one, order, next: 0 }
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
        if self.next + 3 * BATCH > self.order.len() {
            self.next = 0;
        }
        let ahead = &self.order[self.next..self.next + 3 * BATCH];
        let (now, ahead) = ahead.split_at(BATCH);
        let (entries, heads) = ahead.split_at(BATCH);
        self.next += BATCH;
        for trail in heads {
            fetch(&self.heads[*trail as usize]);
        }
        for trail in entries {
            fetch(&self.entries[self.place(*trail)]);
        }
        for trail in now {
            let place = self.place(*trail);
            let Head(head) = &mut self.heads[*trail as usize];
            head[1] = head[1].wrapping_add(7);
            self.entries[place] = black_box(Entry([head[1]; 4]));
        }
    }

    /// Where the next entry of a trail goes.
    fn place(&self, trail: u32) -> usize {
        let trail = trail as usize;
        trail * self.entries_of_one + self.heads[trail].0[1] as usize % self.entries_of_one
    }
}
