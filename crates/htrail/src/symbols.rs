//! Names for guest addresses: those of the ELF, then those of each `--symbols` file.

use std::fs;
use std::path::PathBuf;

use handle_diagnosis::Symbolize;
use ppc::{Symbol, Symbols, parse_symbols};

use crate::error::Error;

/// The names of one guest, for reports.
#[derive(Debug)]
pub(crate) struct Names(Symbols);

impl Names {
    /// Adds the names in `files` to those of the ELF; where both name an address, the file given last wins.
    pub(crate) fn gather(of_image: Symbols, files: &[PathBuf]) -> Result<Self, Error> {
        let mut symbols = of_image;
        for path in files {
            let bytes = fs::read(path).map_err(Error::reading(path, "the symbols"))?;
            // Names in other encodings stay readable; a file that is no text has no line that is a symbol.
            let read = parse_symbols(&String::from_utf8_lossy(&bytes));
            symbols.merge(read.map_err(|source| Error::Symbols { path: path.clone(), source })?);
        }
        Ok(Self(symbols))
    }
}

impl Names {
    /// The names, by address.
    pub(crate) fn entries(&self) -> &[Symbol] {
        self.0.entries()
    }
}

impl Symbolize for Names {
    fn at(&self, address: u32) -> Option<String> {
        self.0.lookup(address).map(|_| self.0.display(address).to_string())
    }
}
