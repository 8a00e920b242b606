//! The snapshot and the thread list brought together: objects, threads, and who is parked where.

use std::collections::BTreeMap;

use handle_audit::aux::{ThreadAux, ThreadEvent, WaitAux};
use handle_audit::{GhostTrail, Lead, Operation, ThreadRecord, TrailEntry};
use rustc_hash::FxHashMap;

use crate::input::{Case, Ended, ThreadInfo, ThreadState};
use crate::object::{Class, Object, objects};

/// How much could be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grade {
    /// Operations beyond the first five were recorded.
    pub further_operations: bool,
    /// The host told where its threads stand.
    pub thread_list: bool,
}

impl Grade {
    /// What could not be known, one sentence each.
    #[must_use]
    pub fn unknowns(self) -> Vec<&'static str> {
        let mut unknowns = Vec::new();
        if !self.further_operations {
            unknowns.push(
                "only create, signal, wait and wake were recorded: closes, resets, promises, owners and waits that \
                 returned at once are unknown",
            );
        }
        if !self.thread_list {
            unknowns.push(
                "the host gave no list of threads: whether a thread is parked is read from its records",
            );
        }
        unknowns
    }
}

/// What a thread needs of the handles that it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One of them, or the only one.
    Any,
    All,
}

/// One handle that a parked thread waits for.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) handle: u32,
    /// Index of the object; `None` for a handle that was never seen created.
    pub(crate) object: Option<usize>,
    /// The record of the wait, if there is one.
    pub(crate) wait: Option<TrailEntry>,
    /// The wait was on the generation before: the handle was reissued under it.
    pub(crate) stale: bool,
}

/// One thread that is parked, and where.
#[derive(Clone, Debug)]
pub(crate) struct Blocked {
    pub(crate) tid: u32,
    pub(crate) mode: Mode,
    pub(crate) alertable: bool,
    /// It never gives up by itself.
    pub(crate) for_ever: bool,
    pub(crate) members: Vec<Member>,
}

impl Blocked {
    /// The record of its Wait call.
    pub(crate) fn wait(&self) -> Option<&TrailEntry> {
        self.members.iter().find_map(|member| member.wait.as_ref())
    }

    pub(crate) fn lr(&self) -> Option<u32> {
        self.wait().map(|wait| wait.entry.lr)
    }

    pub(crate) fn since(&self) -> Option<u64> {
        self.wait().map(|wait| wait.entry.cycle)
    }
}

/// What a thread can do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    Blocked,
    Exited,
    /// It was made and has not run.
    NeverRan,
    Suspended,
    Runnable,
    /// It waits for time to pass.
    Delayed,
}

/// Snapshot, thread list and run, indexed.
pub(crate) struct View<'a> {
    pub(crate) case: Case<'a>,
    pub(crate) grade: Grade,
    pub(crate) objects: Vec<Object<'a>>,
    pub(crate) blocked: BTreeMap<u32, Blocked>,
    /// The guest timebase at the end.
    pub(crate) now: u64,
    /// Signals among the last records of all threads that reached no object.
    pub(crate) astray: Vec<ThreadRecord>,
    by_alias: FxHashMap<u32, usize>,
    by_site: FxHashMap<u32, Vec<usize>>,
    thread_objects: FxHashMap<u32, usize>,
}

impl<'a> View<'a> {
    /// Nothing was recorded at all.
    pub(crate) fn is_untraced(&self) -> bool {
        self.case.snapshot.folded == 0 && self.case.snapshot.trails.is_empty()
    }

    pub(crate) fn new(case: Case<'a>) -> Self {
        let objects = objects(case.snapshot);
        let mut by_alias = FxHashMap::default();
        let mut by_site: FxHashMap<u32, Vec<usize>> = FxHashMap::default();
        let mut thread_objects = FxHashMap::default();
        for (index, object) in objects.iter().enumerate() {
            by_site.entry(object.created().entry.lr).or_default().push(index);
            if object.class() == Class::Thread {
                thread_objects.insert(object.created().entry.aux as u32, index);
            }
            if object.total(Operation::Alias) > 0 {
                by_alias.extend(object.names().into_iter().map(|name| (name, index)));
            }
        }
        let grade = Grade { further_operations: has_further(&case), thread_list: case.threads.is_some() };
        let now = end_of_time(&case);
        let blocked = BTreeMap::new();
        let mut view = Self {
            case,
            grade,
            objects,
            blocked,
            now,
            astray: Vec::new(),
            by_alias,
            by_site,
            thread_objects,
        };
        view.astray = view.unresolved_signals();
        view.blocked = match case.threads {
            Some(threads) => threads.iter().filter_map(|thread| view.parked_by_host(thread)).collect(),
            None => view.parked_by_records(),
        };
        view
    }

    /// The object that goes by this name now. A primary name outranks an alias that an older object left behind.
    pub(crate) fn object_index(&self, handle: u32) -> Option<usize> {
        let primary = self.objects.binary_search_by_key(&handle, Object::handle).ok();
        primary.or_else(|| self.by_alias.get(&handle).copied())
    }

    /// The thread object of a thread.
    pub(crate) fn thread_object(&self, tid: u32) -> Option<&Object<'a>> {
        self.thread_objects.get(&tid).map(|index| &self.objects[*index])
    }

    /// Objects of the same kind from the same line of the guest, this one left out.
    pub(crate) fn siblings(&self, index: usize) -> impl Iterator<Item = &Object<'a>> {
        let object = &self.objects[index];
        let same_site = self.by_site.get(&object.created().entry.lr).into_iter().flatten();
        same_site
            .filter(move |other| **other != index)
            .map(|other| &self.objects[*other])
            .filter(|other| other.trail.kind == object.trail.kind)
    }

    pub(crate) fn ghost(&self, handle: u32) -> Option<&'a GhostTrail> {
        self.case.snapshot.ghost(handle)
    }

    pub(crate) fn lead(&self, handle: u32) -> Option<&'a Lead> {
        let leads = &self.case.snapshot.leads;
        leads.binary_search_by_key(&handle, |lead| lead.handle).ok().map(|index| &leads[index])
    }

    /// All threads that anything is known of, ascending.
    pub(crate) fn tids(&self) -> Vec<u32> {
        let listed = self.case.threads.into_iter().flatten().map(|thread| thread.tid);
        let recorded = self.case.snapshot.threads.iter().map(|thread| thread.tid);
        let made = self.thread_objects.keys().copied();
        let known = listed.chain(recorded).chain(made).chain(self.blocked.keys().copied());
        let mut tids: Vec<u32> = known.filter(|tid| *tid != 0).collect();
        tids.sort_unstable();
        tids.dedup();
        tids
    }

    pub(crate) fn activity(&self, tid: u32) -> Activity {
        if self.blocked.contains_key(&tid) {
            return Activity::Blocked;
        }
        let ran = self.case.snapshot.thread(tid).is_some()
            || self.thread_event(tid, ThreadEvent::Started).is_some();
        match self.case.thread(tid).map(|thread| thread.state) {
            Some(ThreadState::Exited) => Activity::Exited,
            Some(ThreadState::Suspended) if !ran => Activity::NeverRan,
            Some(ThreadState::Suspended) => Activity::Suspended,
            Some(ThreadState::Waiting) => Activity::Delayed,
            Some(_) => Activity::Runnable,
            None if self.thread_event(tid, ThreadEvent::Exited).is_some() => Activity::Exited,
            None if !ran && self.grade.further_operations => Activity::NeverRan,
            None => Activity::Runnable,
        }
    }

    /// The newest record of a thread's life that says this.
    pub(crate) fn thread_event(&self, tid: u32, event: ThreadEvent) -> Option<&'a TrailEntry> {
        let trail = self.thread_object(tid)?.trail;
        if trail.totals.get(Operation::Thread) == 0 {
            return None;
        }
        let says = |record: &&TrailEntry| {
            record.operation == Operation::Thread && ThreadAux::decode(record.entry.aux).event == event
        };
        trail.others.held().filter(says).last()
    }

    /// Whether the run ended because the guest hangs, so that an absence has had all the time it needs.
    pub(crate) fn ended_in_hang(&self) -> bool {
        self.case.run.ended.is_hang()
    }

    pub(crate) fn finished(&self) -> bool {
        self.case.run.ended == Ended::Finished
    }

    fn unresolved_signals(&self) -> Vec<ThreadRecord> {
        let records = self.case.snapshot.threads.iter().flat_map(|thread| &thread.last);
        let unresolved = |record: &&ThreadRecord| match record.operation {
            Operation::GhostSignal => true,
            Operation::Signal => self.object_index(record.handle).is_none(),
            _ => false,
        };
        records.filter(unresolved).copied().collect()
    }

    fn parked_by_host(&self, thread: &ThreadInfo) -> Option<(u32, Blocked)> {
        let parked = matches!(thread.state, ThreadState::Waiting | ThreadState::Suspended);
        if !parked || thread.on.is_empty() {
            return None;
        }
        let members: Vec<Member> = thread.on.iter().map(|handle| self.member(*handle, thread.tid)).collect();
        let blocked = Blocked {
            tid: thread.tid,
            mode: if thread.all && members.len() > 1 { Mode::All } else { Mode::Any },
            alertable: thread.alertable,
            for_ever: thread.deadline.is_none(),
            members,
        };
        Some((thread.tid, blocked))
    }

    /// What the records know of a wait that the host reports.
    fn member(&self, handle: u32, tid: u32) -> Member {
        let object = self.object_index(handle);
        let newest = |waits: &[TrailEntry]| waits.iter().rev().find(|wait| wait.entry.tid == tid).copied();
        let here = object.and_then(|index| newest(&self.objects[index].open_waits()));
        let before = object.and_then(|index| newest(&self.objects[index].stale_waits));
        // The host may call the object by its next name; the thread knows it by the one that was reissued.
        let renamed = object.and_then(|index| self.objects[index].earlier).map(|earlier| earlier.handle);
        if let Some(old) = renamed.filter(|old| *old != handle).and_then(|old| self.object_index(old))
            && let Some(wait) = newest(&self.objects[old].stale_waits)
        {
            let handle = self.objects[old].handle();
            return Member { handle, object: Some(old), wait: Some(wait), stale: true };
        }
        let stale = here.is_none() && before.is_some();
        let wait = here.or(before).or_else(|| self.last_wait(tid, handle));
        Member { handle, object, wait, stale }
    }

    /// The newest wait of a thread on a handle among its last records, if nothing of the same thread closed it.
    fn last_wait(&self, tid: u32, handle: u32) -> Option<TrailEntry> {
        let trail = self.case.snapshot.thread(tid)?;
        let newest =
            trail.last.iter().rev().find(|record| record.handle == handle && is_wait_or_end(record))?;
        (newest.operation == Operation::Wait).then(|| as_entry(newest))
    }

    /// Who is parked, from records alone.
    fn parked_by_records(&self) -> BTreeMap<u32, Blocked> {
        let mut waits: BTreeMap<u32, Vec<Member>> = BTreeMap::new();
        let mut park = |handle: u32, object: Option<usize>, wait: TrailEntry, stale: bool| {
            waits.entry(wait.entry.tid).or_default().push(Member { handle, object, wait: Some(wait), stale });
        };
        for (index, object) in self.objects.iter().enumerate() {
            for wait in &object.stale_waits {
                park(object.handle(), Some(index), *wait, true);
            }
            if object.parts().all(|part| part.open_waits.is_empty()) {
                continue;
            }
            // What its first handle left open is stale, and stands under that handle.
            let stale = object.earlier.map_or(&[][..], |earlier| &earlier.summary.open_waits);
            for wait in object.open_waits().into_iter().filter(|wait| !stale.contains(wait)) {
                park(object.handle(), Some(index), wait, false);
            }
        }
        for thread in &self.case.snapshot.threads {
            for record in thread.last.iter().filter(|record| record.operation == Operation::Wait) {
                let known = self.object_index(record.handle).is_some();
                if let Some(wait) = (!known).then(|| self.last_wait(thread.tid, record.handle)).flatten() {
                    park(record.handle, None, wait, false);
                }
            }
        }
        waits.into_iter().filter_map(|(tid, members)| Some((tid, self.newest_call(tid, members)?))).collect()
    }

    /// Of all open waits of a thread, those of its newest call: it can be parked in one call only.
    fn newest_call(&self, tid: u32, mut members: Vec<Member>) -> Option<Blocked> {
        let newest = members.iter().filter_map(|member| member.wait).max_by_key(|wait| wait.entry.cycle)?;
        let flags = WaitAux::decode(newest.entry.aux);
        let multiple = flags.all || flags.any;
        members.retain(|member| {
            member.wait.is_some_and(|wait| {
                wait == newest
                    || multiple && wait.entry.lr == newest.entry.lr && wait.entry.aux == newest.entry.aux
            })
        });
        members.sort_by_key(|member| (member.handle, member.stale));
        members.dedup_by_key(|member| member.handle);
        let exited = tid == 0 || self.thread_event(tid, ThreadEvent::Exited).is_some();
        if exited || !self.is_still_there(tid, &newest) {
            return None;
        }
        Some(Blocked {
            tid,
            mode: if flags.all { Mode::All } else { Mode::Any },
            alertable: flags.alertable,
            // In a deadlock no thread has a deadline left, whatever its call asked for.
            for_ever: flags.timeout.is_none() || self.case.run.ended == Ended::Deadlock,
            members,
        })
    }

    /// Without `satisfied` records an open wait may have returned at once: it counts only if the thread did
    /// nothing afterwards.
    fn is_still_there(&self, tid: u32, wait: &TrailEntry) -> bool {
        if self.grade.further_operations {
            return true;
        }
        let last = self.case.snapshot.thread(tid).and_then(|thread| thread.last.back());
        last.is_some_and(|last| last.operation == Operation::Wait && last.entry.lr == wait.entry.lr)
    }
}

fn is_wait_or_end(record: &ThreadRecord) -> bool {
    matches!(record.operation, Operation::Wait | Operation::Wake | Operation::Satisfied)
}

/// A thread's record in the form of a trail's; it has no number within a generation.
pub(crate) fn as_entry(record: &ThreadRecord) -> TrailEntry {
    TrailEntry { seq: 0, operation: record.operation, ring: record.ring, entry: record.entry }
}

fn has_further(case: &Case<'_>) -> bool {
    let snapshot = case.snapshot;
    let in_rings = snapshot.losses.rings.iter().flat_map(|ring| ring.folded.iter());
    in_rings
        .chain(snapshot.trails.iter().flat_map(|trail| trail.totals.iter()))
        .any(|(operation, _)| !operation.is_basic())
}

/// The newest cycle that anything reports.
fn end_of_time(case: &Case<'_>) -> u64 {
    let threads = case.snapshot.threads.iter().filter_map(|thread| thread.last.back());
    let trails = case.snapshot.trails.iter().flat_map(|trail| {
        let lists = [&trail.signals, &trail.waits, &trail.wakes, &trail.others];
        lists
            .into_iter()
            .filter_map(|list| list.newest())
            .map(|newest| newest.entry.cycle)
            .chain([trail.created.entry.cycle])
    });
    threads.map(|record| record.entry.cycle).chain(trails).fold(case.run.cycles, u64::max)
}
