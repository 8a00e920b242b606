//! Labels: names interned to 12-bit ids, so that a record carries a small number instead of a string.
//!
//! The table is one for the process and only grows. Interning takes a lock and happens once at a call site;
//! reading a label back takes none.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError, Weak};

use once_cell::race::OnceNonZeroUsize;
use once_cell::sync::{Lazy, OnceCell};

/// An interned name: the export or kernel routine that records, or the kind of an object.
///
/// Made once at the call site by [`label!`](crate::label!). A `&'static str` converts too, at the price of a
/// look-up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(u16);

/// Labels that one process can have. What comes later reads back as [`Label::OVERFLOW`].
pub const MAX_LABELS: usize = 1 << 12;

/// Bytes of a name that are kept when it is interned from data rather than from the program.
pub const MAX_LABEL_BYTES: usize = 64;

/// Names with fixed ids: label 0 is the overflow, then the kinds of objects.
const FIXED: [&str; 8] = [
    "(label table full)",
    "Event/Manual",
    "Event/Auto",
    "Semaphore",
    "Timer/Manual",
    "Timer/Auto",
    "Mutant",
    "Thread",
];

static NAMES: [OnceCell<&'static str>; MAX_LABELS] = [const { OnceCell::new() }; MAX_LABELS];

static TABLE: Lazy<Mutex<Table>> = Lazy::new(|| {
    let ids = (0..).zip(FIXED).map(|(id, name)| (name, id)).collect();
    Mutex::new(Table { ids, watchers: Vec::new() })
});

struct Table {
    ids: HashMap<&'static str, u16>,
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
        (0..table.ids.len() as u16).for_each(|id| watcher.learn(Label(id)));
    }
    table.watchers.push(watcher);
}

impl Label {
    /// What every label reads as once the table is full.
    pub const OVERFLOW: Self = Self(0);

    pub(crate) const EVENT_MANUAL: Self = Self(1);
    pub(crate) const EVENT_AUTO: Self = Self(2);
    pub(crate) const SEMAPHORE: Self = Self(3);
    pub(crate) const TIMER_MANUAL: Self = Self(4);
    pub(crate) const TIMER_AUTO: Self = Self(5);
    pub(crate) const MUTANT: Self = Self(6);
    pub(crate) const THREAD: Self = Self(7);

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

    fn intern<'a>(name: &'a str, keep: impl FnOnce(&'a str) -> &'static str) -> Self {
        let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = table.ids.get(name) {
            return Self(*id);
        }
        let next = table.ids.len();
        if next >= MAX_LABELS {
            return Self::OVERFLOW;
        }
        let (name, id) = (keep(name), next as u16);
        // The name is readable before anyone can hold the id.
        NAMES[next].get_or_init(|| name);
        table.ids.insert(name, id);
        table.watchers.retain(|watcher| watcher.upgrade().inspect(|w| w.learn(Self(id))).is_some());
        Self(id)
    }

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match FIXED.get(usize::from(self.0)) {
            Some(name) => name,
            None => NAMES[usize::from(self.0)].get().copied().unwrap_or(FIXED[0]),
        }
    }

    /// The id, below [`MAX_LABELS`]. Ids differ from one process to the next.
    #[must_use]
    #[inline(always)]
    pub const fn id(self) -> u16 {
        self.0
    }

    /// The label of an id that was read from a record, which has 12 bits for it.
    #[inline(always)]
    pub(crate) const fn from_id(id: u16) -> Self {
        Self(id)
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

/// The cell behind [`label!`](crate::label!): one per call site, filled on first use.
#[derive(Debug, Default)]
pub struct LabelCell(OnceNonZeroUsize);

impl LabelCell {
    /// An empty cell.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceNonZeroUsize::new())
    }

    /// The label of `name`, which must be the same at every call.
    #[inline(always)]
    pub fn get(&self, name: &'static str) -> Label {
        let bits = self.0.get_or_init(|| {
            // One is added so that id 0 can be told from an empty cell.
            NonZeroUsize::MIN.saturating_add(usize::from(Label::new(name).id()))
        });
        Label((bits.get() - 1) as u16)
    }
}

/// The [`Label`] of a string literal, interned on the first pass over the call site.
///
/// ```
/// let source = handle_audit::label!("KeSetEvent");
/// assert_eq!(source.as_str(), "KeSetEvent");
/// ```
#[macro_export]
macro_rules! label {
    ($name:expr) => {{
        static CELL: $crate::LabelCell = $crate::LabelCell::new();
        CELL.get($name)
    }};
}

#[cfg(test)]
mod tests {
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
}
