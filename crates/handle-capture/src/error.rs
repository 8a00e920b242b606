//! Why a capture cannot be made or read.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A capture cannot be made, or a file cannot be used as one.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The operating system refused.
    #[error("{path}: {action}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The space asked for does not hold a capture.
    #[error(
        "a capture of {max_bytes} bytes is too small: with {rings} rings of {ring_capacity} records and what is \
         attached it needs {needed}"
    )]
    TooSmall {
        /// The bound that was given.
        max_bytes: u64,
        /// Rings.
        rings: usize,
        /// Records a ring holds.
        ring_capacity: usize,
        /// The least that would do.
        needed: u64,
    },
    /// More than a capture can describe.
    #[error(
        "a capture of {rings} rings of {ring_capacity} records cannot be made: at most {max_rings} of {max_capacity}"
    )]
    TooLarge {
        /// Rings asked for.
        rings: usize,
        /// Records a ring should hold.
        ring_capacity: usize,
        /// Most rings.
        max_rings: usize,
        /// Most records in a ring.
        max_capacity: usize,
    },
    /// Something is at the path that a new capture does not replace.
    #[error("{}: not replaced: {reason}; remove it, or choose another name", path.display())]
    NotReplaced {
        /// The path.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// The file is not a capture, or nothing of it can be recognised.
    #[error("not a capture: no section of one in {length} bytes")]
    NotACapture {
        /// Length of the file.
        length: u64,
    },
    /// A capture of a later format.
    #[error("capture format {found} is unknown: this program reads format {known}")]
    UnknownVersion {
        /// The file's format.
        found: u32,
        /// The only one known here.
        known: u32,
    },
    /// An attachment does not fit.
    #[error("attachment {name:?} of {bytes} bytes does not fit: {room} are left")]
    AttachmentTooLarge {
        /// Its name.
        name: String,
        /// Its length.
        bytes: usize,
        /// What would fit.
        room: u64,
    },
    /// The process is a forked child of the one that writes the capture.
    #[error("this process is a forked child: the capture belongs to its parent")]
    Forked,
    /// The drain could not write any more; what it folded afterwards is in memory only.
    #[error("{}: the capture ends early: {reason}", path.display())]
    Incomplete {
        /// The capture.
        path: PathBuf,
        /// What the system said when it refused.
        reason: String,
    },
}

impl CaptureError {
    pub(crate) fn io(path: &std::path::Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), action, source }
    }
}
