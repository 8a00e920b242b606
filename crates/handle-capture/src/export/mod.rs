//! Captures in forms that other programs read.

mod chrome;
mod graph;
mod perfetto;
mod protobuf;
mod table;

use std::io::{self, Write};
use std::str::FromStr;

use thiserror::Error;

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

/// There is no form of this name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("there is no form {0:?}")]
pub struct UnknownForm(String);

impl Form {
    /// All forms.
    pub const ALL: [Self; 6] =
        [Self::Perfetto, Self::Chrome, Self::Csv, Self::Ndjson, Self::Dot, Self::Folded];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Perfetto => "perfetto",
            Self::Chrome => "chrome",
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Dot => "dot",
            Self::Folded => "folded",
        }
    }
}

impl FromStr for Form {
    type Err = UnknownForm;

    fn from_str(name: &str) -> Result<Self, UnknownForm> {
        Self::ALL.into_iter().find(|form| form.name() == name).ok_or_else(|| UnknownForm(name.to_owned()))
    }
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
