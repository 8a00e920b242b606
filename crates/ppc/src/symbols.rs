//! Names of guest addresses: from an ELF's function symbols, linker maps and plain lists.

use std::fmt;

/// The farthest that a name of unknown size reaches when no other name follows: 1 MiB.
const UNSIZED_REACH: u32 = 1 << 20;

/// Names by address, sorted, at most one name an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symbols {
    entries: Vec<Symbol>,
}

/// One named range of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// First address.
    pub address: u32,
    /// Bytes, or 0 when the source does not say: the name then reaches to the next one.
    pub size: u32,
    /// The name, as the source spells it.
    pub name: String,
}

/// A line that is no symbol, in a list of which every line must be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SymbolsError {
    /// Not `ADDRESS NAME`.
    #[error(
        "line {line}: {text:?} is not a symbol; expected `ADDRESS NAME` with a hexadecimal address of 32 bits, \
         such as `0x82000400 boot`, or a comment after `#`"
    )]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// The line, at most 60 characters of it.
        text: String,
    },
    /// A file without any symbol.
    #[error("no symbol in {lines} lines; expected a linker map or lines of `ADDRESS NAME`")]
    Empty {
        /// Lines read.
        lines: usize,
    },
}

impl Symbols {
    /// Sorts `symbols`. Of several names at one address a sized one wins, then the first.
    pub fn new(mut symbols: Vec<Symbol>) -> Self {
        symbols.sort_by_key(|symbol| (symbol.address, symbol.size == 0));
        symbols.dedup_by_key(|symbol| symbol.address);
        Self { entries: symbols }
    }

    /// Adds the names of `other`; at an address that both name, those of `other` win.
    pub fn merge(&mut self, other: Self) {
        let mut entries = other.entries;
        entries.append(&mut self.entries);
        // A stable sort: at one address the names of `other` come first and stay.
        entries.sort_by_key(|symbol| symbol.address);
        entries.dedup_by_key(|symbol| symbol.address);
        self.entries = entries;
    }

    /// The name whose range holds `address`, and the offset in bytes from its start.
    pub fn lookup(&self, address: u32) -> Option<(&str, u32)> {
        let after = self.entries.partition_point(|symbol| symbol.address <= address);
        let symbol = &self.entries[after.checked_sub(1)?];
        let offset = address - symbol.address;
        let reach = if symbol.size == 0 { UNSIZED_REACH } else { symbol.size };
        (offset < reach).then_some((symbol.name.as_str(), offset))
    }

    /// The address of `name`, the lowest if there are several.
    pub fn address_of(&self, name: &str) -> Option<u32> {
        self.entries.iter().find(|symbol| symbol.name == name).map(|symbol| symbol.address)
    }

    /// `boot+0x3c`, `boot` at its very start, or `0x82000400` when no name holds `address`.
    pub fn display(&self, address: u32) -> SymbolicAddress<'_> {
        SymbolicAddress { symbols: self, address }
    }

    /// All symbols, by rising address.
    pub fn entries(&self) -> &[Symbol] {
        &self.entries
    }

    /// How many symbols there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// An address that displays as a name; see [`Symbols::display`].
#[derive(Clone, Copy, Debug)]
pub struct SymbolicAddress<'a> {
    symbols: &'a Symbols,
    address: u32,
}

impl fmt::Display for SymbolicAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.symbols.lookup(self.address) {
            Some((name, 0)) => f.pad(name),
            Some((name, offset)) => f.pad(&format!("{name}+0x{offset:x}")),
            None => f.pad(&format!("0x{:08x}", self.address)),
        }
    }
}

/// Reads symbols from text: a map of GNU ld, a map of the console's linker, or lines of `ADDRESS NAME`, in which `nm`'s
/// type letter may stand between the two and `#` begins a comment. Addresses are hexadecimal, `0x` may be left out.
///
/// # Errors
///
/// [`SymbolsError::Line`] for a list with a line that is no symbol, [`SymbolsError::Empty`] when nothing was found. A
/// map has lines of many kinds, so those that are no symbols are passed over.
pub fn parse_symbols(text: &str) -> Result<Symbols, SymbolsError> {
    let symbols = if text.contains("Linker script and memory map") {
        text.lines().filter_map(gnu_map_line).collect()
    } else if text.lines().any(|line| line.contains("Publics by Value")) {
        text.lines().filter_map(console_map_line).collect()
    } else {
        parse_list(text)?
    };
    if symbols.is_empty() {
        return Err(SymbolsError::Empty { lines: text.lines().count() });
    }
    Ok(Symbols::new(symbols))
}

fn parse_list(text: &str) -> Result<Vec<Symbol>, SymbolsError> {
    let mut symbols = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let content = line.split('#').next().unwrap_or_default().trim();
        if content.is_empty() {
            continue;
        }
        let symbol = list_line(content).ok_or_else(|| SymbolsError::Line {
            line: number,
            text: line.trim().chars().take(60).collect(),
        })?;
        symbols.push(symbol);
    }
    Ok(symbols)
}

/// `82000400 boot`, `0x82000400 T boot`.
fn list_line(line: &str) -> Option<Symbol> {
    let mut words = line.split_whitespace();
    let address = hexadecimal(words.next()?)?;
    let (second, third) = (words.next()?, words.next());
    let name = match third {
        None => second,
        Some(name) if second.len() == 1 && words.next().is_none() => name,
        Some(_) => return None,
    };
    Some(Symbol { address, size: 0, name: name.to_owned() })
}

/// `                0x82000400                boot`; section lines have a size as well, assignments an `=`.
fn gnu_map_line(line: &str) -> Option<Symbol> {
    let mut words = line.split_whitespace();
    let (address, name) = (words.next()?, words.next()?);
    if !address.starts_with("0x") || !is_name(name) || words.next().is_some() {
        return None;
    }
    Some(Symbol { address: hexadecimal(address)?, size: 0, name: name.to_owned() })
}

/// ` 0005:00000000       boot                       82000400 f   boot.obj`: section and offset, name, address.
fn console_map_line(line: &str) -> Option<Symbol> {
    let mut words = line.split_whitespace();
    let (section, name, address) = (words.next()?, words.next()?, words.next()?);
    let (segment, offset) = section.split_once(':')?;
    if hexadecimal(segment).is_none() || hexadecimal(offset).is_none() || address.len() != 8 {
        return None;
    }
    Some(Symbol { address: hexadecimal(address)?, size: 0, name: name.to_owned() })
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '.' | '$' | '?'))
}

fn hexadecimal(word: &str) -> Option<u32> {
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")).unwrap_or(word);
    // `from_str_radix` would take a sign.
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    // ld prints addresses of 64 bits on some hosts.
    u64::from_str_radix(digits, 16).ok()?.try_into().ok()
}
