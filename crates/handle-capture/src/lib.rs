//! Captures of an audit that outlive the process.

#![forbid(unsafe_code)]

mod checkpoint;
mod diff;
mod error;
mod export;
mod find;
mod frame;
mod history;
mod layout;
mod names;
mod notes;
mod read;
mod recovered;
mod rings;
mod segment;
mod source;
mod story;
mod words;
mod writer;

pub use diff::{Act, Diff, Divergence, ObjectKey, Occasion, Site, Uneven, diff};
pub use error::CaptureError;
pub use export::{Form, export, write_whole};
pub use layout::VERSION;
pub use read::{read, read_bytes, read_with};
pub use recovered::{Ending, Event, Info, Note, Recovered};
pub use story::{Flow, Mark, ObjectName, Story, WaitSlice};
pub use writer::{CaptureOptions, CaptureWriter, DEFAULT_MAX_BYTES};
