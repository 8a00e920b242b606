//! HT10: threads wait for each other in a circle of owned objects.

use crate::graph::{Edge, Graph, Link};
use crate::input::Ended;
use crate::rules::Finding;
use crate::verdict::{Confidence, Evidence, VerdictId};
use crate::view::{Blocked, View};
use crate::words;

/// A circle of certain edges. Proven if no wait in it can end; `None` if one can give up.
pub(crate) fn cycle(view: &View<'_>, graph: &Graph, edges: &[Edge]) -> Option<Finding> {
    let blocked: Vec<&Blocked> =
        edges.iter().map(|edge| view.blocked.get(&edge.from)).collect::<Option<_>>()?;
    if blocked.iter().any(|blocked| !blocked.for_ever) || edges.iter().any(|edge| !edge.link.is_certain()) {
        return None;
    }
    let closing = edges.iter().max_by_key(|edge| (view.blocked[&edge.from].since(), edge.from))?;
    let mut threads: Vec<u32> = edges.iter().map(|edge| edge.from).collect();
    threads.sort_unstable();
    let object = &view.objects[closing.object];
    let created = edges.iter().map(|edge| view.objects[edge.object].created().entry.cycle);
    // While others run, one of them may still queue an APC that ends an alertable wait.
    let open = blocked.iter().any(|blocked| blocked.alertable) && view.case.run.ended != Ended::Deadlock;
    Some(Finding {
        id: VerdictId::Deadlock,
        confidence: if open { Confidence::Strong } else { Confidence::Proven },
        handle: object.handle(),
        generation: Some(object.trail.generation),
        culprit: Some(format!("thread {}", closing.from)),
        since: created.min().unwrap_or(0),
        summary: summary(view, edges, &threads),
        evidence: evidence(view, graph, edges),
        next: next(view, edges, &threads),
        threads,
    })
}

fn summary(view: &View<'_>, edges: &[Edge], threads: &[u32]) -> String {
    let who = words::sentence(&words::threads(&view.case, threads));
    match edges {
        // Nobody waits for what it owns itself.
        [_] => format!("{who} waits for its own end."),
        _ => {
            let first = threads.first().copied().unwrap_or_default();
            let hops: Vec<String> = in_order(edges, first).iter().map(|edge| hop(view, edge)).collect();
            format!("{who} wait for each other: {}.", hops.join("; "))
        }
    }
}

fn next(view: &View<'_>, edges: &[Edge], threads: &[u32]) -> String {
    let lrs = threads.iter().filter_map(|tid| view.blocked[tid].lr());
    let mut places: Vec<String> = lrs.map(|lr| words::place(view.case.symbols, lr)).collect();
    places.dedup();
    let compare = words::list(&places);
    match edges {
        [_] => format!("See how {compare} came to the handle of its own thread."),
        _ if edges.iter().all(|edge| edge.link == Link::Join) => {
            format!("See which of these waits should not be there: {compare}.")
        }
        _ if places.len() == 1 => {
            format!(
                "Take them in one order everywhere: all wait at {compare}, so compare its callers (--all)."
            )
        }
        _ => format!("Take them in one order everywhere: compare {compare}."),
    }
}

fn in_order(edges: &[Edge], first: u32) -> Vec<Edge> {
    let start = edges.iter().position(|edge| edge.from == first).unwrap_or(0);
    edges[start..].iter().chain(&edges[..start]).copied().collect()
}

fn hop(view: &View<'_>, edge: &Edge) -> String {
    let handle = words::hex(view.objects[edge.object].handle());
    match edge.link {
        Link::Join => format!("thread {} waits for the end of thread {}", edge.from, edge.to),
        _ => format!("thread {} waits for {handle}, which thread {} owns", edge.from, edge.to),
    }
}

/// Of each edge: where the owner acquired, and where the other waits.
fn evidence(view: &View<'_>, graph: &Graph, edges: &[Edge]) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    for edge in edges {
        let handle = view.objects[edge.object].handle();
        let studied = graph.studied.get(&edge.object);
        let acquired = studied.and_then(|studied| {
            let owner = studied.state.owner?;
            Some(owner.acquired.map_or(studied.history.created, |index| studied.history.steps[index].record))
        });
        evidence.extend(acquired.map(|record| {
            let note = format!("since then thread {} owns it", edge.to);
            Evidence { handle, record: Some(record), note }
        }));
        let wait = view.blocked.get(&edge.from).and_then(|blocked| blocked.wait().copied());
        let note = match edge.link {
            Link::Join => format!("thread {} waits for the end of thread {}", edge.from, edge.to),
            _ => format!("thread {} waits for it", edge.from),
        };
        evidence.push(Evidence { handle, record: wait, note });
    }
    evidence.sort_by_key(|evidence| evidence.record.map(|record| record.entry.cycle));
    evidence
}
