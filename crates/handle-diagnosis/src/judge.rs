//! From a case to its verdicts: rules, roots, caps, folding, rank.

use std::collections::{BTreeMap, BTreeSet};

use crate::filter::{Earlier, Look};
use crate::graph::Graph;
use crate::habit::Habit;
use crate::input::Case;
use crate::rank::{Draft, ranked};
use crate::roots::Roots;
use crate::rules::pollers;
use crate::settle::{self, Standing};
use crate::system;
use crate::verdict::{Confidence, Verdict, VerdictId};
use crate::view::{Grade, View};
use crate::words;

/// One parked thread, and what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The thread.
    pub tid: u32,
    /// The handles that it waits for.
    pub on: Vec<u32>,
    /// Where it called the wait: the link register, by the record of the wait or else by the host's list.
    pub lr: Option<u32>,
    /// When, in cycles, if the wait was recorded.
    pub since: Option<u64>,
    /// The wait never gives up by itself.
    pub for_ever: bool,
    /// The thread that it needs, and how that is known.
    pub needs: Option<Need>,
    /// Records ever folded of what it waits for: two looks compare them.
    pub(crate) records: u64,
}

/// Why one thread needs another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The thread that is needed.
    pub tid: u32,
    /// In a few words: `owns it`, `signalled it 12 times`.
    pub how: String,
    /// By ownership or as the thread waited for; otherwise it is inferred from earlier rounds.
    pub certain: bool,
}

/// What the diagnosis says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The verdicts, by rank.
    pub verdicts: Vec<Verdict>,
    /// All parked threads, ascending.
    pub parked: Vec<Parked>,
    /// How much could be known.
    pub grade: Grade,
    /// What could not be known and what was not recorded, one sentence each.
    pub blind_spots: Vec<String>,
}

impl Diagnosis {
    /// The findings at a bar: LIKELY unless somebody moves it.
    pub fn findings(&self, bar: Confidence) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(move |verdict| verdict.is_finding(bar))
    }
}

/// Makes the diagnosis. Pure: the same case gives the same verdicts. It never panics, whatever the snapshot holds.
#[must_use]
pub fn diagnose(case: &Case<'_>) -> Diagnosis {
    judge(case, None)
}

/// Makes the diagnosis of a run that is looked at while it goes on, or was until now: only what an earlier look, some
/// guest time ago, said too, of threads that have not moved since. What flickers is not shown.
#[must_use]
pub fn diagnose_live(case: &Case<'_>, earlier: &Look) -> Diagnosis {
    judge(case, Some(earlier))
}

fn judge(case: &Case<'_>, earlier: Option<&Look>) -> Diagnosis {
    let view = View::new(*case);
    let graph = Graph::new(&view);
    let habits = habits(&view, &graph);
    let roots = Roots::find(&view, &graph, &habits);
    let parked = system::parked(&view, &graph);
    let bench = Bench { view: &view, graph: &graph, roots: &roots, habits };
    let mut drafts = bench.root_drafts();
    bench.add_pollers(&mut drafts);
    demote_last_resorts(&mut drafts);
    let mut drafts = merged(drafts);
    if let Some(look) = earlier {
        let earlier = Earlier { look, now: &parked };
        drafts.retain(|draft| earlier.bears_out(draft));
    }
    drafts.extend(bench.idle());
    drafts.extend(system::gap(&view, &drafts));
    drafts.extend(system::no_gap(&view, &drafts));
    drafts.extend(bench.victims(&drafts));
    Diagnosis {
        verdicts: ranked(&view, drafts),
        parked,
        grade: view.grade,
        blind_spots: system::blind_spots(&view, &graph),
    }
}

fn habits(view: &View<'_>, graph: &Graph) -> BTreeMap<u32, Habit> {
    view.blocked.values().map(|blocked| (blocked.tid, Habit::of(view, graph, blocked))).collect()
}

/// Everything laid out.
struct Bench<'v, 'a> {
    view: &'v View<'a>,
    graph: &'v Graph,
    roots: &'v Roots,
    habits: BTreeMap<u32, Habit>,
}

impl Bench<'_, '_> {
    /// All threads that lead to a root, the root included, ascending.
    fn blocked_through(&self, root: u32) -> Vec<u32> {
        self.roots.root_of.iter().filter(|(_, to)| **to == root).map(|(tid, _)| *tid).collect()
    }

    fn standing(&self, root: u32, threads: &[u32], blocks: &[u32]) -> Standing {
        let active = |tid: &u32| {
            let idle = self.habits.get(tid).is_some_and(|habit| habit.is_idle());
            !threads.contains(tid) && (self.view.case.is_main(*tid) || !idle)
        };
        let dependants: Vec<u32> = blocks.iter().copied().filter(active).collect();
        let certain = |tid: &u32| self.roots.is_certain(*tid);
        Standing {
            habit: self.habits.get(&root).copied().unwrap_or_default(),
            main: threads.iter().any(|tid| self.view.case.is_main(*tid)),
            needed: !dependants.is_empty() && (!self.view.finished() || dependants.iter().any(certain)),
            certainly_needed: threads.len() > 1 || dependants.iter().any(certain),
        }
    }

    /// What there is to say about each root.
    fn root_drafts(&self) -> Vec<Draft> {
        // Without a record every thread would look the same, and like what it is not: the run as a whole has a verdict.
        if self.view.is_untraced() {
            return Vec::new();
        }
        let roots: BTreeSet<u32> = self.roots.root_of.values().copied().collect();
        roots.into_iter().filter_map(|root| self.root_draft(root)).collect()
    }

    fn root_draft(&self, root: u32) -> Option<Draft> {
        let blocks = self.blocked_through(root);
        let found = self.roots.findings.get(&root).cloned();
        let mut finding =
            found.or_else(|| system::needs_a_blocked_thread(self.view, self.graph, self.roots, root))?;
        let standing = self.standing(root, &finding.threads, &blocks);
        if standing.is_idle() && !settle::holds_for_idle(finding.id) {
            return None;
        }
        let blocked = &self.view.blocked[&root];
        let studied = blocked.members.iter().filter_map(|member| self.graph.studied.get(&member.object?));
        let surprised = studied.into_iter().any(|studied| !studied.state.surprises.is_empty());
        settle::cap(self.view, &mut finding, Some(blocked), standing, surprised);
        let object = self.view.object_index(finding.handle).map(|index| &self.view.objects[index]);
        let generation = object.map_or(0, |object| object.created().entry.cycle);
        if let Some(loss) = settle::loss(self.view, finding.since, generation, object.is_some()) {
            finding = system::insufficient(self.view, finding, &loss);
        }
        Some(Draft::new(finding, Some(root), blocks, standing.habit))
    }

    /// Threads that poll, and those that wait for them: what rested on the last resort alone is their victim.
    fn add_pollers(&self, drafts: &mut Vec<Draft>) {
        for (tid, mut finding) in pollers(self.view, self.graph) {
            let strong = |draft: &&mut Draft| draft.finding.confidence >= Confidence::Strong;
            if drafts.iter_mut().any(|draft| strong(&draft) && draft.blocks.contains(&tid)) {
                continue;
            }
            let waits_for = |from: &u32| self.graph.edges.get(from).is_some_and(|edge| edge.to == tid);
            let weak = |draft: &Draft| {
                draft.finding.id == VerdictId::NeverSignalled
                    || draft.root.is_some_and(|root| root == tid || waits_for(&root))
            };
            // Between two polls it is running, and in one it is parked itself: then those that need it lead to it.
            let needs_it = |(from, root): &(&u32, &u32)| **from != tid && (**root == tid || waits_for(root));
            let mut blocks: Vec<u32> =
                self.roots.root_of.iter().filter(needs_it).map(|(from, _)| *from).collect();
            if !drafts.iter().any(|draft| draft.finding.confidence >= Confidence::Strong) {
                let weak = drafts.iter().filter(|draft| weak(draft)).flat_map(|draft| &draft.blocks);
                blocks.extend(weak.filter(|from| **from != tid));
            }
            blocks.sort_unstable();
            blocks.dedup();
            let standing = self.standing(blocks.first().copied().unwrap_or(tid), &[tid], &blocks);
            settle::cap(self.view, &mut finding, None, standing, false);
            if let Some(loss) = settle::loss(self.view, finding.since, finding.since, true) {
                finding = system::insufficient(self.view, finding, &loss);
            }
            if finding.confidence >= Confidence::Likely {
                let covered = |from: &u32| *from == tid || blocks.contains(from);
                drafts.retain(|draft| !weak(draft) || !draft.blocks.iter().all(covered));
            }
            drafts.push(Draft::new(finding, Some(tid), blocks, standing.habit));
        }
    }

    /// All idle threads in one verdict.
    fn idle(&self) -> Option<Draft> {
        let roots: BTreeSet<u32> = self.roots.root_of.values().copied().collect();
        let is_idle = |root: &u32| {
            let blocks = self.blocked_through(*root);
            let holds =
                self.roots.findings.get(root).is_some_and(|finding| settle::holds_for_idle(finding.id));
            self.standing(*root, &[*root], &blocks).is_idle() && !holds
        };
        let idle: Vec<u32> =
            roots.into_iter().filter(is_idle).flat_map(|root| self.blocked_through(root)).collect();
        system::idle(self.view, &self.habits, idle)
    }

    /// Every thread that a verdict explains, with that verdict.
    fn victims(&self, drafts: &[Draft]) -> Vec<Draft> {
        let mut victims = Vec::new();
        for (index, draft) in drafts.iter().enumerate().filter(|(_, draft)| draft.finding.id.can_be_finding())
        {
            for tid in draft.blocks.iter().filter(|tid| !draft.finding.threads.contains(tid)) {
                let Some(mut finding) = system::victim(self.view, self.graph, *tid, draft) else { continue };
                let direct = self.graph.edges.get(tid).is_some_and(|edge| edge.link.is_certain());
                if !direct || !self.roots.is_certain(*tid) {
                    finding.confidence = finding.confidence.min(Confidence::Likely);
                }
                let habit = self.habits.get(tid).copied().unwrap_or_default();
                victims.push(Draft {
                    explained_by: Some(index),
                    ..Draft::new(finding, None, vec![*tid], habit)
                });
            }
        }
        victims
    }
}

/// The last resort stands only where nothing more specific fits: beside a sure root it is a hint.
fn demote_last_resorts(drafts: &mut [Draft]) {
    if drafts.iter().any(|draft| draft.finding.confidence >= Confidence::Strong) {
        for draft in drafts.iter_mut().filter(|draft| draft.finding.id == VerdictId::NeverSignalled) {
            draft.finding.confidence = draft.finding.confidence.min(Confidence::Hint);
        }
    }
}

/// Drafts that say the same of the same object are one.
fn merged(drafts: Vec<Draft>) -> Vec<Draft> {
    let mut merged: Vec<Draft> = Vec::new();
    let mut places: BTreeMap<(VerdictId, u32, Option<u64>), usize> = BTreeMap::new();
    for draft in drafts {
        let key = (draft.finding.id, draft.finding.handle, draft.finding.generation);
        match places.get(&key) {
            Some(place) => merged[*place].join(draft),
            None => {
                places.insert(key, merged.len());
                merged.push(draft);
            }
        }
    }
    for draft in &mut merged {
        let others = draft.joined;
        if others > 0 {
            let waits = if others == 1 { "waits" } else { "wait" };
            draft.finding.summary += &format!(" {} {waits} there too.", words::count(others, "other thread"));
        }
    }
    merged
}
