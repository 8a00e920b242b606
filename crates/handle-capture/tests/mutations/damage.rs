//! Ways to damage a capture, in place and undone afterwards.

use std::ops::Range;

use spsc_ring::Seal;

use crate::base::Base;

const PAGE: usize = 4096;
const MAGIC: u64 = u64::from_le_bytes(*b"HTRAILCP");
const FRAME: u32 = u32::from_le_bytes(*b"FRAM");

/// Words that a length, a count or a position should not be.
const ABSURD: [u64; 9] =
    [u64::MAX, 1 << 63, 1 << 56, 1 << 40, 0, u32::MAX as u64, u64::MAX - 7, 1 << 24, 8187];

/// Random enough, and the same every time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ mixed >> 31) % sides.max(1) as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
}

/// A capture that is damaged and made whole again.
pub(crate) struct Patient<'a> {
    pub(crate) base: &'a Base,
    pub(crate) bytes: Vec<u8>,
    touched: Vec<Range<usize>>,
    /// Something was written anew with a checksum that is right, so what is read need not be what was written.
    pub(crate) forged: bool,
}

impl<'a> Patient<'a> {
    pub(crate) fn new(base: &'a Base) -> Self {
        Self { base, bytes: base.bytes.clone(), touched: Vec::new(), forged: false }
    }

    /// Undoes all damage.
    pub(crate) fn heal(&mut self) {
        let whole = &self.base.bytes;
        let there = self.bytes.len();
        for Range { start, end } in self.touched.drain(..) {
            let end = end.min(there);
            if start < end {
                self.bytes[start..end].copy_from_slice(&whole[start..end]);
            }
        }
        self.bytes.extend_from_slice(&whole[there..]);
        self.forged = false;
    }

    /// The bytes from `at` on, at most so many, to be overwritten.
    fn open(&mut self, at: usize, length: usize) -> &mut [u8] {
        let start = at.min(self.bytes.len());
        let end = start.saturating_add(length).min(self.bytes.len());
        self.touched.push(start..end);
        &mut self.bytes[start..end]
    }

    fn put(&mut self, at: usize, with: &[u8]) {
        let place = self.open(at, with.len());
        place.copy_from_slice(&with[..place.len()]);
    }

    fn word(&self, at: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    /// The words at a place, as far as there are so many.
    fn words(&self, at: usize, count: usize) -> Option<Vec<u64>> {
        (0..count).map(|index| self.word(at + 8 * index)).collect()
    }

    fn put_words(&mut self, at: usize, words: &[u64]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(at, &bytes);
    }

    /// Damages it in one of many ways; `other` is another capture.
    pub(crate) fn damage(&mut self, other: &[u8], dice: &mut Dice) {
        let at = dice.pick(&self.base.used);
        match dice.roll(12) {
            0 => self.bytes.truncate(dice.roll(self.base.bytes.len() + 1)),
            1 => self.bytes.truncate(at / PAGE * PAGE + dice.roll(3)),
            2 => self.move_within(dice, PAGE),
            3 => self.splice(other, dice),
            4 => self.move_within(dice, 8),
            5 => self.put_words(at, &[dice.pick(&ABSURD)]),
            6 => {
                let (length, byte) = (dice.roll(100_000), dice.roll(256) as u8);
                self.open(at, length).fill(byte);
            }
            7 => {
                // The same place, as it was earlier.
                let (base, page) = (self.base, at / PAGE * PAGE);
                let length = PAGE * (1 + dice.roll(64));
                let end = (page + length).min(base.earlier.len());
                self.put(page, base.earlier.get(page..end).unwrap_or_default());
            }
            8 => self.forge_frame(dice),
            9 => self.forge_geometry(dice),
            _ => {
                for _ in 0..1 + dice.roll(8) {
                    let (at, bit) = (dice.pick(&self.base.used) + dice.roll(8), dice.roll(8));
                    self.open(at, 1).iter_mut().for_each(|byte| *byte ^= 1 << bit);
                }
            }
        }
    }

    fn move_within(&mut self, dice: &mut Dice, unit: usize) {
        let length = unit * (1 + dice.roll(16));
        let (to, from) =
            (dice.roll(self.bytes.len()) / unit * unit, dice.pick(&self.base.used) / unit * unit);
        let end = (from + length).min(self.bytes.len());
        if from < end {
            let length = self.open(to, end - from).len();
            self.bytes.copy_within(from..from + length, to);
        }
    }

    fn splice(&mut self, other: &[u8], dice: &mut Dice) {
        let length = PAGE * (1 + dice.roll(16));
        let (to, from) = (dice.roll(self.bytes.len()) / PAGE * PAGE, dice.roll(other.len()) / PAGE * PAGE);
        self.put(to, &other[from..(from + length).min(other.len())]);
    }

    /// Changes words of a frame and makes its checksum right again.
    fn forge_frame(&mut self, dice: &mut Dice) {
        let Some(id) = self.word(16) else { return };
        let seal = |number: u64| Seal::new(Seal::new(id).digest([number]));
        let start = dice.pick(&self.base.used);
        let places = (start..self.bytes.len()).step_by(8);
        let mut frames = places.filter(|at| self.word(*at).is_some_and(|word| word as u32 == FRAME));
        let Some((at, body)) = frames.next().and_then(|at| Some((at, self.word(at + 8)? as usize))) else {
            return;
        };
        let Some(mut words) = self.words(at, (body + 5).min(1 << 13)) else { return };
        let last = words.len() - 1;
        let salts = std::iter::once(0).chain((1..1000).map(|generation| generation + (1 << 32)));
        let digest = |seal: Seal, words: &[u64]| seal.digest(words[..last].iter().copied());
        let Some(seal) = salts.map(seal).find(|seal| digest(*seal, &words) == words[last]) else { return };
        for _ in 0..1 + dice.roll(3) {
            words[1 + dice.roll(last - 1)] = match dice.roll(3) {
                0 => dice.roll(64) as u64,
                1 => dice.pick(&words),
                _ => dice.pick(&ABSURD),
            };
        }
        if dice.roll(8) == 0 {
            words[0] = u64::from(FRAME) | (dice.roll(12) as u64) << 32;
        }
        words[last] = digest(seal, &words);
        self.put_words(at, &words);
        self.forged = true;
    }

    /// Changes a size in the blocks that are believed, and makes their checksums right again.
    fn forge_geometry(&mut self, dice: &mut Dice) {
        let (word, absurd) = (3 + dice.roll(8), dice.pick(&ABSURD));
        let value = [absurd, absurd & !0xFFF, dice.roll(200) as u64, (dice.roll(4000) * PAGE) as u64];
        let value = dice.pick(&value);
        let pages: Vec<usize> = (0..self.bytes.len()).step_by(PAGE).collect();
        for at in pages.into_iter().filter(|at| self.word(*at) == Some(MAGIC)).collect::<Vec<_>>() {
            let Some(mut words) = self.words(at, 16) else { continue };
            words[word] = value;
            words[15] = Seal::new(MAGIC).digest(words[..15].iter().copied());
            self.put_words(at, &words);
        }
        self.forged = true;
    }
}
