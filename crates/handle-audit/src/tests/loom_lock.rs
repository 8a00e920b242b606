//! Model of a trail's sequence lock: the code of the store, on loom's atomics.

mod slab {
    pub(super) use loom::sync::atomic::{AtomicU64 as Word, fence};
}

#[path = "../store/lock.rs"]
mod lock;

use loom::sync::Arc;
use loom::sync::atomic::Ordering;
use loom::thread;
use slab::Word;

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
