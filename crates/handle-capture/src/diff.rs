//! Two captures of one title, compared. Handle values and threads' numbers differ from run to run; who created an
//! object, and in which turn, does not.

use std::collections::BTreeMap;

use handle_audit::{CapturedRecord, HandleAuditEntry, HandleKind, Label, Operation};

use crate::story::Story;

/// Where an object was made: its kind, the call, the address after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    /// What was made.
    pub kind: HandleKind,
    /// The call that made it.
    pub source: Label,
    /// The guest address after that call.
    pub lr: u32,
}

/// An object, by where and in which turn it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Where.
    pub site: Site,
    /// The how-manyth object of that place it is, from 1.
    pub ordinal: u64,
}

impl Site {
    fn order(&self) -> (u32, &'static str, &'static str) {
        (self.lr, self.source.as_str(), self.kind.as_str())
    }
}

impl PartialOrd for Site {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Site {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

/// What was done to an object, without who and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Act {
    /// What.
    pub operation: Operation,
    /// By which call.
    pub source: Label,
    /// From where.
    pub lr: u32,
}

/// Who did it, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occasion {
    /// The handle value in its run.
    pub handle: u32,
    /// The guest thread.
    pub tid: u32,
    /// The cycle.
    pub cycle: u64,
}

/// An act that came more often in one run than in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uneven {
    /// The object.
    pub object: ObjectKey,
    /// The act.
    pub act: Act,
    /// How often in the good run.
    pub good: u64,
    /// How often in the bad one.
    pub bad: u64,
    /// The first time that only one of the runs has it, in that run.
    pub first: Occasion,
}

/// The first act on an object that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The object.
    pub object: ObjectKey,
    /// How many acts on it were the same before.
    pub after: usize,
    /// What came then in the good run.
    pub good: Option<(Act, Occasion)>,
    /// What came then in the bad one.
    pub bad: Option<(Act, Occasion)>,
}

/// How two runs differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Objects in both.
    pub common: usize,
    /// Objects that only the good run made.
    pub only_good: Vec<(ObjectKey, Occasion)>,
    /// Objects that only the bad run made.
    pub only_bad: Vec<(ObjectKey, Occasion)>,
    /// The earliest divergence.
    pub first: Option<Divergence>,
    /// Signals and the like that came in one run and not, or less often, in the other; the missing ones first.
    pub uneven: Vec<Uneven>,
}

impl Diff {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.only_good.is_empty()
            && self.only_bad.is_empty()
            && self.first.is_none()
            && self.uneven.is_empty()
    }
}

#[derive(Debug)]
struct Object {
    created: Occasion,
    acts: Vec<(Act, Occasion)>,
}

/// A create: where it stands, if it is among the records, and what it made.
struct Creation {
    index: Option<usize>,
    site: Site,
    occasion: Occasion,
}

/// The creates of a run in turn. The fold does not order creates of different handles, so their cycles say whose turn
/// it was.
fn creations(story: &Story) -> Vec<Creation> {
    let creation = |index, kind, handle, entry: &HandleAuditEntry| Creation {
        index,
        site: Site { kind, source: entry.source, lr: entry.lr },
        occasion: Occasion { handle, tid: entry.tid, cycle: entry.cycle },
    };
    let older = story.older.iter().map(|object| creation(None, object.kind, object.handle, &object.created));
    let records = story.records.iter().enumerate();
    let creates = records.filter(|(_, record)| record.operation == Operation::Create);
    let creates =
        creates.map(|(index, record)| creation(Some(index), record.kind, record.handle, &record.entry));
    let mut all: Vec<_> = older.chain(creates).collect();
    all.sort_by_key(|creation| (creation.occasion.cycle, creation.index));
    all
}

/// Objects with what was done to them. Waits, wakes and what a wait consumed depend on who came first, and are left
/// out.
fn objects(story: &Story) -> BTreeMap<ObjectKey, Object> {
    let mut objects: BTreeMap<ObjectKey, Object> = BTreeMap::new();
    let mut present: BTreeMap<u32, ObjectKey> = BTreeMap::new();
    let mut made_by: BTreeMap<usize, ObjectKey> = BTreeMap::new();
    let mut ordinals: BTreeMap<Site, u64> = BTreeMap::new();
    for Creation { index, site, occasion } in creations(story) {
        let ordinal = ordinals.entry(site).or_default();
        *ordinal += 1;
        let key = ObjectKey { site, ordinal: *ordinal };
        objects.insert(key, Object { created: occasion, acts: Vec::new() });
        match index {
            Some(index) => _ = made_by.insert(index, key),
            None => _ = present.insert(occasion.handle, key),
        }
    }
    for (index, record) in story.records.iter().enumerate() {
        let (operation, source, lr) = (record.operation, record.entry.source, record.entry.lr);
        match operation {
            Operation::Create => _ = present.insert(record.handle, made_by[&index]),
            Operation::Wait | Operation::Wake | Operation::Satisfied => {}
            _ => {
                let object = present.get(&record.handle).and_then(|key| objects.get_mut(key));
                let act = (Act { operation, source, lr }, occasion(record));
                object.into_iter().for_each(|object| object.acts.push(act));
            }
        }
    }
    objects
}

fn occasion(record: &CapturedRecord) -> Occasion {
    Occasion { handle: record.handle, tid: record.entry.tid, cycle: record.entry.cycle }
}

/// Compares two runs.
#[must_use]
pub fn diff(good: &Story, bad: &Story) -> Diff {
    let (good, bad) = (objects(good), objects(bad));
    let mut diff = Diff::default();
    let missing = |from: &BTreeMap<ObjectKey, Object>, other: &BTreeMap<ObjectKey, Object>| {
        let mut only: Vec<_> = (from.iter())
            .filter(|(key, _)| !other.contains_key(key))
            .map(|(key, object)| (*key, object.created))
            .collect();
        only.sort_by_key(|(_, created)| created.cycle);
        only
    };
    diff.only_good = missing(&good, &bad);
    diff.only_bad = missing(&bad, &good);
    let mut first: Option<(u64, Divergence)> = None;
    for (key, good) in &good {
        let Some(bad) = bad.get(key) else { continue };
        diff.common += 1;
        if let Some(divergence) = diverge(*key, good, bad) {
            // What one run lacks is dated by the run that has it.
            let cycles = [divergence.good, divergence.bad].into_iter().flatten().map(|(_, when)| when.cycle);
            let cycle = cycles.min().unwrap_or(0);
            if first.is_none_or(|(earliest, _)| cycle < earliest) {
                first = Some((cycle, divergence));
            }
        }
        diff.uneven.extend(uneven(*key, good, bad));
    }
    diff.first = first.map(|(_, divergence)| divergence);
    diff.uneven.sort_by_key(|uneven| (uneven.bad > 0, uneven.good > 0, uneven.first.cycle));
    diff
}

fn diverge(object: ObjectKey, good: &Object, bad: &Object) -> Option<Divergence> {
    let same = good.acts.iter().zip(&bad.acts).take_while(|(good, bad)| good.0 == bad.0).count();
    let (good, bad) = (good.acts.get(same).copied(), bad.acts.get(same).copied());
    (good.is_some() || bad.is_some()).then_some(Divergence { object, after: same, good, bad })
}

fn uneven(object: ObjectKey, good: &Object, bad: &Object) -> Vec<Uneven> {
    let mut acts: BTreeMap<Act, [Vec<Occasion>; 2]> = BTreeMap::new();
    for (run, acts_of) in [good, bad].into_iter().enumerate() {
        for (act, when) in &acts_of.acts {
            acts.entry(*act).or_default()[run].push(*when);
        }
    }
    let differ = acts.into_iter().filter(|(_, [good, bad])| good.len() != bad.len());
    differ
        .map(|(act, [good, bad])| {
            let (more, less) = if good.len() > bad.len() { (&good, bad.len()) } else { (&bad, good.len()) };
            Uneven { object, act, good: good.len() as u64, bad: bad.len() as u64, first: more[less] }
        })
        .collect()
}
