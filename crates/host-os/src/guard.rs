//! Mappings that outlive their file: if somebody cuts it short, the lost pages are replaced by empty memory.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use libc::c_void;

/// Mappings guarded at one time, at most.
const MAX_GUARDED: usize = 64;

/// The addresses of one guarded mapping.
#[derive(Debug)]
pub(crate) struct Range {
    /// The first address; 0 if the place is free. Written last by `guard` (Release), read by the handler (Acquire).
    start: AtomicUsize,
    length: AtomicUsize,
    /// Pages of it were replaced. Written by the handler (Release), read by the mapping's owner (Acquire).
    lost: AtomicBool,
}

static RANGES: [Range; MAX_GUARDED] = [const {
    Range { start: AtomicUsize::new(0), length: AtomicUsize::new(0), lost: AtomicBool::new(false) }
}; MAX_GUARDED];

/// Held while a place is taken; never by the handler.
static TAKING: Mutex<()> = Mutex::new(());

/// From now on, the handler replaces pages of these addresses.
pub(crate) fn guard(start: usize, length: usize) -> io::Result<&'static Range> {
    let _taking = TAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let free = RANGES.iter().find(|range| range.start.load(Ordering::Relaxed) == 0);
    let range =
        free.ok_or_else(|| io::Error::other(format!("{MAX_GUARDED} mappings are guarded already")))?;
    range.length.store(length, Ordering::Relaxed);
    range.lost.store(false, Ordering::Relaxed);
    range.start.store(start, Ordering::Release);
    Ok(range)
}

impl Range {
    /// Whether pages of it were replaced.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Gives the place back, before the mapping goes.
    pub(crate) fn release(&self) {
        self.start.store(0, Ordering::Release);
    }

    /// Bytes from the page of `address` to the end, if it lies in here.
    fn rest(&self, address: usize, page: usize) -> Option<(usize, usize)> {
        let start = self.start.load(Ordering::Acquire);
        let length = self.length.load(Ordering::Relaxed);
        let inside = start != 0 && (start..start + length).contains(&address);
        let first = address & !(page - 1);
        inside.then(|| (first, start + length - first))
    }
}

/// Replaces the page of `address` and all after it, if they belong to a guarded mapping. Says whether it did: then
/// the access that failed can be made again. Called by the handler of SIGBUS.
pub(crate) fn replace(address: usize) -> bool {
    let page = rustix::param::page_size();
    let found = RANGES.iter().find_map(|range| Some((range, range.rest(address, page)?)));
    let Some((range, (first, length))) = found else { return false };
    // SAFETY: `first` to `first + length` are pages of a mapping that is alive: its owner takes it out of the table
    // before it goes. It is only reached through atomics, for which zeros are as good as any bits. `mmap` is one
    // system call, and so may be made in a handler.
    let replaced = unsafe {
        libc::mmap(
            first as *mut c_void,
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    range.lost.store(true, Ordering::Release);
    replaced != libc::MAP_FAILED
}
