//! Frames: how notes and segments are written, one after another, each with a checksum.
//!
//! | word | content |
//! | --- | --- |
//! | 0 | magic in the low 32 bits, kind in the high |
//! | 1 | words of the body |
//! | 2 | number of the frame, rising |
//! | 3 | slots in frames before it |
//! | 4 on | body |
//! | last | checksum of all that is before it |

use std::ops::Range;

use spsc_ring::Seal;

use crate::source::Source;

/// The low half of a frame's first word.
pub(crate) const FRAME_MAGIC: u32 = u32::from_le_bytes(*b"FRAM");

/// Words around a body.
pub(crate) const FRAME_OVERHEAD: usize = 5;

/// Words of the longest body: a frame takes at most 64 KiB.
pub(crate) const MAX_BODY_WORDS: usize = (1 << 13) - FRAME_OVERHEAD;

/// Bytes of the longest frame.
pub(crate) const MAX_FRAME_BYTES: u64 = ((MAX_BODY_WORDS + FRAME_OVERHEAD) * 8) as u64;

/// Things that look like frames and are not, per section: more than that, and the rest of the section is given up.
/// It keeps a file made to be slow from being slow.
const MAX_FALSE_STARTS: u32 = 1000;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    /// Slots, in the order of the fold: ring, position, five words each.
    Slots = 1,
    /// The handles in focus from here on.
    Focus = 2,
    /// When the audit was on: late start, pauses.
    Coverage = 3,
    /// The first frame of a checkpoint.
    CheckpointBegin = 4,
    /// Some items of a checkpoint.
    CheckpointPart = 5,
    /// The last frame of a checkpoint.
    CheckpointEnd = 6,
    /// The audit was shut down: per ring, the position where it ends.
    Stopped = 7,
    /// A label: id, length, bytes.
    Label = 8,
    /// A part of an attachment.
    Attachment = 9,
    /// Why the run ended.
    End = 10,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Slots,
        Self::Focus,
        Self::Coverage,
        Self::CheckpointBegin,
        Self::CheckpointPart,
        Self::CheckpointEnd,
        Self::Stopped,
        Self::Label,
        Self::Attachment,
        Self::End,
    ];

    fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u32 == code)
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) number: u64,
    /// Slots in frames before it.
    pub(crate) slots_before: u64,
    pub(crate) body: Vec<u64>,
}

/// The words of a frame.
///
/// # Panics
///
/// If the body is longer than [`MAX_BODY_WORDS`].
pub(crate) fn encode(seal: Seal, kind: Kind, number: u64, slots_before: u64, body: &[u64]) -> Vec<u64> {
    assert!(body.len() <= MAX_BODY_WORDS, "a body of {} words does not fit a frame", body.len());
    let mut words = Vec::with_capacity(body.len() + FRAME_OVERHEAD);
    words.extend([u64::from(FRAME_MAGIC) | (kind as u64) << 32, body.len() as u64, number, slots_before]);
    words.extend_from_slice(body);
    words.push(seal.digest(words.iter().copied()));
    words
}

/// Words as bytes, little-endian.
pub(crate) fn to_bytes(words: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 * words.len());
    words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    bytes
}

/// Bytes as words; a rest of less than a word is left out.
pub(crate) fn to_words(bytes: &[u8]) -> Vec<u64> {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

/// Finds the frames of one section, in order, whatever stands between them.
#[derive(Debug)]
pub(crate) struct Frames<'a> {
    source: &'a dyn Source,
    seal: Seal,
    at: u64,
    end: u64,
    window: Vec<u64>,
    window_at: u64,
    /// The least number that the next frame may have.
    next_number: u64,
    false_starts: u32,
    /// Where the frame that was found last after a gap was looked for, twice.
    gap_at: Option<u64>,
}

impl<'a> Frames<'a> {
    /// Looks at a range of bytes.
    pub(crate) fn new(source: &'a dyn Source, seal: Seal, range: Range<u64>) -> Self {
        Self {
            source,
            seal,
            at: range.start,
            end: range.end.min(source.length()) & !7,
            window: Vec::new(),
            window_at: range.start,
            next_number: 0,
            false_starts: 0,
            gap_at: None,
        }
    }

    /// What the window has from the present place on: at least `count` words, as far as the section has them.
    fn load(&mut self, count: usize) -> &[u64] {
        let left = self.end - self.at;
        let mut begin = (self.at - self.window_at) as usize / 8;
        if begin + count.min(left as usize / 8) > self.window.len() {
            let bytes = (2 * MAX_FRAME_BYTES).min(left);
            self.window = to_words(&self.source.read(self.at, bytes as usize));
            self.window_at = self.at;
            begin = 0;
        }
        &self.window[begin..]
    }

    /// The frame at the present place, where its magic stands, if it is one.
    fn here(&mut self) -> Option<Frame> {
        let [first, length, number, slots_before, ..] = *self.load(4) else { return None };
        let kind = Kind::from_code((first >> 32) as u32)?;
        let body = usize::try_from(length).ok().filter(|length| *length <= MAX_BODY_WORDS)?;
        if number < self.next_number || self.false_starts >= MAX_FALSE_STARTS {
            return None;
        }
        let seal = self.seal;
        let (digest, covered) =
            self.load(body + FRAME_OVERHEAD).get(..body + FRAME_OVERHEAD)?.split_last()?;
        if *digest != seal.digest(covered.iter().copied()) {
            self.false_starts += 1;
            return None;
        }
        Some(Frame { kind, number, slots_before, body: covered[4..].to_vec() })
    }
}

impl Iterator for Frames<'_> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let begin = self.at;
        let mut frame = self.seek()?;
        if self.at != begin && self.gap_at != Some(begin) && self.source.is_written() {
            // Frames are written one after another. If this one is complete, so is by now whatever was being written
            // before it when it was passed.
            self.gap_at = Some(begin);
            self.look_anew_at(begin);
            frame = self.seek()?;
        }
        self.at += ((frame.body.len() + FRAME_OVERHEAD) * 8) as u64;
        self.next_number = frame.number.saturating_add(1);
        Some(frame)
    }
}

impl Frames<'_> {
    /// The next frame from the present place on; the place is then where it begins.
    fn seek(&mut self) -> Option<Frame> {
        while self.skip_to_magic() {
            if let Some(frame) = self.here() {
                return Some(frame);
            }
            self.at += 8;
        }
        None
    }

    /// Forgets what was read; what stands at a place from now on counts.
    fn look_anew_at(&mut self, at: u64) {
        self.window.clear();
        self.window_at = at;
        self.at = at;
    }

    /// Goes on to the next word that a frame can begin with, if there is one.
    fn skip_to_magic(&mut self) -> bool {
        while self.at < self.end {
            let ahead = self.load(1);
            if ahead.is_empty() {
                return false;
            }
            let (found, count) = (ahead.iter().position(|word| *word as u32 == FRAME_MAGIC), ahead.len());
            self.at += 8 * found.unwrap_or(count) as u64;
            if found.is_some() {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::image::Changing;

    fn seal() -> Seal {
        Seal::new(77)
    }

    fn three() -> Vec<u64> {
        let mut words = Vec::new();
        for number in 0..3 {
            let body: Vec<u64> = (0..number * 5).collect();
            words.extend(encode(seal(), Kind::Slots, number, number * 10, &body));
        }
        words
    }

    fn numbers(words: &[u64]) -> Vec<u64> {
        let bytes = to_bytes(words);
        Frames::new(&bytes.as_slice(), seal(), 0..u64::MAX).map(|frame| frame.number).collect()
    }

    #[test]
    fn frames_read_back() {
        assert_eq!(numbers(&three()), [0, 1, 2]);
    }

    #[test]
    fn a_frame_with_any_bit_flipped_is_skipped_and_the_others_are_found() {
        let good = three();
        let second = FRAME_OVERHEAD..2 * FRAME_OVERHEAD + 5;
        for bit in second.start * 64..second.end * 64 {
            let mut words = good.clone();
            words[bit / 64] ^= 1 << (bit % 64);
            assert_eq!(numbers(&words), [0, 2], "bit {bit}");
        }
    }

    #[test]
    fn a_frame_that_comes_twice_is_taken_once() {
        let good = three();
        let twice: Vec<u64> = good.iter().chain(&good).copied().collect();
        assert_eq!(numbers(&twice), [0, 1, 2]);
    }

    #[test]
    fn a_cut_anywhere_loses_the_last_frames_only() {
        let bytes = to_bytes(&three());
        for length in 0..bytes.len() {
            let cut = &bytes[..length];
            let found: Vec<_> = Frames::new(&cut, seal(), 0..u64::MAX).map(|frame| frame.number).collect();
            assert!([0, 1, 2].starts_with(&found), "{found:?}");
        }
    }

    #[test]
    fn a_frame_that_was_being_written_when_it_was_passed_is_not_lost() {
        let body = vec![5; MAX_BODY_WORDS];
        let words = (0..6).flat_map(|number| encode(seal(), Kind::Slots, number, 0, &body));
        let after = to_bytes(&words.collect::<Vec<_>>());
        for half in 0..6 {
            let mut before = after.clone();
            before[half * MAX_FRAME_BYTES as usize + 4000..].fill(0);
            for completed_after in 0..12 {
                let (before, after) = (before.clone(), after.clone());
                let source = Changing { first: completed_after, ..Changing::new(vec![before, after], None) };
                let found: Vec<_> =
                    Frames::new(&source, seal(), 0..u64::MAX).map(|frame| frame.number).collect();
                assert!([0, 1, 2, 3, 4, 5].starts_with(&found), "{half}, {completed_after}: {found:?}");
            }
        }
    }

    #[test]
    fn a_frame_that_reaches_beyond_its_section_is_none() {
        let mut words = vec![7; 100];
        words.extend(three());
        let bytes = to_bytes(&words);
        let found = |range: Range<u64>| -> Vec<u64> {
            Frames::new(&bytes.as_slice(), seal(), range).map(|frame| frame.number).collect()
        };
        let end = bytes.len() as u64;
        assert_eq!(found(800..end), [0, 1, 2]);
        assert_eq!(found(800..end + 8), [0, 1, 2]);
        assert_eq!(found(800..end - 1), [0, 1]);
        assert_eq!(found(808..end), [1, 2]);
        // It says that it is longer than it is, and its last word is right for what is there.
        let mut longer = words.clone();
        let (last, third) = (words.len() - 1, words.len() - FRAME_OVERHEAD - 10);
        longer[third + 1] += 1;
        longer[last] = seal().digest(longer[third..last].iter().copied());
        assert_eq!(numbers(&longer), [0, 1]);
    }

    #[test]
    fn a_section_is_read_once_and_twice_where_a_writer_may_have_closed_a_gap() {
        let longest =
            (0..6).flat_map(|number| encode(seal(), Kind::Slots, number, 0, &vec![5; MAX_BODY_WORDS]));
        let between = |before: usize, after: usize| [vec![0; before], three(), vec![0; after]].concat();
        let cases = [
            (between(0, 0), false, 1),
            (between(0, 100), false, 1),
            (between(3, 100), false, 1),
            (between(0, 100), true, 1),
            (between(3, 100), true, 2),
            // A frame that begins with the section's last word is not looked for beyond it.
            ([three(), vec![FRAME_MAGIC.into()]].concat(), false, 1),
            // Two of the longest fit the window.
            (longest.collect(), true, 3),
        ];
        for (words, is_written, reads) in cases {
            let source = Changing { is_written, ..Changing::new(vec![to_bytes(&words)], None) };
            assert!(Frames::new(&source, seal(), 0..u64::MAX).count() >= 3);
            assert_eq!(source.reads.get(), reads, "{} words, {is_written}", words.len());
        }
    }

    #[test]
    fn a_thousand_false_starts_and_a_section_is_given_up() {
        let starts = |count| {
            let one = [u64::from(FRAME_MAGIC) | (Kind::Slots as u64) << 32, 0, 0, 0, 0];
            [one.repeat(count), three()].concat()
        };
        assert_eq!(numbers(&starts(999)), [0, 1, 2]);
        assert_eq!(numbers(&starts(1000)), [0; 0]);
    }

    #[test]
    fn frames_beyond_the_first_window_are_found() {
        let mut words = vec![7; 5 * MAX_BODY_WORDS];
        words.extend(three());
        assert_eq!(numbers(&words), [0, 1, 2]);
    }
}
