//! A file mapped shared, as words that other processes may read.

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use once_cell::sync::OnceCell;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use rustix::mm::Advice;
use rustix::process::{Resource, getrlimit};

use crate::crash;
use crate::guard::{self, Range};

const WORD: u64 = size_of::<AtomicU64>() as u64;

/// Reserves the first `bytes` of a file, so that no later write to them can fail for want of space.
///
/// # Errors
///
/// What the operating system says, `ENOSPC` above all: at once if the file system has less space than that, so that a
/// reservation that must fail does not fill it for a while. `EFBIG` if the process may not have files so long. A file
/// system that cannot reserve is told to write zeros.
pub fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    // Going beyond this limit would not fail, but raise SIGXFSZ.
    if getrlimit(Resource::Fsize).current.is_some_and(|limit| bytes > limit) {
        return Err(Errno::FBIG.into());
    }
    let space = rustix::fs::fstatvfs(file)?;
    let missing = bytes.saturating_sub(file.metadata()?.len());
    if missing > space.f_bavail.saturating_mul(space.f_frsize) {
        return Err(Errno::NOSPC.into());
    }
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP) => write_zeros(file, bytes),
        Err(error) => Err(error.into()),
    }
}

fn write_zeros(file: &File, bytes: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let zeros = vec![0; 1 << 20];
    let mut at = file.metadata()?.len();
    while at < bytes {
        let count = zeros.len().min((bytes - at) as usize);
        file.write_all_at(&zeros[..count], at)?;
        at += count as u64;
    }
    Ok(())
}

/// One page that a forked child finds wiped.
#[derive(Debug)]
struct OwnerPage(MmapRaw);

impl OwnerPage {
    fn new() -> io::Result<Self> {
        let page = MmapRaw::from(MmapOptions::new().len(size_of::<AtomicU64>()).map_anon()?);
        // SAFETY: the address and the length are those of a private anonymous mapping that this function has just
        // made and that nobody else knows. WIPEONFORK changes nothing in this process.
        unsafe {
            rustix::mm::madvise(page.as_mut_ptr().cast(), page.len(), Advice::LinuxWipeOnFork)?;
        }
        let owner = Self(page);
        owner.word().store(1, Ordering::Relaxed);
        Ok(owner)
    }

    fn word(&self) -> &AtomicU64 {
        // SAFETY: the page is mapped readable and writable as long as `self` lives, in this process and in its
        // children; it is aligned to a page and longer than a word, and all access to it goes through this atomic.
        unsafe { &*self.0.as_ptr().cast::<AtomicU64>() }
    }

    fn is_ours(&self) -> bool {
        self.word().load(Ordering::Relaxed) == 1
    }
}

/// The first words of a file, mapped shared.
///
/// What is stored there outlives the process, whatever ends it, and other processes see it at once. A forked child
/// does not have the mapping: for it, [`words`](Self::words) says so.
///
/// # What it does not do
///
/// If another process cuts the file short, the next access raises SIGBUS, unless the mapping is guarded
/// ([`guard`](Self::guard)). Reserve the space first ([`reserve`]), or a full disk does the same.
#[derive(Debug)]
pub struct SharedMapping {
    map: ManuallyDrop<MmapRaw>,
    owner: OwnerPage,
    guarded: OnceCell<&'static Range>,
}

impl SharedMapping {
    /// Maps the first `bytes` of a file that is open for reading and writing.
    ///
    /// # Errors
    ///
    /// What the operating system says; `InvalidInput` if `bytes` is 0, not a whole number of words, or more than the
    /// file has.
    pub fn new(file: &File, bytes: u64) -> io::Result<Self> {
        let length = file.metadata()?.len();
        if bytes == 0 || !bytes.is_multiple_of(WORD) || bytes > length {
            let text = format!("cannot map {bytes} bytes of a file of {length} as whole words");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let map = MmapOptions::new().len(bytes as usize).map_raw(file)?;
        // SAFETY: the address and the length are those of a mapping that this function has just made and that nobody
        // else knows. DONTFORK changes nothing in this process.
        unsafe { rustix::mm::madvise(map.as_mut_ptr().cast(), map.len(), Advice::LinuxDontFork)? };
        Ok(Self { map: ManuallyDrop::new(map), owner: OwnerPage::new()?, guarded: OnceCell::new() })
    }

    /// From now on, a part that the file does not have any more reads as zeros and takes what is stored, for this
    /// process alone, instead of raising SIGBUS: [`is_lost`](Self::is_lost) tells. It takes a handler of SIGBUS, which
    /// passes on what is none of its business.
    ///
    /// # Errors
    ///
    /// What the operating system says; also if 64 mappings are guarded already.
    pub fn guard(&self) -> io::Result<()> {
        crash::install_once()?;
        let addresses = || guard::guard(self.map.as_ptr() as usize, self.map.len());
        self.guarded.get_or_try_init(addresses).map(|_| ())
    }

    /// Whether the file was cut short and the mapping, which is guarded, went on without it.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.guarded.get().is_some_and(|range| range.is_lost())
    }

    /// The words; nothing in a forked child of the process that made the mapping.
    #[must_use]
    #[inline]
    pub fn words(&self) -> Option<&[AtomicU64]> {
        if !self.is_ours() {
            return None;
        }
        let count = self.map.len() / size_of::<AtomicU64>();
        // SAFETY: this is the process that made the mapping, so it is there until `self` is dropped, readable and
        // writable, aligned to a page, `count` words long. Atomics may be written by others at any time, other
        // processes included, and any bits are a valid `AtomicU64`; nothing in this process reaches the memory other
        // than through these atomics.
        Some(unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast::<AtomicU64>(), count) })
    }

    /// Whether this is the process that made the mapping, and not a forked child of it.
    #[must_use]
    #[inline]
    pub fn is_ours(&self) -> bool {
        self.owner.is_ours()
    }
}

impl Drop for SharedMapping {
    fn drop(&mut self) {
        // A forked child does not have the mapping: at its address there may be something else by now.
        if self.is_ours() {
            if let Some(range) = self.guarded.get() {
                range.release();
            }
            // SAFETY: dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.map) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_stands_in_the_file() {
        let file = tempfile::tempfile().unwrap();
        reserve(&file, 8192).unwrap();
        let mapping = SharedMapping::new(&file, 4096).unwrap();
        let words = mapping.words().unwrap();
        assert_eq!(words.len(), 512);
        words[511].store(0x0102_0304_0506_0708, Ordering::Relaxed);
        let mut bytes = [0; 8];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, 511 * 8).unwrap();
        assert_eq!(u64::from_le_bytes(bytes), 0x0102_0304_0506_0708);
    }

    #[test]
    fn a_mapping_beyond_the_file_or_of_half_words_is_refused() {
        let file = tempfile::tempfile().unwrap();
        reserve(&file, 4096).unwrap();
        for bytes in [0, 12, 8192] {
            assert_eq!(SharedMapping::new(&file, bytes).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn reserving_more_than_there_is_fails_at_once() {
        let file = tempfile::tempfile().unwrap();
        let error = reserve(&file, 1 << 60).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.metadata().unwrap().len(), 0, "nothing was taken for a while");
    }

    #[test]
    fn a_file_that_is_cut_short_under_a_guarded_mapping_is_noticed_and_nothing_more() {
        let file = tempfile::tempfile().unwrap();
        reserve(&file, 4 * 4096).unwrap();
        let mapping = SharedMapping::new(&file, 4 * 4096).unwrap();
        mapping.guard().unwrap();
        let words = mapping.words().unwrap();
        words.iter().for_each(|word| word.store(7, Ordering::Relaxed));
        file.set_len(4096 + 100).unwrap();
        assert!(!mapping.is_lost());
        let at = |index: usize| words[index].load(Ordering::Relaxed);
        assert_eq!((at(0), at(511), at(3 * 512)), (7, 7, 0));
        assert!(mapping.is_lost());
        words[3 * 512].store(8, Ordering::Relaxed);
        assert_eq!((at(3 * 512), at(2 * 512)), (8, 0));
    }

    #[test]
    fn a_forked_child_has_no_words() {
        let file = tempfile::tempfile().unwrap();
        reserve(&file, 4096).unwrap();
        let mapping = SharedMapping::new(&file, 4096).unwrap();
        assert!(mapping.is_ours());
        // SAFETY: the child only loads an atomic and leaves without running anything of the parent's: both are
        // allowed after a fork of a process with threads.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let code = if mapping.words().is_none() && !mapping.is_ours() { 7 } else { 1 };
            // SAFETY: ends the child at once, without destructors.
            unsafe { libc::_exit(code) };
        }
        let mut status = 0;
        // SAFETY: `status` is a live integer, and `child` is this process's own child.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7, "{status:#x}");
        assert!(mapping.words().is_some(), "the parent keeps them");
    }
}
