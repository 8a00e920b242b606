//! The wait-for graph: which thread each parked thread needs, and how that is known.

use std::collections::{BTreeMap, BTreeSet};

use handle_audit::Operation;
use handle_audit::aux::ThreadEvent;

use crate::history::{History, Outcome, Round, State, Step};
use crate::object::{Class, Object};
use crate::view::{Activity, Blocked, Member, Mode, View};

/// How it is known that one thread needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// It owns the object.
    Owner,
    /// The object is the thread itself.
    Join,
    /// It has signalled the object before, this often.
    Signaller(u64),
    /// It has signalled objects made at the same place.
    SiblingSignaller,
    /// It took what the object had to give, and has not given it back: a count or an event that serves as a lock.
    Taker,
    /// It made the object, and nobody ever signalled it.
    Creator,
}

impl Link {
    /// Whether no other thread can help: the rest is inferred from earlier rounds.
    pub(crate) fn is_certain(self) -> bool {
        matches!(self, Self::Owner | Self::Join)
    }

    /// How little the edge rests on: 0 for a certain one, more for less.
    pub(crate) fn weakness(self) -> u8 {
        match self {
            Self::Owner | Self::Join => 0,
            Self::Signaller(_) => 1,
            Self::SiblingSignaller => 2,
            Self::Taker => 3,
            Self::Creator => 4,
        }
    }
}

/// One thread needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// The object between them.
    pub(crate) object: usize,
    pub(crate) link: Link,
}

/// One object that somebody is parked on, read once.
pub(crate) struct Studied {
    pub(crate) history: History,
    pub(crate) state: State,
}

/// The edges that count, one per parked thread at most, and the histories that they were read from.
pub(crate) struct Graph {
    pub(crate) edges: BTreeMap<u32, Edge>,
    pub(crate) studied: BTreeMap<usize, Studied>,
}

impl Graph {
    pub(crate) fn new(view: &View<'_>) -> Self {
        let members = view.blocked.values().flat_map(|blocked| &blocked.members);
        let suspects: BTreeSet<usize> = members.filter_map(|member| member.object).collect();
        let study = |index: usize| {
            let history = History::of(&view.objects[index]);
            let state = history.state();
            (index, Studied { history, state })
        };
        let studied = suspects.into_iter().map(study).collect();
        let mut graph = Self { edges: BTreeMap::new(), studied };
        graph.edges = view
            .blocked
            .values()
            .filter_map(|blocked| Some((blocked.tid, graph.edge(view, blocked)?)))
            .collect();
        graph
    }

    /// The edge of one parked thread.
    fn edge(&self, view: &View<'_>, blocked: &Blocked) -> Option<Edge> {
        let edges: Vec<Option<Edge>> =
            blocked.members.iter().map(|member| self.member_edge(view, blocked, member)).collect();
        match blocked.mode {
            // It needs every member, so a certain edge of any one of them holds.
            Mode::All => {
                let edges: Vec<Edge> = edges.into_iter().flatten().collect();
                edges.iter().find(|edge| edge.link.is_certain()).or(edges.first()).copied()
            }
            // Any member would do: it needs a thread only if all members need that one.
            Mode::Any => {
                let first = edges.first().copied().flatten()?;
                edges.iter().all(|edge| edge.is_some_and(|edge| edge.to == first.to)).then_some(first)
            }
        }
    }

    fn member_edge(&self, view: &View<'_>, blocked: &Blocked, member: &Member) -> Option<Edge> {
        let index = member.object.filter(|_| !member.stale)?;
        let Studied { history, state } = self.studied.get(&index)?;
        let edge = |to: u32, link: Link| Edge { from: blocked.tid, to, object: index, link };
        match history.class {
            class if class.is_owned() => {
                state.owner.filter(|owner| owner.tid != blocked.tid).map(|owner| edge(owner.tid, Link::Owner))
            }
            Class::Thread => {
                let target = history.created.entry.aux as u32;
                let alive = target != 0 && view.activity(target) != Activity::Exited;
                alive.then(|| edge(target, Link::Join))
            }
            class if class.is_timer() => None,
            _ if open_promise(history).is_some() || state.count.is_some_and(|count| count > 0) => None,
            _ => {
                let (to, link) = expected_signaller(view, index, history, blocked.tid)?;
                Some(edge(to, link))
            }
        }
    }

    /// The chain of edges from a thread, itself left out: each thread once.
    pub(crate) fn chain(&self, tid: u32) -> Vec<Edge> {
        let mut chain: Vec<Edge> = Vec::new();
        let mut at = tid;
        while let Some(edge) = self.edges.get(&at) {
            if chain.iter().any(|before| before.from == edge.from) {
                break;
            }
            chain.push(*edge);
            at = edge.to;
        }
        chain
    }
}

/// The newest promise that no signal has fulfilled.
pub(crate) fn open_promise(history: &History) -> Option<usize> {
    let end = history.steps.len();
    let promise = history.last(end, |step| step.operation() == Operation::Promise)?;
    let kept = history.steps[promise..].iter().any(|step| step.is_signal());
    (!kept).then_some(promise)
}

/// The thread that should signal, to judge by earlier rounds. One that can still act is preferred: as long as it
/// can, nobody else is to blame.
fn expected_signaller(view: &View<'_>, index: usize, history: &History, waiter: u32) -> Option<(u32, Link)> {
    let signals = |step: &&Step| step.is_signal() || step.operation() == Operation::Pulse;
    let own = signallers(history.steps.iter().filter(signals).map(|step| step.entry().tid), waiter);
    if let Some((tid, signals)) = choose(view, &own) {
        return Some((tid, Link::Signaller(signals)));
    }
    let object = &view.objects[index];
    if !own.is_empty() || object.total(Operation::Signal) + object.total(Operation::Pulse) > 0 {
        return None;
    }
    let siblings: Vec<&Object<'_>> = view.siblings(index).take(MAX_SIBLINGS).collect();
    let records = siblings.iter().flat_map(|sibling| sibling.trail.signals.iter());
    let signallers = signallers(records.map(|record| record.entry.tid), waiter);
    if let (Some((tid, _)), 1) = (choose(view, &signallers), signallers.len()) {
        // One that can still act, and only ever signalled what nobody waited for, may have the wrong handle.
        let used = siblings.iter().any(|sibling| sibling.total(Operation::Wait) > 0);
        if used || view.activity(tid) == Activity::Blocked {
            return Some((tid, Link::SiblingSignaller));
        }
    }
    let stuck = |tid: &u32| *tid != waiter && view.activity(*tid) == Activity::Blocked;
    let creator = Some(history.created.entry.tid).filter(stuck).map(|creator| (creator, Link::Creator));
    let took = |round: &&Round| round.outcome == Outcome::Took;
    let taker = history.rounds.iter().rev().find(took).map(|round| round.tid).filter(stuck);
    taker.filter(|_| history.class.is_consumable()).map(|taker| (taker, Link::Taker)).or(creator)
}

/// Siblings that are looked at: enough to see a habit, few enough to stay fast when one line makes 100 000 handles.
pub(crate) const MAX_SIBLINGS: usize = 256;

fn signallers(tids: impl Iterator<Item = u32>, waiter: u32) -> BTreeMap<u32, u64> {
    let mut signals = BTreeMap::new();
    for tid in tids.filter(|tid| *tid != 0 && *tid != waiter) {
        *signals.entry(tid).or_default() += 1;
    }
    signals
}

/// Of the threads that are still alive: one that can run before one that is parked, the busiest first.
fn choose(view: &View<'_>, signallers: &BTreeMap<u32, u64>) -> Option<(u32, u64)> {
    let alive = signallers.iter().filter(|(tid, _)| view.activity(**tid) != Activity::Exited);
    let rank = |(tid, signals): &(&u32, &u64)| {
        (view.activity(**tid) != Activity::Blocked, **signals, std::cmp::Reverse(**tid))
    };
    alive.max_by_key(rank).map(|(tid, signals)| (*tid, *signals))
}

/// Whether a thread ended, by its record.
pub(crate) fn exit_record<'a>(view: &View<'a>, tid: u32) -> Option<&'a handle_audit::TrailEntry> {
    view.thread_event(tid, ThreadEvent::Exited)
}
