//! One kernel object as the rules see it: usually one trail, sometimes several that an alias joins.

use handle_audit::{HandleAuditTrail, Operation, PreviousGeneration, Snapshot, TrailEntry};

/// What can be expected of an object, by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    ManualEvent,
    AutoEvent,
    Semaphore,
    ManualTimer,
    AutoTimer,
    Mutant,
    CriticalSection,
    Thread,
    Other,
}

impl Class {
    fn of(kind: &str) -> Self {
        match kind {
            "Event/Manual" => Self::ManualEvent,
            "Event/Auto" => Self::AutoEvent,
            "Semaphore" => Self::Semaphore,
            "Timer/Manual" => Self::ManualTimer,
            "Timer/Auto" => Self::AutoTimer,
            "Mutant" => Self::Mutant,
            "CriticalSection" => Self::CriticalSection,
            "Thread" => Self::Thread,
            _ => Self::Other,
        }
    }

    /// It belongs to the thread that acquired it.
    pub(crate) fn is_owned(self) -> bool {
        matches!(self, Self::Mutant | Self::CriticalSection)
    }

    pub(crate) fn is_timer(self) -> bool {
        matches!(self, Self::ManualTimer | Self::AutoTimer)
    }

    /// A wait that is satisfied uses it up.
    pub(crate) fn is_consumable(self) -> bool {
        matches!(self, Self::AutoEvent | Self::Semaphore | Self::AutoTimer)
    }

    pub(crate) fn is_event(self) -> bool {
        matches!(self, Self::ManualEvent | Self::AutoEvent)
    }
}

/// One object, in its present life.
#[derive(Clone, Debug)]
pub(crate) struct Object<'a> {
    /// The trail under its present primary name.
    pub(crate) trail: &'a HandleAuditTrail,
    /// Its trails under earlier primary names, oldest first.
    pub(crate) joined: Vec<&'a HandleAuditTrail>,
    /// What is left of the oldest trail, where that handle was reissued since.
    pub(crate) earlier: Option<Earlier<'a>>,
    /// Waits of the generation before that nothing has closed, here or under the next name of that object: their
    /// threads are parked on a handle that names another object now.
    pub(crate) stale_waits: Vec<TrailEntry>,
}

/// The beginning of an object whose first handle names another one now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Earlier<'a> {
    pub(crate) handle: u32,
    pub(crate) summary: &'a PreviousGeneration,
}

impl<'a> Object<'a> {
    pub(crate) fn handle(&self) -> u32 {
        self.trail.handle
    }

    pub(crate) fn class(&self) -> Class {
        Class::of(self.trail.kind.as_str())
    }

    /// Its trails, oldest first.
    pub(crate) fn parts(&self) -> impl DoubleEndedIterator<Item = &'a HandleAuditTrail> {
        self.joined.iter().copied().chain([self.trail])
    }

    /// The call that made the object, whatever it was called then.
    pub(crate) fn created(&self) -> &'a TrailEntry {
        match (self.earlier, self.joined.first()) {
            (Some(earlier), _) => &earlier.summary.created,
            (None, Some(first)) => &first.created,
            (None, None) => &self.trail.created,
        }
    }

    /// How often an operation happened in all its life.
    pub(crate) fn total(&self, operation: Operation) -> u64 {
        let earlier = self.earlier.map_or(0, |earlier| earlier.summary.totals.get(operation));
        earlier + self.parts().map(|part| part.totals.get(operation)).sum::<u64>()
    }

    /// All its names, the present one first.
    pub(crate) fn names(&self) -> Vec<u32> {
        let mut names = vec![self.handle()];
        let others =
            self.parts().rev().flat_map(|part| [part.handle].into_iter().chain(part.aliases.iter().copied()));
        for name in others {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Waits that nothing has closed, oldest first. A wait under an earlier name may have ended under a later one.
    pub(crate) fn open_waits(&self) -> Vec<TrailEntry> {
        let mut open = self.earlier.map_or_else(Vec::new, |earlier| earlier.summary.open_waits.clone());
        for part in self.joined.iter().copied().chain([self.trail]) {
            open.retain(|wait| !closes_in(part, wait.entry.tid));
            open.extend(&part.open_waits);
        }
        open
    }
}

/// Whether a part holds a wake or satisfied of this thread before any wait of its own: it ends an earlier wait.
fn closes_in(part: &HandleAuditTrail, tid: u32) -> bool {
    let own = part.waits.held().filter(|entry| entry.entry.tid == tid).map(|entry| entry.seq).min();
    let satisfied = part.others.held().filter(|entry| entry.operation == Operation::Satisfied);
    let ends = part.wakes.held().chain(satisfied);
    ends.filter(|entry| entry.entry.tid == tid).any(|entry| own.is_none_or(|first| entry.seq < first))
}

/// Exports that take a name from an object. A create by one of them is the same object under its next name.
const CLOSING: [&str; 2] = ["NtClose", "ObDereferenceObject"];

/// All objects of a snapshot, each once, by present primary name.
pub(crate) fn objects(snapshot: &Snapshot) -> Vec<Object<'_>> {
    let before: Vec<Option<Before<'_>>> =
        snapshot.trails.iter().map(|trail| predecessor(snapshot, trail)).collect();
    let mut goes_on = vec![false; snapshot.trails.len()];
    for before in before.iter().flatten() {
        if let Before::Trail(index) = before {
            goes_on[*index] = true;
        }
    }
    let mut joined = vec![false; snapshot.trails.len()];
    let mut objects: Vec<Object<'_>> = Vec::with_capacity(snapshot.trails.len());
    for (newest, trail) in snapshot.trails.iter().enumerate().filter(|(index, _)| !goes_on[*index]) {
        let mut object = Object { trail, joined: Vec::new(), earlier: None, stale_waits: Vec::new() };
        let mut at = newest;
        while let Some(Before::Trail(index)) = before[at]
            && !std::mem::replace(&mut joined[index], true)
        {
            object.joined.insert(0, &snapshot.trails[index]);
            at = index;
        }
        if let Some(Before::Summary(summary)) = before[at] {
            object.earlier = Some(summary);
        }
        objects.push(object);
    }
    let continuing: Vec<Object<'_>> =
        objects.iter().filter(|object| object.earlier.is_some()).cloned().collect();
    for object in &mut objects {
        object.stale_waits = stale_waits(&continuing, object);
    }
    objects
}

/// What the generation before left open. If that object lives on under its next name, it may have ended there.
fn stale_waits(continuing: &[Object<'_>], object: &Object<'_>) -> Vec<TrailEntry> {
    let Some(previous) = object.trail.previous.as_deref().filter(|previous| !previous.open_waits.is_empty())
    else {
        return Vec::new();
    };
    let is_same = |earlier: Earlier<'_>| std::ptr::eq(earlier.summary, previous);
    let successor = continuing.iter().find(|other| other.earlier.is_some_and(is_same));
    match successor.map(Object::open_waits) {
        Some(open) => previous.open_waits.iter().filter(|wait| open.contains(wait)).copied().collect(),
        None => previous.open_waits.clone(),
    }
}

enum Before<'a> {
    Trail(usize),
    Summary(Earlier<'a>),
}

/// Whether the object had another name before, to judge by the call that began the trail.
fn goes_on_from_another(trail: &HandleAuditTrail) -> bool {
    CLOSING.contains(&trail.created.entry.source.as_str())
}

/// What orders the trails of one object: none is its own predecessor, whatever the records say.
fn age(trail: &HandleAuditTrail) -> (u64, bool, u32) {
    (trail.created.entry.cycle, goes_on_from_another(trail), trail.handle)
}

/// The trail, or the summary of one, that this trail goes on from.
fn predecessor<'a>(snapshot: &'a Snapshot, trail: &HandleAuditTrail) -> Option<Before<'a>> {
    if !goes_on_from_another(trail) {
        return None;
    }
    trail.aliases.iter().find_map(|name| {
        let index = snapshot.trails.binary_search_by_key(name, |other| other.handle).ok()?;
        let other = &snapshot.trails[index];
        let mutual = other.aliases.contains(&trail.handle);
        if mutual && age(other) < age(trail) {
            return Some(Before::Trail(index));
        }
        let summary = other.previous.as_deref()?;
        let named = summary
            .last
            .iter()
            .any(|entry| entry.operation == Operation::Alias && entry.entry.aux == u64::from(trail.handle));
        named.then_some(Before::Summary(Earlier { handle: *name, summary }))
    })
}
