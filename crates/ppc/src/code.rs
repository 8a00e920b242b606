//! Decoded text.

use std::fmt;

use crate::decode::decode;
use crate::op::Op;

/// `sc 2`, the trap at the head of an import thunk.
pub(crate) const SC_2: u32 = 0x4400_0042;
const BLR: u32 = 0x4E80_0020;
const NOP: u32 = 0x6000_0000;

/// The executable text of an image, decoded once and never changed.
///
/// Code that a guest writes at run time is not executed: a guest is an `ET_EXEC` whose text is read-only, and what a
/// store does to text is seen by loads only.
#[derive(Clone, Default)]
pub struct Code {
    regions: Vec<Region>,
}

/// A run of instructions without a gap.
#[derive(Clone)]
pub(crate) struct Region {
    pub(crate) start: u32,
    pub(crate) ops: Box<[Op]>,
    words: Box<[u32]>,
}

/// An import thunk: 16 bytes that call into the host.
///
/// ```text
/// .long 0x44000042                  sc 2
/// blr
/// .long (module << 24) | ordinal
/// nop
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thunk {
    /// Address of the `sc`.
    pub address: u32,
    /// 1 for xboxkrnl, 2 for xam.
    pub module: u8,
    /// Ordinal of the export, 24 bits.
    pub ordinal: u32,
}

impl Code {
    /// Decodes `words` as the text at `start`, whose low two bits are ignored.
    pub fn new(start: u32, words: &[u32]) -> Self {
        let mut code = Self::default();
        code.add(start, words);
        code
    }

    /// Adds text at `start`. Where texts overlap, the one that was added first is executed.
    pub fn add(&mut self, start: u32, words: &[u32]) {
        let start = start & !3;
        let ops = (0u32..).zip(words).map(|(i, &word)| decode(start.wrapping_add(4 * i), word)).collect();
        self.regions.push(Region { start, ops, words: words.into() });
    }

    /// The word that was decoded at `address`, if that is text.
    pub fn word(&self, address: u32) -> Option<u32> {
        let region = self.region(address)?;
        region.words.get(region.index(address)).copied()
    }

    /// The import thunk at `address`, if there is one.
    pub fn thunk_at(&self, address: u32) -> Option<Thunk> {
        if self.word(address)? != SC_2
            || self.word(address.wrapping_add(4))? != BLR
            || self.word(address.wrapping_add(12))? != NOP
        {
            return None;
        }
        let name = self.word(address.wrapping_add(8))?;
        Some(Thunk { address, module: (name >> 24) as u8, ordinal: name & 0x00FF_FFFF })
    }

    /// All import thunks, in the order of the text.
    pub fn thunks(&self) -> impl Iterator<Item = Thunk> + '_ {
        let addresses = |region: &Region| {
            let start = region.start;
            (0..region.words.len() as u32).map(move |index| start.wrapping_add(4 * index))
        };
        self.regions.iter().flat_map(addresses).filter_map(|address| self.thunk_at(address))
    }

    /// The region that holds `address`.
    pub(crate) fn region(&self, address: u32) -> Option<&Region> {
        self.regions.iter().find(|region| region.index(address) < region.ops.len())
    }
}

impl Region {
    fn index(&self, address: u32) -> usize {
        index_of(self.start, address)
    }
}

/// The number of the instruction at `address` in text that begins at `start`; past its end if it lies elsewhere.
#[inline(always)]
pub(crate) fn index_of(start: u32, address: u32) -> usize {
    (address.wrapping_sub(start) >> 2) as usize
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges = self.regions.iter().map(|region| (region.start, region.words.len()));
        f.debug_struct("Code").field("regions", &ranges.collect::<Vec<_>>()).finish()
    }
}
