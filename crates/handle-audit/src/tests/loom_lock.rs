//! Models of how a reader comes by a trail: the index and the sequence lock of the store, on loom's atomics.

mod slab {
    pub(super) use loom::sync::atomic::{AtomicU32 as Number, AtomicU64 as Word, fence};

    pub(super) fn numbers<const N: usize>() -> Option<Box<[Number; N]>> {
        let numbers: Box<[_]> = (0..N).map(|_| Number::new(0)).collect();
        numbers.try_into().ok()
    }
}

#[path = "../store/index.rs"]
mod index;
#[path = "../store/lock.rs"]
mod lock;

use std::num::NonZero;

use loom::sync::Arc;
use loom::sync::atomic::Ordering;
use loom::thread;

use crate::store::TrailId;
use index::{Index, Sparse};
use slab::{Number, Word};

#[test]
fn a_copy_of_a_trail_is_whole_or_refused() {
    loom::model(|| {
        let trail: Arc<[Word; 3]> = Arc::new([Word::new(0), Word::new(0), Word::new(0)]);
        let [version, one, other] = &*trail;
        let reader = thread::spawn({
            let trail = trail.clone();
            move || {
                let [version, one, other] = &*trail;
                let words = || Some((one.load(Ordering::Relaxed), other.load(Ordering::Relaxed)));
                if let Some((one, other)) = lock::read(version, words) {
                    assert_eq!(one, other, "words of two changes in one copy");
                }
            }
        });
        for value in 1..=2 {
            lock::change(version, || {
                one.store(value, Ordering::Relaxed);
                other.store(value, Ordering::Relaxed);
            });
        }
        reader.join().unwrap();
        assert_eq!(version.load(Ordering::Relaxed), 4);
    });
}

const HANDLE: u32 = 0xF800_0004;

/// One trail, and the two ways to it.
#[derive(Default)]
struct Trail {
    index: Index,
    count: Number,
    version: Word,
    words: [Word; 3],
}

impl Trail {
    fn copy(&self) -> Option<[u64; 3]> {
        let word = |index: usize| self.words[index].load(Ordering::Relaxed);
        lock::read(&self.version, || Some([word(0), word(1), word(2)]))
    }
}

/// A trail is written and published, as by a create, while a reader may come to it by `find`.
fn written_then_published(find: fn(&Trail) -> Option<TrailId>) {
    loom::model(move || {
        let (trail, mut sparse) = (Arc::new(Trail::default()), Sparse::default());
        assert!(trail.index.ensure(&mut sparse, HANDLE));
        let reader = thread::spawn({
            let trail = trail.clone();
            move || {
                if find(&trail).is_some() {
                    assert_eq!(trail.copy(), Some([7; 3]), "a published trail is whole");
                }
            }
        });
        trail.words.iter().for_each(|word| word.store(7, Ordering::Relaxed));
        trail.index.insert(&mut sparse, HANDLE, 1);
        index::publish(&trail.count, 1);
        reader.join().unwrap();
        assert_eq!(trail.index.find(HANDLE), Some(1));
    });
}

#[test]
fn a_trail_that_is_found_by_its_handle_is_whole() {
    written_then_published(|trail| trail.index.find(HANDLE));
}

/// As by those that go through all trails, or all threads.
#[test]
fn a_trail_that_is_counted_is_whole() {
    written_then_published(|trail| index::in_cell(Some(&trail.count)).map(NonZero::get));
}
