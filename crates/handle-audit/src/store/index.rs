//! From a handle to its trail.
//!
//! Kernel handles come in steps of four from a few bases, so they index tables of cells directly, without a hash and
//! without a lock. Everything else, such as the addresses of objects, is in a sharded map, where a reader holds a
//! shard for the look-up only; the fold has a copy of that map without locks.

use std::num::NonZero;
use std::sync::atomic::Ordering;

use dashmap::DashMap;
use once_cell::race::OnceBox;
use rustc_hash::FxBuildHasher;

use super::TrailId;
// The model checker puts its own in their place.
use super::slab::{Number, numbers};

const CELLS: usize = 1024;

/// Handles that kernels of this family give out begin with 0xF8 or with 0x00. With this subtracted they begin with 0x00
/// or with 0x08: one bit tells them apart, and one test tells both from all others.
const BASE: u32 = 0xF800_0000;
const SECOND: u32 = 1 << 27;

const PAGES_IN_RANGE: usize = (1 << 24) / (4 * CELLS);
const PAGES: usize = 2 * PAGES_IN_RANGE;

/// The trails of 1024 neighbouring handles, 0 for none. Written by the fold (Release), read by readers (Acquire).
type Page = [Number; CELLS];

/// What readers and the fold look handles up in.
#[derive(Debug)]
pub(super) struct Index {
    pages: Box<[OnceBox<Page>; PAGES]>,
    rest: DashMap<u32, TrailId, FxBuildHasher>,
}

impl Default for Index {
    fn default() -> Self {
        let pages: Box<[_]> = (0..PAGES).map(|_| OnceBox::new()).collect();
        let pages = pages.try_into().expect("there are as many as there are to be");
        Self { pages, rest: DashMap::default() }
    }
}

/// The trail of a handle that has one.
pub(super) type Named = NonZero<TrailId>;

/// The page of a handle, and its cell there, if it is one that indexes directly.
#[inline(always)]
fn place(handle: u32) -> Option<(usize, usize)> {
    let offset = handle.wrapping_sub(BASE);
    let cell = offset as usize / 4;
    let page = cell / CELLS % PAGES_IN_RANGE + (offset / SECOND) as usize % 2 * PAGES_IN_RANGE;
    let steps_of_four_in_range = 4 * (CELLS * PAGES_IN_RANGE) as u32 - 4;
    (offset & !(steps_of_four_in_range | SECOND) == 0).then_some((page, cell % CELLS))
}

/// Lets readers see a number. What it stands for is written before.
#[inline(always)]
pub(super) fn publish(number: &Number, value: u32) {
    let relaxed = spsc_ring::planted!("relaxed_trail_publish");
    number.store(value, if relaxed { Ordering::Relaxed } else { Ordering::Release });
}

/// A number as it was published, and with it what it stands for.
#[inline(always)]
pub(super) fn published(number: &Number) -> u32 {
    let relaxed = spsc_ring::planted!("relaxed_trail_look");
    number.load(if relaxed { Ordering::Relaxed } else { Ordering::Acquire })
}

/// The trail that a cell of a page names.
#[inline(always)]
pub(super) fn in_cell(cell: Option<&Number>) -> Option<Named> {
    cell.and_then(|cell| Named::new(published(cell)))
}

impl Index {
    /// The cell of a handle that indexes directly; there is none if nobody near it has a trail.
    #[inline(always)]
    pub(super) fn direct(&self, handle: u32) -> Option<Option<&Number>> {
        let (page, cell) = place(handle)?;
        Some(self.pages[page].get().map(|page| &page[cell]))
    }

    /// The trail of a handle, for readers.
    pub(super) fn find(&self, handle: u32) -> Option<TrailId> {
        match self.direct(handle) {
            Some(cell) => in_cell(cell).map(NonZero::get),
            None => self.rest.get(&handle).map(|id| *id),
        }
    }

    /// Makes room for the name of a handle, or says that there is no memory for it. The shared table of handles that
    /// do not index directly is not asked: it cannot say no.
    pub(super) fn ensure(&self, sparse: &mut Sparse, handle: u32) -> bool {
        let Some((page, _)) = place(handle) else { return sparse.ensure() };
        self.pages[page].get_or_try_init(|| numbers().ok_or(())).is_ok()
    }

    /// Names the trail of a handle that had none. The trail is written before.
    pub(super) fn insert(&self, sparse: &mut Sparse, handle: u32, id: TrailId) {
        match place(handle) {
            Some((page, cell)) => {
                assert!(self.ensure(sparse, handle), "there is memory for a page");
                publish(&self.pages[page].get().expect("it was just made")[cell], id);
            }
            None => {
                sparse.insert(handle, id);
                self.rest.insert(handle, id);
            }
        }
    }
}

/// The fold's own copy of what does not index directly: open addressing, at most half full.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    /// Handle and trail; a trail of 0 is an empty place. The length is 0 or a power of two.
    places: Vec<(u32, TrailId)>,
    len: usize,
}

impl Sparse {
    const FIRST: usize = 64;

    fn probe(places: &[(u32, TrailId)], handle: u32) -> usize {
        let mask = places.len() - 1;
        // The high bits of a product are the mixed ones.
        let mixed = u64::from(handle).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let mut place = mixed as usize & mask;
        while places[place].1 != 0 && places[place].0 != handle {
            place = (place + 1) & mask;
        }
        place
    }

    pub(super) fn find(&self, handle: u32) -> Option<Named> {
        if self.places.is_empty() {
            return None;
        }
        Named::new(self.places[Self::probe(&self.places, handle)].1)
    }

    /// Makes room for one more, or says that there is no memory for it.
    pub(super) fn ensure(&mut self) -> bool {
        if 2 * (self.len + 1) <= self.places.len() {
            return true;
        }
        let (mut larger, length) = (Vec::new(), (2 * self.places.len()).max(Self::FIRST));
        if larger.try_reserve_exact(length).is_err() {
            return false;
        }
        larger.resize(length, (0, 0));
        for (handle, id) in self.places.iter().filter(|(_, id)| *id != 0) {
            let place = Self::probe(&larger, *handle);
            larger[place] = (*handle, *id);
        }
        self.places = larger;
        true
    }

    pub(super) fn insert(&mut self, handle: u32, id: TrailId) {
        assert!(self.ensure(), "there is memory for a name");
        let place = Self::probe(&self.places, handle);
        self.len += usize::from(self.places[place].1 == 0);
        self.places[place] = (handle, id);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_handle_is_found_and_no_other() {
        let (index, mut sparse) = (Index::default(), Sparse::default());
        let handles: Vec<u32> = (0..2000)
            .flat_map(|n| {
                [n * 4, 0xF800_0000 + n * 4, 0x8200_0000 + n * 0x40, n * 4 + 1, 0x00FF_FFFC - n * 4096]
            })
            .collect();
        let mut ids = std::collections::BTreeMap::new();
        for handle in &handles {
            if !ids.contains_key(handle) {
                let id = ids.len() as u32 + 1;
                index.insert(&mut sparse, *handle, id);
                ids.insert(*handle, id);
            }
        }
        for handle in handles.iter().flat_map(|handle| [*handle, handle ^ 2, handle ^ 0x4000_0000]) {
            assert_eq!(index.find(handle), ids.get(&handle).copied(), "{handle:#x}");
            let own = index.direct(handle).map_or_else(|| sparse.find(handle), in_cell);
            assert_eq!(own.map(NonZero::get), ids.get(&handle).copied(), "{handle:#x}");
        }
    }

    #[test]
    fn handles_of_kernels_index_directly() {
        let last = (PAGES_IN_RANGE * CELLS - 1) as u32;
        for (base, first_page) in [(BASE, 0), (0, PAGES_IN_RANGE)] {
            for number in [0, 1, 1023, 1024, 1025, 2048, last] {
                let (page, cell) = (number as usize / CELLS, number as usize % CELLS);
                let handle = base + 4 * number;
                assert_eq!(place(handle), Some((first_page + page, cell)), "{handle:#x}");
            }
            let beyond = base + 4 * (last + 1);
            for other in [base + 1, base + 2, beyond, beyond + 4, base ^ 0x8200_0000] {
                assert_eq!(place(other), None, "{other:#x}");
            }
        }
    }

    #[test]
    fn others_are_spread_over_a_table_that_is_at_most_half_full() {
        let mut sparse = Sparse::default();
        for number in 1..=1000 {
            sparse.insert(0x8200_0000 + number * 0x40, number);
            let length = sparse.places.len();
            assert!(2 * sparse.len <= length && length <= 4 * sparse.len.max(16), "{length} for {number}");
        }
        let empty = vec![(0, 0); 2048];
        let places = (1..=1000).map(|number| Sparse::probe(&empty, 0x8200_0000 + number * 0x40));
        assert!(places.collect::<std::collections::BTreeSet<_>>().len() > 500);
    }
}
