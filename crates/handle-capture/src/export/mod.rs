//! Captures in forms that other programs read.

mod chrome;
mod graph;
mod perfetto;
mod protobuf;
mod table;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::CaptureError;
use crate::story::Story;

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A Perfetto trace (protobuf).
    Perfetto,
    /// Chrome's trace events (JSON).
    Chrome,
    /// One line a record, with a heading.
    Csv,
    /// One JSON object a record and line.
    Ndjson,
    /// Who signals whom through what, for Graphviz.
    Dot,
    /// Cycles waited, by thread, call and object, for flame graphs.
    Folded,
}

/// Nanoseconds in a cycle of the guest's 50 MHz timebase.
pub(crate) const NANOSECONDS: u64 = 20;

/// Writes a story in one form.
///
/// # Errors
///
/// What the writer says.
pub fn export(story: &Story, form: Form, to: &mut dyn Write) -> io::Result<()> {
    match form {
        Form::Perfetto => perfetto::write(story, to),
        Form::Chrome => chrome::write(story, to),
        Form::Csv => table::csv(story, to),
        Form::Ndjson => table::ndjson(story, to),
        Form::Dot => graph::dot(story, to),
        Form::Folded => graph::folded(story, to),
    }
}

/// Writes a file as a whole or not at all: under another name first, then renamed. What was there before stays until
/// the new file is complete.
///
/// # Errors
///
/// What the operating system or `write` says; nothing is left behind then.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CaptureError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part: PathBuf = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let written = File::create_new(&part).and_then(|file| {
        let mut file = BufWriter::new(file);
        write(&mut file)?;
        file.into_inner().map_err(|error| error.into_error())?;
        std::fs::rename(&part, path)
    });
    written.map_err(|error| {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&part);
        CaptureError::io(path, "cannot write the file")(error)
    })
}
