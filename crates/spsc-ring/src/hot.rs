//! What a path of few instructions needs of shared memory, where the compiler spends one instruction more than the
//! processor needs: it never joins the load of an atomic with the comparison that uses it.
//!
//! On x86-64 these are a few instructions of assembly, elsewhere what the standard library has. Model checkers have
//! atomics of their own, and sanitizers do not see what assembly reads: the caller's tests must do without it.

use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
#[cfg(not(all(target_arch = "x86_64", target_pointer_width = "64")))]
use std::sync::atomic::Ordering;
use std::sync::atomic::{AtomicBool, AtomicU64};

use crate::shim::Arc;

/// A shared value by its own address. An `Arc` has the address of its counts, to which each use adds the distance to the
/// value.
pub struct Direct<T> {
    value: NonNull<T>,
    /// Keeps the value alive.
    _owner: Arc<T>,
}

// SAFETY: it is an `Arc` and an address of what the `Arc` shares, and gives out shared references only.
unsafe impl<T: Send + Sync> Send for Direct<T> {}

// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Direct<T> {}

impl<T> Direct<T> {
    /// The value that `owner` shares.
    #[must_use]
    pub fn new(owner: Arc<T>) -> Self {
        Self { value: NonNull::from(&*owner), _owner: owner }
    }
}

impl<T> Deref for Direct<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the address is that of the owner's value, which does not move and lives as long as the owner. Nobody
        // has a mutable reference to it: that takes an `Arc` which nobody shares, and the owner is not given out.
        unsafe { self.value.as_ref() }
    }
}

impl<T: fmt::Debug> fmt::Debug for Direct<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Numbers of one cache line.
pub const CELLS: usize = 8;

/// Whether a flag is set: a Relaxed load.
#[inline(always)]
#[must_use]
pub fn is_set(flag: &AtomicBool) -> bool {
    #[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
    // SAFETY: reads one byte that the reference keeps alive; aligned loads of a byte are atomic. What it jumps to is
    // the end of this function. No stack is used.
    unsafe {
        std::arch::asm!(
            "cmp byte ptr [{flag}], 0",
            "je {off}",
            flag = in(reg) flag.as_ptr(),
            off = label { return false },
            options(readonly, nostack),
        );
        true
    }
    #[cfg(not(all(target_arch = "x86_64", target_pointer_width = "64")))]
    flag.load(Ordering::Relaxed)
}

/// Numbers that are each the bits of a positive, finite, ordinary `f64`, in one cache line.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Cells(pub [AtomicU64; CELLS]);

impl Cells {
    /// The largest number, for such numbers compare as their bits do: eight Relaxed loads.
    ///
    /// On x86-64 two numbers are read at a time. A number that the same thread wrote a few cycles before is not
    /// forwarded to such a load, which then waits until the cache has it.
    #[inline(always)]
    #[must_use]
    pub fn largest(&self) -> u64 {
        #[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
        {
            // Where the line is the second of what holds it, that is an address which the caller has at hand.
            let line_before = std::ptr::from_ref(self).cast::<u8>().wrapping_sub(64);
            let largest: f64;
            // SAFETY: reads the 64 bytes of the line, which the reference keeps alive, at their own addresses and
            // nowhere else. Each of the four loads is of sixteen aligned bytes, and every processor reads an aligned
            // word of such a load at once: those with AVX all sixteen bytes, those before them in halves. That is
            // practice more than promise, and it takes less than it: nothing rests on words of one line being read
            // together. No stack is used. Bits of no ordinary number give some number, and nothing worse.
            unsafe {
                std::arch::asm!(
                    "movapd {largest}, xmmword ptr [{line_before} + 64]",
                    "maxpd {largest}, xmmword ptr [{line_before} + 80]",
                    "maxpd {largest}, xmmword ptr [{line_before} + 96]",
                    "maxpd {largest}, xmmword ptr [{line_before} + 112]",
                    "pshufd {other}, {largest}, 0xEE",
                    "maxsd {largest}, {other}",
                    line_before = in(reg) line_before,
                    largest = out(xmm_reg) largest,
                    other = out(xmm_reg) _,
                    options(readonly, nostack),
                );
            }
            largest.to_bits()
        }
        #[cfg(not(all(target_arch = "x86_64", target_pointer_width = "64")))]
        self.0.iter().map(|cell| cell.load(Ordering::Relaxed)).fold(0, u64::max)
    }

    /// Says that this thread will write a cell soon: the line may come from another processor meanwhile, which takes
    /// longer than all else of a record.
    #[inline(always)]
    pub fn fetch(&self) {
        fetch_line(self);
    }
}

/// Says that this thread will write to the cache line where a value begins. Nothing but time depends on it, and nothing
/// waits for it.
#[inline(always)]
pub fn fetch<T>(value: &T) {
    fetch_line(value);
}

/// The same for any address.
#[inline(always)]
pub(crate) fn fetch_line<T>(line: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which faults on no address and changes no memory; processors that do not know it pass over it.
    unsafe {
        std::arch::asm!("prefetchw [{line}]", line = in(reg) line, options(readonly, nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIRST: u64 = 1f64.to_bits();
    const LAST: u64 = f64::MAX.to_bits();

    fn largest(numbers: [u64; CELLS]) -> u64 {
        Cells(numbers.map(AtomicU64::new)).largest()
    }

    #[test]
    fn a_flag_is_seen_as_it_stands() {
        let flag = AtomicBool::new(false);
        assert!(!is_set(&flag));
        flag.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(is_set(&flag));
        let flags = [true, false, true].map(AtomicBool::new);
        assert_eq!(flags.each_ref().map(is_set), [true, false, true], "one byte each");
    }

    #[test]
    fn the_largest_is_found_in_every_cell_and_up_to_the_last_number() {
        for number in [FIRST, FIRST + 1, FIRST + (1 << 52) - 1, FIRST + (1 << 52), 1 << 62, LAST - 1] {
            for place in 0..CELLS {
                let mut numbers = [number; CELLS];
                assert_eq!(largest(numbers), number);
                numbers[place] = number + 1;
                assert_eq!(largest(numbers), number + 1, "in cell {place}");
                numbers = [FIRST; CELLS];
                numbers[place] = number;
                assert_eq!(largest(numbers), number, "alone in cell {place}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_largest_is_that_of_the_numbers(numbers: [u64; CELLS], close: bool) {
            let range = if close { 3 } else { LAST - FIRST };
            let numbers = numbers.map(|number| FIRST + number % (range + 1));
            prop_assert_eq!(largest(numbers), numbers.into_iter().max().unwrap());
        }
    }

    #[test]
    fn a_direct_address_is_that_of_the_value_and_keeps_it() {
        let owner = Arc::new([7_u64, 8]);
        let direct = Direct::new(owner.clone());
        assert!(std::ptr::eq(&*direct, &*owner));
        drop(owner);
        let direct = std::thread::spawn(move || {
            assert_eq!(*direct, [7, 8]);
            direct
        })
        .join()
        .unwrap();
        assert_eq!(format!("{direct:?}"), "[7, 8]");
    }
}
