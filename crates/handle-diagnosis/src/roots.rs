//! From edges to roots: which parked thread explains which.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{Edge, Graph, Link};
use crate::habit::Habit;
use crate::rules::{self, Finding};
use crate::verdict::{Confidence, VerdictId};
use crate::view::{Blocked, View};

/// Every parked thread with its root: itself, or the one that explains it.
pub(crate) struct Roots {
    /// What is known of each root by itself.
    pub(crate) findings: BTreeMap<u32, Finding>,
    /// For each parked thread the root that it leads to.
    pub(crate) root_of: BTreeMap<u32, u32>,
    /// Edges that lead from a root into a circle that history alone closes.
    pub(crate) broken: BTreeMap<u32, Edge>,
    /// The edges that were followed.
    pub(crate) followed: BTreeMap<u32, Edge>,
}

impl Roots {
    pub(crate) fn find(view: &View<'_>, graph: &Graph, habits: &BTreeMap<u32, Habit>) -> Self {
        let say = |blocked: &Blocked| Some((blocked.tid, rules::best(view, graph, blocked)?));
        let findings: BTreeMap<u32, Finding> = view.blocked.values().filter_map(say).collect();
        let parked = graph.edges.values().filter(|edge| view.blocked.contains_key(&edge.to));
        let leads = parked.filter(|edge| {
            let (own, theirs) = (findings.get(&edge.from), findings.get(&edge.to));
            let stands = own.is_some_and(|own| outweighs(own, edge.link, theirs));
            // Who took from a queue owes nothing; who took a lock does, and is known by being stuck with it.
            !stands && (edge.link != Link::Taker || theirs.is_some_and(is_sure))
        });
        let followed = leads.map(|edge| (edge.from, *edge)).collect();
        let mut roots = Self { findings, root_of: BTreeMap::new(), broken: BTreeMap::new(), followed };
        for circle in circles(&roots.followed) {
            roots.open(view, graph, &circle);
        }
        roots.release_idle(view, habits);
        roots.resolve(view);
        roots
    }

    /// A thread that is parked where it always parks is nobody's victim, unless it is needed itself: it only waits
    /// for more work, as far as history tells.
    fn release_idle(&mut self, view: &View<'_>, habits: &BTreeMap<u32, Habit>) {
        let mut needed: BTreeSet<u32> = BTreeSet::new();
        let is_idle =
            |tid: &u32| habits.get(tid).is_some_and(|habit| habit.is_idle()) && !view.case.is_main(*tid);
        let active = view.blocked.keys().filter(|tid| !is_idle(tid));
        for tid in active.copied().chain(self.broken.values().map(|edge| edge.to)) {
            let mut at = tid;
            while needed.insert(at) {
                let Some(edge) = self.followed.get(&at) else { break };
                at = edge.to;
            }
        }
        self.followed.retain(|tid, edge| needed.contains(tid) || edge.link.is_certain());
    }

    /// Takes one edge out of a circle, so that every chain ends. A circle of certain edges is a deadlock.
    fn open(&mut self, view: &View<'_>, graph: &Graph, circle: &[Edge]) {
        let deadlock = rules::cycle(view, graph, circle);
        let head = match &deadlock {
            Some(_) => circle.iter().map(|edge| edge.from).min(),
            None => circle.iter().max_by_key(|edge| self.suits_as_head(view, edge)).map(|edge| edge.from),
        };
        let Some(head) = head else { return };
        let taken_out = self.followed.remove(&head).filter(|_| deadlock.is_none());
        self.broken.extend(taken_out.map(|edge| (head, edge)));
        self.findings.extend(deadlock.map(|finding| (head, finding)));
    }

    /// In a circle that history closes: who has something specific to say, whose own edge is weak, and last the
    /// main thread.
    fn suits_as_head(&self, view: &View<'_>, edge: &Edge) -> (Confidence, u8, bool, std::cmp::Reverse<u32>) {
        let confidence =
            self.findings.get(&edge.from).map_or(Confidence::Unknown, |finding| finding.confidence);
        (confidence, edge.link.weakness(), view.case.is_main(edge.from), std::cmp::Reverse(edge.from))
    }

    fn resolve(&mut self, view: &View<'_>) {
        for tid in view.blocked.keys() {
            let mut path = vec![*tid];
            let root = loop {
                let at = path[path.len() - 1];
                match (self.root_of.get(&at), self.followed.get(&at)) {
                    (Some(root), _) => break *root,
                    (None, Some(edge)) => path.push(edge.to),
                    (None, None) => break at,
                }
            };
            self.root_of.extend(path.into_iter().map(|tid| (tid, root)));
        }
    }

    /// Whether a thread leads to its root through certain edges alone.
    pub(crate) fn is_certain(&self, tid: u32) -> bool {
        let mut at = tid;
        while let Some(edge) = self.followed.get(&at) {
            if !edge.link.is_certain() {
                return false;
            }
            at = edge.to;
        }
        true
    }
}

/// Whether what a thread says by itself explains it better than the thread that it seems to need, given what that one
/// says.
fn outweighs(own: &Finding, link: Link, theirs: Option<&Finding>) -> bool {
    use VerdictId::{
        ApcStarved, DeadTimer, Ghost, LostPulse, LostResume, PromiseBroken, SignalledNotWoken, UseAfterClose,
        WrongTwin,
    };
    // Whoever is surely stuck would have helped: a guess about this thread does not stand against that.
    let stuck = theirs.is_some_and(is_sure);
    if own.confidence < Confidence::Likely || stuck && own.confidence == Confidence::Likely {
        return false;
    }
    match own.id {
        SignalledNotWoken | UseAfterClose => true,
        // One pulse that was missed is routine where the next one comes.
        LostPulse => !(link.is_certain() || stuck && matches!(link, Link::Signaller(2..))),
        PromiseBroken | DeadTimer | ApcStarved | Ghost | WrongTwin | LostResume => !link.is_certain(),
        _ => false,
    }
}

fn is_sure(finding: &Finding) -> bool {
    finding.confidence >= Confidence::Strong
}

/// The circles among edges of which each thread has at most one.
fn circles(edges: &BTreeMap<u32, Edge>) -> Vec<Vec<Edge>> {
    let mut done: BTreeSet<u32> = BTreeSet::new();
    let mut circles = Vec::new();
    for start in edges.keys() {
        let mut path: Vec<Edge> = Vec::new();
        let mut place: BTreeMap<u32, usize> = BTreeMap::new();
        let mut at = *start;
        while !done.contains(&at) {
            if let Some(first) = place.get(&at) {
                circles.push(path[*first..].to_vec());
                break;
            }
            let Some(edge) = edges.get(&at) else { break };
            place.insert(at, path.len());
            path.push(*edge);
            at = edge.to;
        }
        done.extend(place.into_keys());
    }
    circles
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::draft;

    #[test]
    fn what_a_thread_says_outweighs_whom_it_needs_by_what_both_rest_on() {
        use Confidence::{Hint, Likely, Proven, Strong};
        use VerdictId::*;
        const OFTEN: Link = Link::Signaller(2);
        const ONCE: Link = Link::Signaller(1);
        for (own, confidence, link, theirs, outweighs_it) in [
            // What contradicts the kernel stands against everything.
            (SignalledNotWoken, Proven, Link::Owner, Some(Proven), true),
            (UseAfterClose, Proven, Link::Join, Some(Proven), true),
            (SignalledNotWoken, Hint, OFTEN, None, false),
            // What is known of the object itself stands against history, and not against an owner.
            (PromiseBroken, Strong, OFTEN, Some(Proven), true),
            (PromiseBroken, Strong, Link::Owner, None, false),
            (DeadTimer, Strong, Link::Creator, None, true),
            (ApcStarved, Strong, Link::Taker, Some(Strong), true),
            (Ghost, Strong, OFTEN, None, true),
            (WrongTwin, Likely, Link::SiblingSignaller, None, true),
            (LostResume, Proven, Link::Creator, None, true),
            (LostResume, Proven, Link::Join, None, false),
            // A guess stands only where the other is not surely stuck.
            (PromiseBroken, Likely, OFTEN, Some(Strong), false),
            (PromiseBroken, Likely, OFTEN, Some(Likely), true),
            (PromiseBroken, Likely, OFTEN, None, true),
            // One pulse missed of many is routine while the one who pulses is stuck.
            (LostPulse, Proven, OFTEN, Some(Strong), false),
            (LostPulse, Proven, ONCE, Some(Strong), true),
            (LostPulse, Proven, OFTEN, Some(Likely), true),
            (LostPulse, Proven, OFTEN, None, true),
            (LostPulse, Proven, Link::Owner, None, false),
            // The rest is what one says who knows nothing better.
            (NeverSignalled, Likely, Link::Creator, None, false),
            (HeartbeatStopped, Strong, OFTEN, None, false),
        ] {
            let own = draft(own, confidence, 4).finding;
            let theirs = theirs.map(|theirs| draft(Deadlock, theirs, 8).finding);
            let stands = outweighs(&own, link, theirs.as_ref());
            assert_eq!(stands, outweighs_it, "{own:?} {link:?} {theirs:?}");
        }
    }
}
