//! Everything that keeps the command from its work: what was wrong, where, and what would be right.

use std::io;
use std::path::{Path, PathBuf};

use handle_audit::{BadHandleList, ConfigError, DrainDied, TRACE_HANDLES_VARIABLE};
use handle_capture::CaptureError;
use ppc::{ElfError, SymbolsError};
use thiserror::Error;
use xenon_kernel::MachineError;

use crate::exit::Exit;

/// Why the command gives up.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// Nothing is known of the handle.
    #[error("{}: nothing is known of handle {handle:#x}; `htrail report --all` lists the handles", path.display())]
    UnknownHandle {
        /// The capture.
        path: PathBuf,
        /// The handle asked for.
        handle: u32,
    },
    /// The environment asks for what cannot be read.
    #[error("{TRACE_HANDLES_VARIABLE}: {0}; 0 switches the audit off, 1 on")]
    Variable(#[source] BadHandleList),
    /// The environment holds bytes that are no text.
    #[error("{TRACE_HANDLES_VARIABLE} is not UTF-8; set it to 0, 1, or a list such as 0x1004,0x100c")]
    VariableEncoding,
    /// A file that cannot be read.
    #[error("{}: cannot read {what}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file that is no guest.
    #[error("{}: not a guest: {source}", path.display())]
    Guest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ElfError,
    },
    /// A file that holds no symbols.
    #[error("{}: not a list of symbols: {source}", path.display())]
    Symbols {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SymbolsError,
    },
    /// The operating system refuses what a run needs.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// The machine refuses the guest, or what it is asked to do with it.
    #[error("{0}")]
    Machine(#[from] MachineError),
    /// The audit refuses its numbers.
    #[error("{0}")]
    Audit(#[from] ConfigError),
    /// A capture of a run that is not recorded.
    #[error("--trace-out needs the audit: add --trace-handles, or set {TRACE_HANDLES_VARIABLE}=1")]
    CaptureOfNothing,
    /// A capture that cannot be made or read.
    #[error("{0}")]
    Capture(#[from] CaptureError),
    /// A file that is no capture, or none that this program knows.
    #[error("{}: {source}", path.display())]
    NoCapture {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: CaptureError,
    },
    /// An export into the capture that it is made from.
    #[error("{}: the export would replace the capture; choose another name", path.display())]
    OverCapture {
        /// The capture.
        path: PathBuf,
    },
    /// A capture whose attachments say what this program does not understand.
    #[error("{}: {what} in it cannot be read: {reason}", path.display())]
    Attachment {
        /// The capture.
        path: PathBuf,
        /// The attachment.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The audit's own thread is gone.
    #[error("the audit cannot be read: {0}; this is a bug of the audit, not of the guest")]
    Drain(#[from] DrainDied),
}

impl Error {
    /// Makes an [`Error::Read`], for `map_err`.
    pub(crate) fn reading(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Read { path: path.to_owned(), what, source }
    }

    /// What reading a capture said, with the name of the file, for `map_err`.
    pub(crate) fn capture(path: &Path) -> impl FnOnce(CaptureError) -> Self {
        move |source| match source {
            CaptureError::Io { .. } => Self::Capture(source),
            _ => Self::NoCapture { path: path.to_owned(), source },
        }
    }

    /// The exit code that goes with it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Variable(_)
            | Self::VariableEncoding
            | Self::CaptureOfNothing
            | Self::OverCapture { .. }
            | Self::UnknownHandle { .. } => Exit::Usage,
            Self::Read { .. } | Self::Guest { .. } | Self::Symbols { .. } | Self::System { .. } => {
                Exit::Unusable
            }
            // Numbers that no capture can have are usage; everything else is a file.
            Self::Capture(CaptureError::TooSmall { .. } | CaptureError::TooLarge { .. }) => Exit::Usage,
            Self::Capture(_) | Self::NoCapture { .. } | Self::Attachment { .. } => Exit::Unusable,
            Self::Machine(MachineError::UnknownExport { .. }) | Self::Audit(_) => Exit::Usage,
            Self::Machine(_) => Exit::Unusable,
            Self::Drain(_) => Exit::Incomplete,
        }
    }
}
