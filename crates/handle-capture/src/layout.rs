//! Where everything stands in a capture: the geometry, and the section blocks that repeat it.
//!
//! ```text
//! header, header again | rings | notes | segment 0 | segment 1 | ...
//! ```
//!
//! Every section begins with a block of 16 words that holds the whole geometry, so any one block that is intact is
//! enough to find all the others. docs/capture-format.md describes it for other languages.

use std::ops::Range;

use spsc_ring::{CONTROL_WORDS, LINE_WORDS, Seal};

use handle_audit::{MAX_RING_CAPACITY, MAX_RINGS, MIN_RING_CAPACITY};

/// The first eight bytes of every section.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"HTRAILCP");

/// The format that this program writes, and the only one it reads.
pub const VERSION: u32 = 1;

/// Sections begin at multiples of this many bytes.
pub(crate) const PAGE: u64 = 4096;

/// Words of a section block.
pub(crate) const BLOCK_WORDS: usize = 16;

/// Bytes from the start of a ring section to the ring's first word: the control words end with the page.
pub(crate) const RING_CONTROL: u64 = PAGE - CONTROL_WORDS as u64 * 8;

/// Most segments that a capture has.
pub(crate) const MAX_SEGMENTS: u64 = 1024;

/// The longest file that a geometry can describe: 1 TiB.
const MAX_BYTES: u64 = 1 << 40;

/// Bytes of the two headers.
pub(crate) const HEADERS: u64 = 2 * PAGE;

/// What a section is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Role {
    /// The file's header; index 0 and 1.
    Header = 1,
    /// One ring.
    Ring = 2,
    /// Labels, attachments and the end.
    Notes = 3,
    /// A segment of what was folded.
    Segment = 4,
}

impl Role {
    fn from_code(code: u8) -> Option<Self> {
        [Self::Header, Self::Ring, Self::Notes, Self::Segment].into_iter().find(|role| *role as u8 == code)
    }
}

/// What holds for the whole capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Random; tells this capture's sections, lines and frames from those of others.
    pub(crate) id: u64,
    pub(crate) rings: u64,
    /// Records a ring holds, a power of two.
    pub(crate) ring_capacity: u64,
    /// The position at which every ring began.
    pub(crate) first_position: u64,
    /// The rings are in a file of their own, after a header there.
    pub(crate) rings_elsewhere: bool,
    pub(crate) notes_bytes: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) segments: u64,
    /// Nanoseconds since 1970.
    pub(crate) created: u64,
    pub(crate) pid: u64,
}

impl Geometry {
    /// Bytes of one ring section.
    pub(crate) fn ring_bytes(&self) -> u64 {
        (PAGE + self.ring_capacity * LINE_WORDS as u64 * 8).next_multiple_of(PAGE)
    }

    /// Where a ring's section begins, in the file that has the rings.
    pub(crate) fn ring_at(&self, ring: u64) -> u64 {
        HEADERS + ring * self.ring_bytes()
    }

    /// Bytes from the start of the file with the rings to their end.
    pub(crate) fn rings_end(&self) -> u64 {
        self.ring_at(self.rings)
    }

    /// Where the notes begin.
    pub(crate) fn notes_at(&self) -> u64 {
        if self.rings_elsewhere { HEADERS } else { self.rings_end() }
    }

    /// Where a segment begins.
    pub(crate) fn segment_at(&self, segment: u64) -> u64 {
        self.notes_at() + self.notes_bytes + segment * self.segment_bytes
    }

    /// Where the frames of the notes stand.
    pub(crate) fn frames_of_notes(&self) -> Range<u64> {
        behind_block(self.notes_at(), self.notes_bytes)
    }

    /// Where the frames of a segment stand.
    pub(crate) fn frames_of_segment(&self, segment: u64) -> Range<u64> {
        behind_block(self.segment_at(segment), self.segment_bytes)
    }

    /// Bytes of the whole file.
    pub(crate) fn end(&self) -> u64 {
        self.segment_at(self.segments)
    }

    /// Where a section begins.
    pub(crate) fn section_at(&self, role: Role, index: u64) -> u64 {
        match role {
            Role::Header => index * PAGE,
            Role::Ring => self.ring_at(index),
            Role::Notes => self.notes_at(),
            Role::Segment => self.segment_at(index),
        }
    }

    /// The seal of a ring's lines and accounts.
    pub(crate) fn ring_seal(&self, ring: u64) -> Seal {
        Seal::new(mix(self.id, 0x10_0000 + ring))
    }

    /// The seal of the frames among the notes.
    pub(crate) fn notes_seal(&self) -> Seal {
        Seal::new(mix(self.id, 0))
    }

    /// The seal of the frames of one generation of segments.
    pub(crate) fn segment_seal(&self, generation: u64) -> Seal {
        Seal::new(mix(self.id, generation.wrapping_add(1 << 32)))
    }

    /// Whether every number is one that a writer would choose.
    fn is_sound(&self) -> bool {
        let pages = |bytes: u64| bytes > 0 && bytes.is_multiple_of(PAGE) && bytes < MAX_BYTES;
        (1..=MAX_RINGS as u64).contains(&self.rings)
            && self.ring_capacity.is_power_of_two()
            && (MIN_RING_CAPACITY as u64..=MAX_RING_CAPACITY as u64).contains(&self.ring_capacity)
            && pages(self.notes_bytes)
            && pages(self.segment_bytes)
            && (1..=MAX_SEGMENTS).contains(&self.segments)
    }
}

/// What is left of a section behind its block.
fn behind_block(at: u64, bytes: u64) -> Range<u64> {
    at + BLOCK_WORDS as u64 * 8..at + bytes
}

/// Spreads a small number over a salt.
fn mix(id: u64, number: u64) -> u64 {
    Seal::new(id).digest([number])
}

/// The block at the start of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) role: Role,
    pub(crate) index: u64,
    /// Of a segment: how often a segment was begun, this one included. Otherwise 0.
    pub(crate) generation: u64,
    pub(crate) geometry: Geometry,
}

/// What the first words of a page turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// A block that belongs exactly here.
    Block(Block),
    /// An intact block of another format.
    OtherVersion(u32),
}

impl Block {
    pub(crate) fn words(&self) -> [u64; BLOCK_WORDS] {
        let g = &self.geometry;
        let mut words = [
            MAGIC,
            u64::from(VERSION) | (self.role as u64) << 32 | self.index << 40,
            g.id,
            g.rings | u64::from(g.rings_elsewhere) << 32,
            g.ring_capacity,
            g.first_position,
            g.notes_bytes,
            g.segment_bytes,
            g.segments,
            g.created,
            g.pid,
            self.generation,
            0,
            0,
            0,
            0,
        ];
        words[BLOCK_WORDS - 1] = digest(&words);
        words
    }

    /// Reads a block that was found at offset `at`.
    pub(crate) fn read(words: &[u64; BLOCK_WORDS], at: u64) -> Option<Sighting> {
        if words[0] != MAGIC || words[BLOCK_WORDS - 1] != digest(words) {
            return None;
        }
        if words[1] as u32 != VERSION {
            return Some(Sighting::OtherVersion(words[1] as u32));
        }
        let geometry = Geometry {
            id: words[2],
            rings: words[3] & 0xFFFF_FFFF,
            rings_elsewhere: words[3] >> 32 == 1,
            ring_capacity: words[4],
            first_position: words[5],
            notes_bytes: words[6],
            segment_bytes: words[7],
            segments: words[8],
            created: words[9],
            pid: words[10],
        };
        let role = Role::from_code((words[1] >> 32) as u8)?;
        let block = Self { role, index: words[1] >> 40, generation: words[11], geometry };
        let count = match role {
            Role::Header => 2,
            Role::Ring => geometry.rings,
            Role::Notes => 1,
            Role::Segment => geometry.segments,
        };
        // A section copied to another place is not one.
        let sound =
            geometry.is_sound() && block.index < count && geometry.section_at(role, block.index) == at;
        sound.then_some(Sighting::Block(block))
    }
}

/// The checksum of a block: of all words but the last.
fn digest(words: &[u64; BLOCK_WORDS]) -> u64 {
    Seal::new(MAGIC).digest(words[..BLOCK_WORDS - 1].iter().copied())
}

/// Words of the header page, counted from its start, that hold what a dying process leaves.
pub(crate) mod header {
    /// The crash note of `host_os`: signal, address.
    pub(crate) const CRASH: usize = 64;
    /// A panic: length of the text and 1 << 63 once it is complete, then the text.
    pub(crate) const PANIC: usize = 72;
    /// Bytes of a panic's text.
    pub(crate) const PANIC_BYTES: usize = 512;
    /// The path of the rings' file: its length in bytes, then the bytes.
    pub(crate) const RINGS_PATH: usize = 256;
    /// Bytes of that path, at most.
    pub(crate) const RINGS_PATH_BYTES: usize = 1024;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry() -> Geometry {
        Geometry {
            id: 0x1234,
            rings: 3,
            ring_capacity: 64,
            first_position: 0,
            rings_elsewhere: false,
            notes_bytes: 2 * PAGE,
            segment_bytes: 8 * PAGE,
            segments: 2,
            created: 5,
            pid: 6,
        }
    }

    #[test]
    fn a_block_reads_back_at_its_own_place_only() {
        for (role, index) in [(Role::Header, 1), (Role::Ring, 2), (Role::Notes, 0), (Role::Segment, 1)] {
            let block = Block { role, index, generation: 9, geometry: geometry() };
            let at = geometry().section_at(role, index);
            assert_eq!(Block::read(&block.words(), at), Some(Sighting::Block(block)));
            assert_eq!(Block::read(&block.words(), at + PAGE), None);
        }
    }

    #[test]
    fn a_block_with_any_bit_flipped_is_none() {
        let block = Block { role: Role::Header, index: 0, generation: 0, geometry: geometry() };
        for bit in 0..BLOCK_WORDS * 64 {
            let mut words = block.words();
            words[bit / 64] ^= 1 << (bit % 64);
            assert_eq!(Block::read(&words, 0), None, "bit {bit}");
        }
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let mut words = Block { role: Role::Header, index: 0, generation: 0, geometry: geometry() }.words();
        words[1] += 6;
        words[BLOCK_WORDS - 1] = digest(&words);
        assert_eq!(Block::read(&words, 0), Some(Sighting::OtherVersion(7)));
    }

    #[test]
    fn sections_follow_each_other_without_overlap() {
        for rings_elsewhere in [false, true] {
            let g = Geometry { rings_elsewhere, ..geometry() };
            assert_eq!(g.ring_at(0), HEADERS);
            assert_eq!(g.notes_at(), if rings_elsewhere { HEADERS } else { g.rings_end() });
            assert_eq!(g.segment_at(0), g.notes_at() + g.notes_bytes);
            assert_eq!(g.end(), g.segment_at(1) + g.segment_bytes);
        }
    }

    #[test]
    fn everything_stands_where_the_format_says() {
        for (rings_elsewhere, notes) in [(false, 8192 + 3 * 8192), (true, 8192)] {
            let g = Geometry { rings_elsewhere, ..geometry() };
            assert_eq!([0, 1, 2].map(|ring| g.ring_at(ring)), [8192, 16384, 24576]);
            assert_eq!((g.rings_end(), RING_CONTROL), (32768, 4096 - 64 * 8));
            assert_eq!((g.notes_at(), g.frames_of_notes()), (notes, notes + 16 * 8..notes + 8192));
            let second = notes + 8192 + 32768;
            assert_eq!((g.segment_at(1), g.frames_of_segment(1)), (second, second + 128..second + 32768));
            assert_eq!(g.end(), second + 32768);
        }
        // A page, and 64 bytes a record.
        let bytes = |ring_capacity| Geometry { ring_capacity, ..geometry() }.ring_bytes();
        assert_eq!([8, 64, 128, 1 << 24].map(bytes), [8192, 8192, 12288, 4096 + (64 << 24)]);
    }

    #[test]
    fn the_words_of_a_block_are_those_of_the_format() {
        let geometry = Geometry { rings_elsewhere: true, first_position: 9, ..geometry() };
        let words = Block { role: Role::Segment, index: 1, generation: 4, geometry }.words();
        let expected = [
            u64::from_le_bytes(*b"HTRAILCP"),
            1 | 4 << 32 | 1 << 40,
            0x1234,
            3 | 1 << 32,
            64,
            9,
            8192,
            32768,
            2,
            5,
            6,
            4,
            0,
            0,
            0,
        ];
        assert_eq!(words[..15], expected);
        assert_eq!(words[15], Seal::new(expected[0]).digest(expected));
    }

    #[test]
    fn each_part_has_a_salt_of_its_own() {
        let salt = |number: u64| Seal::new(Seal::new(0x1234).digest([number]));
        let g = geometry();
        assert_eq!([0, 2].map(|ring| g.ring_seal(ring)), [0x10_0000, 0x10_0002].map(salt));
        assert_eq!(g.notes_seal(), salt(0));
        assert_eq!(
            [1, 7].map(|generation| g.segment_seal(generation)),
            [0x1_0000_0001, 0x1_0000_0007].map(salt)
        );
    }

    #[test]
    fn a_block_whose_numbers_no_writer_would_choose_is_none() {
        let is_read = |geometry: Geometry| {
            let block = Block { role: Role::Header, index: 0, generation: 0, geometry };
            Block::read(&block.words(), 0).is_some()
        };
        type Set = fn(&mut Geometry, u64);
        // How a number is set, those that can be, and those that cannot.
        let numbers: [(Set, &[u64], &[u64]); 5] = [
            (|g, n| g.rings = n, &[1, 128], &[0, 129]),
            (|g, n| g.ring_capacity = n, &[8, 1 << 24], &[0, 4, 12, 1 << 25]),
            (|g, n| g.notes_bytes = n, &[4096, (1 << 40) - 4096], &[0, 1, 4095, 4097, 1 << 40]),
            (|g, n| g.segment_bytes = n, &[4096, (1 << 40) - 4096], &[0, 1, 4095, 4097, 1 << 40]),
            (|g, n| g.segments = n, &[1, 1024], &[0, 1025]),
        ];
        for (set, good, bad) in numbers {
            for number in good.iter().chain(bad) {
                let mut geometry = geometry();
                set(&mut geometry, *number);
                assert_eq!(is_read(geometry), good.contains(number), "{geometry:?}");
            }
        }
    }

    #[test]
    fn a_section_beyond_the_last_is_none() {
        for (role, count) in [(Role::Header, 2), (Role::Ring, 3), (Role::Notes, 1), (Role::Segment, 2)] {
            for index in [count - 1, count] {
                let block = Block { role, index, generation: 1, geometry: geometry() };
                let read = Block::read(&block.words(), geometry().section_at(role, index));
                assert_eq!(read.is_some(), index < count, "{role:?} {index}");
            }
        }
    }
}
