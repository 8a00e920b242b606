//! Bytes to read a capture from: a file that may still be written to, or memory.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Somewhere to read from. What cannot be read is missing, not an error: recovery goes on with the rest.
pub(crate) trait Source: fmt::Debug {
    /// How many bytes there are.
    fn length(&self) -> u64;

    /// Whether a process still writes it, so that reading it again may give something else.
    fn is_written(&self) -> bool;

    /// Up to `count` bytes from `at` on; fewer where there are no more.
    fn read(&self, at: u64, count: usize) -> Vec<u8>;
}

/// A file, as long as it was when it was opened.
#[derive(Debug)]
pub(crate) struct FileSource {
    pub(crate) file: File,
    pub(crate) length: u64,
}

impl Source for FileSource {
    fn length(&self) -> u64 {
        self.length
    }

    /// A writer holds a lock as long as it lives.
    fn is_written(&self) -> bool {
        matches!(self.file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    fn read(&self, at: u64, count: usize) -> Vec<u8> {
        let count = count.min(self.length.saturating_sub(at) as usize);
        let mut bytes = Vec::with_capacity(count);
        // What came before an error is read.
        let _ = From { file: &self.file, at }.take(count as u64).read_to_end(&mut bytes);
        bytes
    }
}

/// A file from an offset on, whatever its cursor.
struct From<'a> {
    file: &'a File,
    at: u64,
}

impl Read for From<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(into, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Source for &[u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn is_written(&self) -> bool {
        false
    }

    fn read(&self, at: u64, count: usize) -> Vec<u8> {
        let rest = usize::try_from(at).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        rest[..count.min(rest.len())].to_vec()
    }
}
