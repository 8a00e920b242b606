//! Where reports go, and how wide and colourful that is.

use std::io::{self, IsTerminal, Write};

use anstream::AutoStream;
use clap::ColorChoice;

use crate::error::Error;

/// Columns where nothing says how many there are.
const DEFAULT_WIDTH: u16 = 100;

/// Writes a report to standard output, with its colours or without: as asked for, else with them on a terminal
/// unless `NO_COLOR` or the terminal's name says no.
pub(crate) fn write(report: &str, colour: ColorChoice) -> Result<(), Error> {
    let choice = match colour {
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
        ColorChoice::Auto => anstream::ColorChoice::Auto,
    };
    let mut out = AutoStream::new(io::stdout().lock(), choice);
    written(out.write_all(report.as_bytes()).and_then(|()| out.flush()))
}

/// What became of writing to standard output. A reader that went away has seen enough.
pub(crate) fn written(result: io::Result<()>) -> Result<(), Error> {
    match result {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::System { what: "write the report to standard output", source })
        }
        _ => Ok(()),
    }
}

/// Columns: as asked for, else the terminal's, else 100. A layout moves what is out of bounds.
pub(crate) fn width(asked: Option<u16>) -> usize {
    let terminal = || terminal_size::terminal_size_of(io::stdout()).map(|(columns, _)| columns.0);
    usize::from(asked.or_else(terminal).unwrap_or(DEFAULT_WIDTH))
}

/// Whether to draw with ASCII only: as asked for, or because the terminal's locale is not UTF-8. Files and pipes get
/// UTF-8 whatever the locale, so that a report is the same everywhere.
pub(crate) fn ascii(asked: bool) -> bool {
    asked || io::stdout().is_terminal() && !speaks_utf8(|name| std::env::var(name).ok())
}

/// The first of the three variables that is set and not empty decides, as POSIX has it.
fn speaks_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_decides() {
        let locale = |pairs: &'static [(&str, &str)]| {
            speaks_utf8(|name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned()))
        };
        assert!(locale(&[("LANG", "de_DE.UTF-8")]));
        assert!(locale(&[("LC_ALL", ""), ("LANG", "C.utf8")]));
        assert!(!locale(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]));
        assert!(!locale(&[]));
    }
}
