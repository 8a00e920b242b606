//! Operation, ring and source of a record in one number, as trails keep them.

use crate::config::MAX_RINGS;
use crate::label::MAX_LABELS;
use crate::operation::Operation;
use crate::record::Record;

const RING_SHIFT: u32 = 4;
const SOURCE_SHIFT: u32 = 11;

/// The operation in bits 0 to 3, the ring in bits 4 to 10, the id of the source's label in bits 11 to 22. Above, where no
/// word of a trail has it, the list that the record goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(u32);

/// The list of signals, of waits, of wakes, and that of all others.
pub(crate) const SIGNALS: usize = 0;
pub(crate) const WAITS: usize = 1;
pub(crate) const WAKES: usize = 2;
pub(crate) const OTHERS: usize = 3;
pub(crate) const LISTS: usize = 4;

/// By code, operation and list. A table, because what comes next cannot be guessed: a branch would be taken wrong half of
/// the time.
const OPERATIONS: [u32; Tag::ACCOUNTS] = {
    let mut all = [0; Tag::ACCOUNTS];
    let mut code = 0;
    while code < all.len() {
        all[code] = code as u32 | (OTHERS as u32) << Tag::BITS;
        code += 1;
    }
    all[Operation::Signal as usize] = Operation::Signal as u32 | (SIGNALS as u32) << Tag::BITS;
    all[Operation::Wait as usize] = Operation::Wait as u32 | (WAITS as u32) << Tag::BITS;
    all[Operation::Wake as usize] = Operation::Wake as u32 | (WAKES as u32) << Tag::BITS;
    all
};

const _: () = assert!(Operation::COUNT < 1 << RING_SHIFT);
const _: () = assert!(MAX_RINGS <= 1 << (SOURCE_SHIFT - RING_SHIFT));
const _: () = assert!(MAX_LABELS <= 1 << (Tag::BITS - SOURCE_SHIFT));

impl Tag {
    /// What of a word a tag takes.
    pub(crate) const BITS: u32 = 23;

    #[inline(always)]
    pub(crate) fn new(operation: Operation, ring: u8, source: u16) -> Self {
        Self(
            OPERATIONS[operation as usize]
                | u32::from(ring) << RING_SHIFT
                | u32::from(source) << SOURCE_SHIFT,
        )
    }

    /// The tag of a head that came through this ring. Of another slot it says nothing.
    #[inline(always)]
    pub(crate) fn of(record: &Record, ring: u8) -> Self {
        let operation = OPERATIONS[usize::from(record.code()) % OPERATIONS.len()];
        Self(operation | u32::from(ring) << RING_SHIFT | u32::from(record.source_id()) << SOURCE_SHIFT)
    }

    /// The tag in the lowest bits of a word, for what trails tell; it names no list.
    #[inline(always)]
    pub(crate) fn from_word(word: u64) -> Self {
        Self(word as u32 % (1 << Self::BITS))
    }

    /// The lowest bits of a word.
    #[inline(always)]
    pub(crate) fn word(self) -> u64 {
        (self.0 % (1 << Self::BITS)).into()
    }

    /// The list that the record goes to.
    #[inline(always)]
    pub(crate) fn list(self) -> usize {
        (self.0 >> Self::BITS) as usize % LISTS
    }

    /// The code of the operation.
    #[inline(always)]
    pub(crate) fn code(self) -> u8 {
        (self.0 % (1 << RING_SHIFT)) as u8
    }

    #[inline(always)]
    pub(crate) fn is(self, operation: Operation) -> bool {
        self.code() == operation as u8
    }

    /// Whether records of this operation are appended to a list of the handle's trail, if it has one.
    #[inline(always)]
    pub(crate) fn goes_to_a_list(self) -> bool {
        !self.is(Operation::Create) && !self.is(Operation::GhostSignal)
    }

    /// The operation, unless the tag was read where none stands.
    pub(crate) fn operation(self) -> Option<Operation> {
        Operation::from_code(self.code())
    }

    #[inline(always)]
    pub(crate) fn ring(self) -> u8 {
        (self.0 >> RING_SHIFT) as u8 % (1 << (SOURCE_SHIFT - RING_SHIFT))
    }

    #[inline(always)]
    pub(crate) fn source(self) -> u16 {
        (self.0 >> SOURCE_SHIFT) as u16 % (1 << (Self::BITS - SOURCE_SHIFT))
    }

    /// Operation and ring: where among the accounts of all rings a record is counted.
    #[inline(always)]
    pub(crate) fn account(self) -> usize {
        self.0 as usize % (1 << SOURCE_SHIFT)
    }

    /// Operations that there could be for each ring, among its accounts.
    pub(crate) const ACCOUNTS: usize = 1 << RING_SHIFT;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::HandleAuditEntry;
    use crate::label;
    use crate::record::Unstamped;

    const SOURCES: [u16; 4] = [0, 1, 0x555, MAX_LABELS as u16 - 1];

    #[test]
    fn a_tag_reads_back_beside_whatever_stands_above_it() {
        for operation in Operation::ALL {
            for (ring, source) in [0, 1, 85, MAX_RINGS as u8 - 1].into_iter().zip(SOURCES) {
                let tag = Tag::new(operation, ring, source);
                assert!(tag.word() < 1 << Tag::BITS);
                let read = Tag::from_word(tag.word() | u64::MAX << Tag::BITS);
                for tag in [tag, read] {
                    assert_eq!((tag.operation(), tag.ring(), tag.source()), (Some(operation), ring, source));
                    assert!(
                        tag.is(operation) && !tag.is(Operation::from_code(operation as u8 % 15 + 1).unwrap())
                    );
                    assert_eq!(tag.account(), usize::from(ring) * Tag::ACCOUNTS + operation as usize);
                }
            }
        }
        assert_eq!(Tag::from_word(0).operation(), None);
    }

    #[test]
    fn a_record_has_the_tag_of_what_it_is() {
        let entry = HandleAuditEntry::new(1, 2, 3, label!("a source"), 4);
        for operation in Operation::ALL {
            let call = Unstamped::new(operation, 0xFFF, u32::MAX, &entry);
            let record = Record::new(&call, entry.source.mark(), || u64::MAX);
            assert_eq!(Tag::of(&record, 127), Tag::new(operation, 127, entry.source.id()));
        }
    }

    #[test]
    fn three_operations_have_a_list_of_their_own() {
        let list = |operation| Tag::new(operation, MAX_RINGS as u8 - 1, MAX_LABELS as u16 - 1).list();
        assert_eq!([Operation::Signal, Operation::Wait, Operation::Wake].map(list), [SIGNALS, WAITS, WAKES]);
        for operation in &Operation::ALL[Operation::Satisfied.index()..] {
            assert_eq!(list(*operation), OTHERS);
            assert!(Tag::new(*operation, 0, 0).goes_to_a_list());
        }
        for operation in [Operation::Create, Operation::GhostSignal] {
            assert!(!Tag::new(operation, 0, 0).goes_to_a_list());
        }
    }
}
