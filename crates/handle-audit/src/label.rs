//! Labels: names interned to 12-bit ids, so that a record carries a small number instead of a string.
//!
//! The table is one for the process and only grows. A call site's label is interned when the first record needs its
//! id, which takes a lock once; from then on the id is one load. An audit that is off needs no id at all.

use std::cmp::Ordering as Compared;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, Weak};

use once_cell::sync::{Lazy, OnceCell};

/// An interned name: the export or kernel routine that records, or the kind of an object.
///
/// Made once at the call site by [`label!`](crate::label!). A `&'static str` converts too, at the price of a
/// look-up.
#[derive(Clone, Copy)]
pub struct Label(&'static LabelCell);

/// What a [`Label`] refers to: a name and, once somebody needed it, its id.
#[derive(Debug)]
pub struct LabelCell {
    name: &'static str,
    /// A [`Mark`]. Written by whoever interns the name (Release), read by recorders and readers (Acquire): who sees the id also sees the name of that id.
    mark: AtomicU64,
}

/// Where a record has the id of its source.
pub(crate) const SOURCE_SHIFT: u32 = 8;

/// The id of a label plus one, shifted to where a record has the id of its source; 0 while it is not known.
pub(crate) type Mark = u64;

/// What a [`Mark`] has too much.
pub(crate) const NO_SOURCE: Mark = 1 << SOURCE_SHIFT;

/// Labels that one process can have. What comes later reads back as [`Label::OVERFLOW`].
pub const MAX_LABELS: usize = 1 << 12;

/// Bytes of a name that are kept when it is interned from data rather than from the program.
pub const MAX_LABEL_BYTES: usize = 64;

/// Names with fixed ids: label 0 is the overflow, then the kinds of objects.
static FIXED: [LabelCell; 8] = [
    LabelCell::known("(label table full)", 0),
    LabelCell::known("Event/Manual", 1),
    LabelCell::known("Event/Auto", 2),
    LabelCell::known("Semaphore", 3),
    LabelCell::known("Timer/Manual", 4),
    LabelCell::known("Timer/Auto", 5),
    LabelCell::known("Mutant", 6),
    LabelCell::known("Thread", 7),
];

/// By id, the labels that were made since. Each is a cell of its own whose id is known from the beginning.
static MADE: [OnceCell<Label>; MAX_LABELS] = [const { OnceCell::new() }; MAX_LABELS];

static TABLE: Lazy<Mutex<Table>> = Lazy::new(|| {
    let labels = FIXED.iter().map(|cell| (cell.name, Label(cell))).collect();
    Mutex::new(Table { labels, watchers: Vec::new() })
});

struct Table {
    labels: HashMap<&'static str, Label>,
    watchers: Vec<Weak<dyn LabelWatcher>>,
}

/// Somebody who must know a label before any record can carry it, such as the writer of a capture.
pub trait LabelWatcher: Send + Sync {
    /// A label exists. Called with the table locked, so it must not make a label itself.
    fn learn(&self, label: Label);
}

/// Tells `watcher` every label there is, and from now on every new one before its maker gets it. It ends when the
/// watcher is dropped.
pub fn watch_labels(watcher: Weak<dyn LabelWatcher>) {
    let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(watcher) = watcher.upgrade() {
        (0..table.labels.len() as u16).for_each(|id| watcher.learn(Label::from_id(id)));
    }
    table.watchers.push(watcher);
}

impl Label {
    /// What every label reads as once the table is full.
    pub const OVERFLOW: Self = Self(&FIXED[0]);

    pub(crate) const EVENT_MANUAL: Self = Self(&FIXED[1]);
    pub(crate) const EVENT_AUTO: Self = Self(&FIXED[2]);
    pub(crate) const SEMAPHORE: Self = Self(&FIXED[3]);
    pub(crate) const TIMER_MANUAL: Self = Self(&FIXED[4]);
    pub(crate) const TIMER_AUTO: Self = Self(&FIXED[5]);
    pub(crate) const MUTANT: Self = Self(&FIXED[6]);
    pub(crate) const THREAD: Self = Self(&FIXED[7]);

    /// Finds or makes the label of a name.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self::intern(name, |name| name)
    }

    /// The same for a name that was read from a file. A new one is copied for the life of the process, cut to
    /// [`MAX_LABEL_BYTES`]; the table bounds how many there can be.
    #[must_use]
    pub fn from_data(name: &str) -> Self {
        let end =
            (0..=name.len().min(MAX_LABEL_BYTES)).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
        Self::intern(&name[..end], |name| Box::leak(name.to_owned().into_boxed_str()))
    }

    /// The label of a call site's own cell; [`label!`](crate::label!) makes both.
    #[must_use]
    #[inline(always)]
    pub const fn of(cell: &'static LabelCell) -> Self {
        Self(cell)
    }

    fn intern<'a>(name: &'a str, keep: impl FnOnce(&'a str) -> &'static str) -> Self {
        let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(label) = table.labels.get(name) {
            return *label;
        }
        let next = table.labels.len();
        if next >= MAX_LABELS {
            return Self::OVERFLOW;
        }
        let label = Self(Box::leak(Box::new(LabelCell::known(keep(name), next as u64))));
        // The name is readable before anyone can hold the id.
        let publish = || _ = MADE[next].get_or_init(|| label);
        if !spsc_ring::planted!("label_published_late") {
            publish();
        }
        table.labels.insert(label.0.name, label);
        table.watchers.retain(|watcher| watcher.upgrade().inspect(|w| w.learn(label)).is_some());
        if spsc_ring::planted!("label_published_late") {
            publish();
        }
        label
    }

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::from_id(self.id()).0.name
    }

    /// The id, below [`MAX_LABELS`]. Ids differ from one process to the next.
    #[must_use]
    #[inline]
    pub fn id(self) -> u16 {
        ((self.mark() >> SOURCE_SHIFT) - 1) as u16
    }

    /// Its mark, as far as it is known.
    #[inline(always)]
    pub(crate) fn known_mark(self) -> Mark {
        self.0.mark.load(Ordering::Acquire)
    }

    /// Its mark; the name is interned if it was not.
    #[inline]
    pub(crate) fn mark(self) -> Mark {
        match self.known_mark() {
            0 => self.0.intern(),
            mark => mark,
        }
    }

    /// The label of an id that was read from a record, which has 12 bits for it.
    pub(crate) fn from_id(id: u16) -> Self {
        match FIXED.get(usize::from(id)) {
            Some(cell) => Self(cell),
            None => MADE[usize::from(id)].get().copied().unwrap_or(Self::OVERFLOW),
        }
    }
}

// Two call sites have a cell each for one name; what makes them the same label is the id.

impl PartialEq for Label {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Label {}

impl PartialOrd for Label {
    fn partial_cmp(&self, other: &Self) -> Option<Compared> {
        Some(self.cmp(other))
    }
}

impl Ord for Label {
    fn cmp(&self, other: &Self) -> Compared {
        self.id().cmp(&other.id())
    }
}

impl Hash for Label {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

impl From<&'static str> for Label {
    fn from(name: &'static str) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "label!({:?})", self.as_str())
    }
}

impl LabelCell {
    /// A cell for [`Label::of`].
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, mark: AtomicU64::new(0) }
    }

    const fn known(name: &'static str, id: u64) -> Self {
        Self { name, mark: AtomicU64::new((id + 1) << SOURCE_SHIFT) }
    }

    #[cold]
    #[inline(never)]
    fn intern(&self) -> Mark {
        let mark = Label::new(self.name).mark();
        self.mark.store(mark, Ordering::Release);
        mark
    }
}

/// The [`Label`] of a string literal, interned when the first record needs it.
///
/// ```
/// let source = handle_audit::label!("KeSetEvent");
/// assert_eq!(source.as_str(), "KeSetEvent");
/// ```
#[macro_export]
macro_rules! label {
    ($name:expr) => {{
        static CELL: $crate::LabelCell = $crate::LabelCell::new($name);
        $crate::Label::of(&CELL)
    }};
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn a_label_reads_back_as_its_name_and_is_one_per_name() {
        let here = label!("NtSetEvent");
        let there = Label::new("NtSetEvent");
        assert_eq!(here, there);
        assert_eq!(there.as_str(), "NtSetEvent");
        assert_ne!(here, label!("NtClearEvent"));
    }

    #[test]
    fn labels_of_one_name_are_one_in_every_order_and_hash() {
        let (here, there, other) = (label!("one name"), Label::new("one name"), Label::new("another name"));
        let hasher = std::hash::RandomState::new();
        assert_eq!(here.partial_cmp(&there), Some(Compared::Equal));
        assert_eq!(here.partial_cmp(&other), other.partial_cmp(&here).map(Compared::reverse));
        assert_ne!(here.partial_cmp(&other), here.partial_cmp(&there));
        assert_eq!(hasher.hash_one(here), hasher.hash_one(there));
        assert_ne!(hasher.hash_one(here), hasher.hash_one(other));
        assert_eq!(format!("{here:>10}"), "  one name");
    }

    #[test]
    fn kinds_have_fixed_ids() {
        assert_eq!(Label::new("Event/Auto"), Label::EVENT_AUTO);
        assert_eq!(Label::THREAD.as_str(), "Thread");
    }

    #[test]
    fn a_name_from_data_is_cut_at_a_character() {
        let long = "é".repeat(MAX_LABEL_BYTES);
        assert_eq!(Label::from_data(&long).as_str(), "é".repeat(MAX_LABEL_BYTES / 2));
        assert_eq!(Label::from_data("NtSetEvent"), Label::new("NtSetEvent"));
    }

    #[test]
    fn whoever_learns_a_label_can_read_its_name() {
        #[derive(Default)]
        struct Reader(Mutex<Vec<&'static str>>);
        impl LabelWatcher for Reader {
            fn learn(&self, label: Label) {
                self.0.lock().unwrap().push(label.as_str());
            }
        }
        let reader = std::sync::Arc::new(Reader::default());
        let watcher: std::sync::Arc<dyn LabelWatcher> = reader.clone();
        watch_labels(std::sync::Arc::downgrade(&watcher));
        let _ = Label::new("learnt at once");
        let names = reader.0.lock().unwrap();
        assert!(names.contains(&"Event/Auto") && names.contains(&"learnt at once"), "{names:?}");
    }
}
