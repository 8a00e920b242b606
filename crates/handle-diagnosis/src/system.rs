//! What is said of the run as a whole: victims, idle threads, losses, blind spots.

use std::collections::BTreeMap;

use crate::graph::{Edge, Graph, Link};
use crate::habit::Habit;
use crate::judge::{Need, Parked};
use crate::object::Object;
use crate::rank::{Draft, NO_HANDLE};
use crate::roots::Roots;
use crate::rules::Finding;
use crate::settle::Loss;
use crate::verdict::{Confidence, Evidence, VerdictId};
use crate::view::{Activity, Blocked, View};
use crate::words;

/// HT11 for a thread that a draft explains.
pub(crate) fn victim(view: &View<'_>, graph: &Graph, tid: u32, draft: &Draft) -> Option<Finding> {
    let blocked = view.blocked.get(&tid)?;
    let chain = graph.chain(tid);
    let root = draft.finding.threads.first().copied().unwrap_or_default();
    let needed = chain.first().map_or(root, |edge| edge.to);
    let mut finding = about(view, blocked, VerdictId::Victim, draft.finding.confidence);
    finding.culprit = Some(format!("thread {needed}"));
    let how = chain.first().map_or_else(String::new, |edge| format!(", which {}", how(view, edge)));
    finding.summary = format!(
        "{} waits for {}; it needs {}{how}.",
        name(view, tid),
        wait_names(view, blocked),
        words::thread(&view.case, needed)
    );
    finding.evidence = path(view, &chain, draft);
    finding.next =
        format!("See {} of {}.", draft.finding.id, words::threads(&view.case, &draft.finding.threads));
    Some(finding)
}

/// The path to the root, one wait each.
fn path(view: &View<'_>, chain: &[Edge], draft: &Draft) -> Vec<Evidence> {
    let to_root = chain.iter().take_while(|edge| !draft.finding.threads.contains(&edge.from));
    let step = |edge: &Edge| Evidence {
        handle: view.objects[edge.object].handle(),
        record: view.blocked.get(&edge.from).and_then(|blocked| blocked.wait().copied()),
        note: format!("needs thread {}, which {}", edge.to, how(view, edge)),
    };
    to_root.map(step).collect()
}

/// HT11 for a root of which nothing is known but that the thread it needs cannot run: the circle that history
/// closes, or a thread that was suspended.
pub(crate) fn needs_a_blocked_thread(
    view: &View<'_>,
    graph: &Graph,
    roots: &Roots,
    root: u32,
) -> Option<Finding> {
    let blocked = view.blocked.get(&root)?;
    let suspended = |edge: &&Edge| matches!(view.activity(edge.to), Activity::Suspended | Activity::NeverRan);
    let edge = roots.broken.get(&root).or_else(|| graph.edges.get(&root).filter(suspended))?;
    let confidence = if edge.link.is_certain() { Confidence::Strong } else { Confidence::Likely };
    let needed = words::thread(&view.case, edge.to);
    let plight = match view.blocked.get(&edge.to) {
        Some(other) => format!("is itself blocked, on {}", wait_names(view, other)),
        None => "is suspended".to_owned(),
    };
    let mut finding = about(view, blocked, VerdictId::Victim, confidence);
    finding.culprit = Some(format!("thread {}", edge.to));
    finding.summary = format!(
        "{} waits for {}; {needed}, which {}, {plight}.",
        name(view, root),
        wait_names(view, blocked),
        how(view, edge)
    );
    let wait = |blocked: &Blocked, note: String| Evidence {
        handle: blocked.members[0].handle,
        record: blocked.wait().copied(),
        note,
    };
    finding.evidence.push(wait(blocked, format!("needs {needed}")));
    finding
        .evidence
        .extend(view.blocked.get(&edge.to).map(|other| wait(other, format!("{needed} waits too"))));
    finding.evidence.sort_by_key(|evidence| evidence.record.map(|record| record.entry.cycle));
    finding.next = match view.blocked.get(&edge.to).and_then(Blocked::lr) {
        Some(lr) => format!(
            "See why {needed} came to {} without signalling first.",
            words::place(view.case.symbols, lr)
        ),
        None => format!("See who is to resume {needed}."),
    };
    Some(finding)
}

/// HT22 in place of a finding whose ground a loss takes away.
pub(crate) fn insufficient(view: &View<'_>, finding: Finding, loss: &Loss<'_>) -> Finding {
    let threads = words::threads(&view.case, &finding.threads);
    let verb = if finding.threads.len() == 1 { "is" } else { "are" };
    let what = view.object_index(finding.handle).map_or_else(
        || format!("handle {}", words::hex(finding.handle)),
        |index| format!("{} {}", view.objects[index].trail.kind, words::hex(finding.handle)),
    );
    Finding {
        summary: format!(
            "{} {verb} blocked on {what}; it looks like {} {}, but {}.",
            words::sentence(&threads),
            finding.id,
            finding.id.name(),
            loss.what()
        ),
        id: VerdictId::InsufficientEvidence,
        confidence: Confidence::Unknown,
        culprit: None,
        next: loss.remedy().to_owned(),
        ..finding
    }
}

/// HT22 for the run: records are missing, and nothing that is known explains its end.
pub(crate) fn gap(view: &View<'_>, drafts: &[Draft]) -> Option<Draft> {
    let answered = drafts
        .iter()
        .any(|draft| is_sure(&draft.finding) || draft.finding.id == VerdictId::InsufficientEvidence);
    let parked: Vec<u32> =
        view.blocked.values().filter(|blocked| blocked.for_ever).map(|blocked| blocked.tid).collect();
    if answered || view.finished() || parked.is_empty() && !view.ended_in_hang() {
        return None;
    }
    let loss = crate::settle::loss(view, 0, 0, false)?;
    let mut finding = of_the_run(VerdictId::InsufficientEvidence, parked.clone());
    finding.summary = match parked.as_slice() {
        [] => format!("{}.", words::sentence(&loss.what())),
        [one] => {
            let blocked = &view.blocked[one];
            format!("{} is blocked on {}, and {}.", name(view, *one), wait_names(view, blocked), loss.what())
        }
        many => format!("{} blocked, and {}.", is_or_are(many, "thread"), loss.what()),
    };
    finding.next = loss.remedy().to_owned();
    Some(Draft::new(finding, None, parked, Habit::default()))
}

/// HT21: no open wait explains the end.
pub(crate) fn no_gap(view: &View<'_>, drafts: &[Draft]) -> Option<Draft> {
    let answered = drafts
        .iter()
        .any(|draft| is_sure(&draft.finding) || draft.finding.id == VerdictId::InsufficientEvidence);
    if answered || view.finished() {
        return None;
    }
    let can_run = |tid: &u32| view.activity(*tid) == Activity::Runnable;
    let runnable: Vec<u32> = view.tids().into_iter().filter(can_run).collect();
    let mut finding = of_the_run(VerdictId::NoSyncGap, runnable.clone());
    finding.summary = match runnable.as_slice() {
        [] => "No open wait explains the end of the run, and no thread can run.".to_owned(),
        [one] => {
            format!("No open wait explains the end of the run; {} can run.", words::thread(&view.case, *one))
        }
        many => format!(
            "No open wait explains the end of the run; {} can run.",
            words::count(many.len() as u64, "thread")
        ),
    };
    finding.next = match runnable.first() {
        Some(tid) => format!(
            "Look at what {} computes: its stack and counter are in the thread list.",
            words::thread(&view.case, *tid)
        ),
        None => "Look at the threads with --all, and at the calls that each made last.".to_owned(),
    };
    Some(Draft::new(finding, None, Vec::new(), Habit::default()))
}

/// HT20: all threads that are parked where they always park.
pub(crate) fn idle(view: &View<'_>, habits: &BTreeMap<u32, Habit>, mut idle: Vec<u32>) -> Option<Draft> {
    idle.sort_unstable();
    let rounds: usize = idle.iter().filter_map(|tid| habits.get(tid)).map(|habit| habit.rounds).sum();
    let first = *idle.first()?;
    let mut finding = of_the_run(VerdictId::IdleByDesign, idle.clone());
    let they = if idle.len() == 1 { "it waits where it" } else { "they wait where they" };
    let waited = if idle.len() == 1 { "has" } else { "have" };
    finding.summary = format!(
        "{} idle: {they} {waited} waited {} before, and nobody waits for {}.",
        is_or_are(&idle, "thread"),
        words::count(rounds as u64, "time"),
        if idle.len() == 1 { "it" } else { "them" }
    );
    let wait = |tid: &u32| {
        let blocked = view.blocked.get(tid)?;
        let rounds = habits.get(tid).map_or(0, |habit| habit.rounds);
        let note = format!("thread {tid}, {} before", words::count(rounds as u64, "round"));
        Some(Evidence { handle: blocked.members[0].handle, record: blocked.wait().copied(), note })
    };
    finding.evidence = idle.iter().take(MAX_IDLE).filter_map(wait).collect();
    finding.next =
        format!("Nothing to do, unless {} should have had work.", words::thread(&view.case, first));
    Some(Draft::new(finding, None, Vec::new(), Habit::default()))
}

/// Idle threads that are listed as evidence.
const MAX_IDLE: usize = 8;

fn is_sure(finding: &Finding) -> bool {
    finding.id.can_be_finding() && finding.confidence >= Confidence::Likely
}

fn is_or_are(tids: &[u32], noun: &str) -> String {
    format!("{} {}", words::count(tids.len() as u64, noun), if tids.len() == 1 { "is" } else { "are" })
}

fn of_the_run(id: VerdictId, threads: Vec<u32>) -> Finding {
    Finding {
        id,
        confidence: Confidence::Unknown,
        handle: NO_HANDLE,
        generation: None,
        culprit: None,
        threads,
        since: 0,
        summary: String::new(),
        evidence: Vec::new(),
        next: String::new(),
    }
}

/// A finding about a parked thread and the first of its handles.
fn about(view: &View<'_>, blocked: &Blocked, id: VerdictId, confidence: Confidence) -> Finding {
    let member = &blocked.members[0];
    let object = member.object.map(|index| &view.objects[index]);
    Finding {
        confidence,
        handle: member.handle,
        generation: object.map(|object| object.trail.generation),
        since: object.map_or(0, |object| object.created().entry.cycle),
        ..of_the_run(id, vec![blocked.tid])
    }
}

fn name(view: &View<'_>, tid: u32) -> String {
    words::sentence(&words::thread(&view.case, tid))
}

/// `Event/Auto 0x1004`, or several.
pub(crate) fn wait_names(view: &View<'_>, blocked: &Blocked) -> String {
    let names = blocked.members.iter().map(|member| match member.object {
        Some(index) => format!("{} {}", view.objects[index].trail.kind, words::hex(member.handle)),
        None => format!("handle {}", words::hex(member.handle)),
    });
    words::list(&names.collect::<Vec<_>>())
}

/// How it is known that a thread is needed, as what comes after `which`.
fn how(view: &View<'_>, edge: &Edge) -> String {
    match edge.link {
        Link::Owner => format!("owns {}", words::hex(view.objects[edge.object].handle())),
        Link::Join => "has not ended".to_owned(),
        Link::Signaller(signals) => format!("signalled it {} before", words::count(signals, "time")),
        Link::SiblingSignaller => "signals others made at the same place".to_owned(),
        Link::Taker => "took it and has not given it back".to_owned(),
        Link::Creator => "made it and has not signalled it".to_owned(),
    }
}

/// The parked threads for a reader.
pub(crate) fn parked(view: &View<'_>, graph: &Graph) -> Vec<Parked> {
    let need = |edge: &Edge| Need { tid: edge.to, how: how(view, edge), certain: edge.link.is_certain() };
    let records = |object: usize| view.objects[object].parts().map(|part| part.totals.total()).sum::<u64>();
    let one = |blocked: &Blocked| Parked {
        tid: blocked.tid,
        on: blocked.members.iter().map(|member| member.handle).collect(),
        lr: blocked.lr().or_else(|| view.case.thread(blocked.tid)?.place()),
        since: blocked.since(),
        for_ever: blocked.for_ever,
        needs: graph.edges.get(&blocked.tid).map(need),
        records: blocked.members.iter().filter_map(|member| member.object).map(records).sum(),
    };
    view.blocked.values().map(one).collect()
}

/// What could not be known, and what changed without a record.
pub(crate) fn blind_spots(view: &View<'_>, graph: &Graph) -> Vec<String> {
    // That nothing was recorded is not a matter of what kinds were: the report says it as its loss.
    let unknowns = if view.is_untraced() { Vec::new() } else { view.grade.unknowns() };
    let mut spots: Vec<String> = unknowns.into_iter().map(str::to_owned).collect();
    let coverage = view.case.snapshot.coverage;
    if coverage.late_start {
        spots.push("recording began after the guest did: older handles are unknown".to_owned());
    }
    if coverage.pauses > 0 {
        spots
            .push(format!("recording was switched off {} on the way", words::count(coverage.pauses, "time")));
    }
    spots.extend(view.case.run.unrecorded.iter().map(|line| format!("not recorded by the host: {line}")));
    if view.grade.further_operations {
        spots.extend(graph.studied.iter().filter_map(|(index, studied)| {
            let step = &studied.history.steps[*studied.state.surprises.first()?];
            let object = &view.objects[*index];
            Some(format!(
                "{} {} changed without a record before the {} of {}",
                object.trail.kind,
                words::hex(object.handle()),
                step.entry().source,
                words::time(step.entry().cycle)
            ))
        }));
        spots.extend(still_running(view));
    }
    spots
}

/// Waits that the records leave open though the host says that their threads are not parked there: an end that was
/// not recorded.
fn still_running(view: &View<'_>) -> Option<String> {
    view.case.threads?;
    let open = view.objects.iter().flat_map(Object::open_waits).map(|wait| wait.entry.tid);
    let mut tids: Vec<u32> = open.filter(|tid| view.activity(*tid) == Activity::Runnable).collect();
    tids.sort_unstable();
    tids.dedup();
    let first = tids.first()?;
    Some(format!(
        "{} open in the records though the host says that the thread runs, the first of thread {first}: its end was not recorded",
        is_or_are(&tids, "wait")
    ))
}
