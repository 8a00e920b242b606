//! Loads guest images: ELF32, big-endian, PowerPC, linked to a fixed address.

use std::ops::RangeInclusive;

use object::BigEndian;
use object::elf::{self, FileHeader32};
use object::read::elf::{FileHeader as _, ProgramHeader as _, Sym as _};

use crate::code::{Code, Thunk};
use crate::memory::{MapError, Memory};
use crate::symbols::{Symbol, Symbols};

/// Addresses that belong to guest stacks; no segment may touch them.
pub const STACK_SPACE: RangeInclusive<u32> = 0x7000_0000..=0x7FFF_FFFF;

/// The most memory that the segments of one image may take: 256 MiB.
pub const MAX_IMAGE_BYTES: u64 = 256 << 20;

type Header = FileHeader32<BigEndian>;

/// Where the identification holds the class and the byte order.
const EI_CLASS: usize = 4;
const EI_DATA: usize = 5;

/// A guest program, checked and ready to be mapped.
#[derive(Clone, Debug)]
pub struct Image {
    /// Address of the first instruction. It lies in an executable segment.
    pub entry: u32,
    /// What to place in memory; the ranges do not overlap.
    pub segments: Vec<Segment>,
    /// The function symbols.
    pub symbols: Symbols,
    /// The import thunks found in executable segments, by segment and address.
    pub thunks: Vec<Thunk>,
}

/// One loadable segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First guest address.
    pub address: u32,
    /// Bytes in memory; those past `bytes` are zero.
    pub memory_size: u32,
    /// Initial contents.
    pub bytes: Vec<u8>,
    /// Whether its contents are code.
    pub executable: bool,
}

/// Why a file is not a guest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElfError {
    /// Nothing in it.
    #[error("the file is empty; expected an ELF32 executable, big-endian PowerPC")]
    Empty,
    /// Not an ELF at all.
    #[error("not an ELF file: it begins with {found:02x?}, expected [7f, 45, 4c, 46]")]
    Magic {
        /// The first bytes, at most four.
        found: Vec<u8>,
    },
    /// Cut short.
    #[error("truncated: {what} ends at byte 0x{end:x}, the file has 0x{len:x} bytes")]
    Truncated {
        /// The part that is cut.
        what: &'static str,
        /// Where it would end.
        end: u64,
        /// Bytes in the file.
        len: u64,
    },
    /// A field of the header is another machine's.
    #[error("{field} is {found}, expected {expected}")]
    Header {
        /// Which field.
        field: &'static str,
        /// What it is.
        found: String,
        /// What a guest has there.
        expected: &'static str,
    },
    /// A table that cannot be read.
    #[error("malformed {table}: {reason}")]
    Malformed {
        /// Which table.
        table: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing to load.
    #[error("no loadable segment; expected at least one PT_LOAD with code")]
    NoSegments,
    /// A segment that cannot be where it says.
    #[error("segment {index} (0x{address:08x}, 0x{size:x} bytes) {problem}")]
    Segment {
        /// Number of its program header, from 0.
        index: usize,
        /// Its first address.
        address: u32,
        /// Its bytes in memory.
        size: u32,
        /// What is wrong, and what would be right.
        problem: SegmentProblem,
    },
    /// The segments together are too large.
    #[error("the segments take {total} bytes, a guest may take {MAX_IMAGE_BYTES}")]
    TooLarge {
        /// Sum of the sizes in memory.
        total: u64,
    },
    /// The entry point is not code.
    #[error("the entry point 0x{entry:08x} is not in an executable segment")]
    Entry {
        /// The entry point.
        entry: u32,
    },
}

/// What is wrong with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentProblem {
    /// Larger in the file than in memory.
    #[error("has more bytes in the file than in memory")]
    FileSize,
    /// Runs past 4 GiB.
    #[error("runs past the end of the 32-bit address space")]
    OutOfRange,
    /// Where the stacks are.
    #[error("touches 0x70000000 to 0x7fffffff, which belongs to the stacks; link the guest at 0x82000000")]
    OverStack,
    /// On another segment.
    #[error("overlaps segment {other}")]
    Overlap {
        /// Number of the other program header.
        other: usize,
    },
    /// Code between word boundaries.
    #[error("is executable and does not begin on a multiple of 4")]
    Misaligned,
}

/// Checks `bytes` as a guest image and takes it apart.
///
/// # Errors
///
/// [`ElfError`] for anything but a big-endian ELF32 `EM_PPC` `ET_EXEC` whose segments lie apart from each other and from
/// the stacks, and whose entry point is code.
pub fn load(bytes: &[u8]) -> Result<Image, ElfError> {
    let header = parse_header(bytes)?;
    let segments = load_segments(header, bytes)?;
    let mut entry_is_code = false;
    let mut thunks = Vec::new();
    let entry = header.e_entry(BigEndian);
    for segment in segments.iter().filter(|segment| segment.executable) {
        entry_is_code |= entry.wrapping_sub(segment.address) as usize & !3 < segment.bytes.len() & !3;
        thunks.extend(Code::new(segment.address, &segment.words()).thunks());
    }
    if !entry_is_code || entry & 3 != 0 {
        return Err(ElfError::Entry { entry });
    }
    Ok(Image { entry, symbols: load_symbols(header, bytes)?, segments, thunks })
}

impl Image {
    /// Maps the segments, copies their contents and decodes the executable ones.
    ///
    /// # Errors
    ///
    /// [`MapError`] when `memory` has no room.
    pub fn map_into(&self, memory: &Memory) -> Result<Code, MapError> {
        let mut code = Code::default();
        for segment in &self.segments {
            memory.map(segment.address, segment.memory_size)?;
            let written = memory.write_bytes(segment.address, &segment.bytes);
            debug_assert_eq!(written, Ok(()), "the segment was just mapped");
            if segment.executable {
                code.add(segment.address, &segment.words());
            }
        }
        Ok(code)
    }
}

impl Segment {
    fn words(&self) -> Vec<u32> {
        self.bytes.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word)).collect()
    }

    fn last(&self) -> u32 {
        self.address + (self.memory_size - 1)
    }
}

fn parse_header(bytes: &[u8]) -> Result<&Header, ElfError> {
    if bytes.is_empty() {
        return Err(ElfError::Empty);
    }
    let magic = &bytes[..bytes.len().min(4)];
    if !elf::ELFMAG.starts_with(magic) {
        return Err(ElfError::Magic { found: magic.to_vec() });
    }
    // The identification says how to read all the rest, so it is judged before the length of the header.
    let ident = |at: usize| bytes.get(at).copied();
    expect("the class", ident(EI_CLASS), elf::ELFCLASS32, "1 (32-bit)", |found| match found {
        elf::ELFCLASS64 => "2 (64-bit)".to_owned(),
        other => other.to_string(),
    })?;
    expect("the byte order", ident(EI_DATA), elf::ELFDATA2MSB, "2 (big-endian)", |found| match found {
        elf::ELFDATA2LSB => "1 (little-endian)".to_owned(),
        other => other.to_string(),
    })?;
    let header_size = size_of::<Header>() as u64;
    check_length("the ELF header", header_size, bytes)?;
    let header = Header::parse(bytes).map_err(|error| malformed("ELF header", &error))?;
    let machine = header.e_machine(BigEndian);
    expect("the machine", Some(machine), elf::EM_PPC, "20 (PowerPC)", |found| found.to_string())?;
    expect(
        "the type",
        Some(header.e_type(BigEndian)),
        elf::ET_EXEC,
        "2 (ET_EXEC, linked to a fixed address)",
        |found| match found {
            elf::ET_REL => "1 (ET_REL, an object file)".to_owned(),
            elf::ET_DYN => "3 (ET_DYN, position-independent)".to_owned(),
            other => other.to_string(),
        },
    )?;
    Ok(header)
}

fn expect<T: Copy + PartialEq>(
    field: &'static str,
    found: Option<T>,
    right: T,
    expected: &'static str,
    describe: impl Fn(T) -> String,
) -> Result<(), ElfError> {
    match found {
        Some(found) if found == right => Ok(()),
        Some(found) => Err(ElfError::Header { field, found: describe(found), expected }),
        None => Err(ElfError::Header { field, found: "cut off".to_owned(), expected }),
    }
}

fn check_length(what: &'static str, end: u64, bytes: &[u8]) -> Result<(), ElfError> {
    let len = bytes.len() as u64;
    if end > len { Err(ElfError::Truncated { what, end, len }) } else { Ok(()) }
}

fn load_segments(header: &Header, bytes: &[u8]) -> Result<Vec<Segment>, ElfError> {
    let table_size = u64::from(header.e_phnum.get(BigEndian)) * u64::from(header.e_phentsize.get(BigEndian));
    check_length("the program header table", u64::from(header.e_phoff.get(BigEndian)) + table_size, bytes)?;
    let table = header
        .program_headers(BigEndian, bytes)
        .map_err(|error| malformed("program header table", &error))?;
    let mut segments: Vec<(usize, Segment)> = Vec::new();
    let mut total = 0;
    for (index, program_header) in table.iter().enumerate() {
        let size = program_header.p_memsz(BigEndian);
        if program_header.p_type(BigEndian) != elf::PT_LOAD || size == 0 {
            continue;
        }
        total += u64::from(size);
        if total > MAX_IMAGE_BYTES {
            return Err(ElfError::TooLarge { total });
        }
        let address = program_header.p_vaddr(BigEndian);
        let (start, file_size) = program_header.file_range(BigEndian);
        let executable = program_header.p_flags(BigEndian) & elf::PF_X != 0;
        check_placement(address, size, executable, &segments)
            .and(if file_size > u64::from(size) { Err(SegmentProblem::FileSize) } else { Ok(()) })
            .map_err(|problem| ElfError::Segment { index, address, size, problem })?;
        check_length("a segment", start + file_size, bytes)?;
        let contents = program_header
            .data(BigEndian, bytes)
            .map_err(|()| malformed("program header table", &"a segment lies outside the file"))?;
        segments.push((index, Segment { address, memory_size: size, bytes: contents.to_vec(), executable }));
    }
    if segments.is_empty() {
        return Err(ElfError::NoSegments);
    }
    Ok(segments.into_iter().map(|(_, segment)| segment).collect())
}

fn check_placement(
    address: u32,
    size: u32,
    executable: bool,
    others: &[(usize, Segment)],
) -> Result<(), SegmentProblem> {
    let last = address.checked_add(size - 1).ok_or(SegmentProblem::OutOfRange)?;
    if address <= *STACK_SPACE.end() && last >= *STACK_SPACE.start() {
        return Err(SegmentProblem::OverStack);
    }
    if executable && address & 3 != 0 {
        return Err(SegmentProblem::Misaligned);
    }
    let overlapped = others.iter().find(|(_, other)| address <= other.last() && last >= other.address);
    match overlapped {
        Some(&(other, _)) => Err(SegmentProblem::Overlap { other }),
        None => Ok(()),
    }
}

/// The function symbols; an image without a symbol table has none.
fn load_symbols(header: &Header, bytes: &[u8]) -> Result<Symbols, ElfError> {
    let sections = header.sections(BigEndian, bytes).map_err(|error| malformed("section table", &error))?;
    let table = sections
        .symbols(BigEndian, bytes, elf::SHT_SYMTAB)
        .map_err(|error| malformed("symbol table", &error))?;
    let mut symbols = Vec::new();
    for symbol in table.iter().filter(|symbol| symbol.st_type() == elf::STT_FUNC) {
        let name = table.symbol_name(BigEndian, symbol).map_err(|error| malformed("symbol table", &error))?;
        if symbol.st_shndx(BigEndian) != elf::SHN_UNDEF && !name.is_empty() {
            symbols.push(Symbol {
                address: symbol.st_value(BigEndian),
                size: symbol.st_size(BigEndian),
                name: String::from_utf8_lossy(name).into_owned(),
            });
        }
    }
    Ok(Symbols::new(symbols))
}

fn malformed(table: &'static str, reason: &impl ToString) -> ElfError {
    ElfError::Malformed { table, reason: reason.to_string() }
}
