//! What recorders, the drain and readers have in common.

use crossbeam_queue::ArrayQueue;
use thiserror::Error;

use crate::focus::Focus;
use crate::lane::Lane;
use crate::ledger::{Ledger, OpenGap};
use crate::shim::{Arc, AtomicBool, Ordering};
use crate::stamp::{CELLS, Stamps};
use once_cell::sync::OnceCell;

/// The producer end of a ring together with what must be handed over with it.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) producer: Lane,
    pub(crate) gap: Option<OpenGap>,
}

/// The place of one recorder.
#[derive(Debug)]
pub(crate) struct Place {
    /// Set by `claim` (Acquire), cleared when the recorder is dropped (Release). That pair hands the seat, and
    /// with it the ring's tail and the recorder's cells, from one OS thread to the next.
    claimed: AtomicBool,
    /// The seat while nobody sits in it. Filled at the first enable.
    seat: ArrayQueue<Seat>,
    pub(crate) ledger: Ledger,
}

/// Why a ring could not be claimed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ClaimError {
    /// There is no such ring.
    #[error("there is no ring {ring}: this audit has {rings}, numbered from 0")]
    NoSuchRing {
        /// The ring asked for.
        ring: usize,
        /// How many there are.
        rings: usize,
    },
    /// Another recorder has it.
    #[error("ring {ring} is claimed: drop its recorder first")]
    Claimed {
        /// The ring asked for.
        ring: usize,
    },
    /// Every ring has a recorder.
    #[error("all {rings} rings are claimed: configure more, or drop a recorder")]
    NoneFree {
        /// How many there are.
        rings: usize,
    },
}

/// One focus, and the one that came after it. Recorders walk the chain without a lock; it is as long as the focus
/// was changed often.
#[derive(Debug, Default)]
pub(crate) struct FocusLink {
    pub(crate) focus: Focus,
    pub(crate) next: OnceCell<Arc<FocusLink>>,
}

/// The switch comes first, so that its address is that of the whole.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Shared {
    /// Whether records are taken. Written by enable, disable and shutdown (Release), read by recorders (Relaxed on
    /// the hot path: a late sight only moves the moment of switching).
    pub(crate) on: AtomicBool,
    pub(crate) stamps: Stamps,
    pub(crate) places: Box<[Place]>,
    pub(crate) first_focus: Arc<FocusLink>,
}

impl Shared {
    pub(crate) fn new(rings: usize, focus: Focus) -> Self {
        let place =
            || Place { claimed: AtomicBool::new(false), seat: ArrayQueue::new(1), ledger: Ledger::new() };
        Self {
            on: AtomicBool::new(false),
            stamps: Stamps::new(),
            places: (0..rings).map(|_| place()).collect(),
            first_focus: Arc::new(FocusLink { focus, next: OnceCell::new() }),
        }
    }

    /// More recorders than cells in a stripe: stamps come from one counter per stripe.
    pub(crate) fn counts_shared(&self) -> bool {
        self.places.len() > CELLS
    }

    /// The newest focus, found from any earlier one.
    pub(crate) fn newest_focus(from: &Arc<FocusLink>) -> Arc<FocusLink> {
        let mut link = from;
        while let Some(next) = link.next.get() {
            link = next;
        }
        link.clone()
    }

    /// Appends a focus to the chain.
    pub(crate) fn set_focus(&self, focus: Focus) {
        let mut new = Arc::new(FocusLink { focus, next: OnceCell::new() });
        let mut link = self.first_focus.clone();
        loop {
            link = Self::newest_focus(&link);
            match link.next.try_insert(new) {
                Ok(_) => return,
                Err((_, returned)) => new = returned,
            }
        }
    }
}

impl Place {
    /// Becomes the only recorder of this place.
    pub(crate) fn claim(&self) -> bool {
        let order = if spsc_ring::planted!("stale_cell_on_hand_over") {
            Ordering::Relaxed
        } else {
            Ordering::Acquire
        };
        // Who finds it claimed writes nothing.
        self.claimed.compare_exchange(false, true, order, Ordering::Relaxed).is_ok()
    }

    /// Puts the seat in; at the first enable, and when a recorder goes.
    pub(crate) fn put(&self, seat: Seat) {
        let full = self.seat.push(seat).is_err();
        debug_assert!(!full, "a place has one seat");
    }

    /// Takes the seat, if the audit was enabled by now. The caller has claimed the place.
    pub(crate) fn take(&self) -> Option<Seat> {
        self.seat.pop()
    }

    /// Lets another recorder claim the place.
    pub(crate) fn leave(&self) {
        self.claimed.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_recorders_without_a_cell_of_their_own_share_a_counter() {
        for (rings, shared) in [(1, false), (CELLS, false), (CELLS + 1, true)] {
            assert_eq!(Shared::new(rings, Focus::default()).counts_shared(), shared, "{rings} rings");
        }
    }
}
