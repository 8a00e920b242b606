//! The rules: each looks at one parked thread and one object and says what it recognises, or nothing.
//!
//! They stand in a table, the most specific first. A rule knows nothing of the others, of losses, of how the run
//! ended, or of ranking: [`judge`](crate::judge) settles those for all of them in one place.

mod apc;
mod closed;
mod credit;
mod deadlock;
mod ghost;
mod heartbeat;
mod never;
mod owner;
mod poll;
mod promise;
mod pulse;
mod resume;
mod stub;
mod timer;
mod twin;
mod wait_all;
mod woken;

use handle_audit::TrailEntry;

use crate::graph::{Graph, Studied};
use crate::history::{History, State, Step};
use crate::object::Object;
use crate::verdict::{Confidence, Evidence, VerdictId};
use crate::view::{Blocked, Member, Mode, View};
use crate::words;

pub(crate) use deadlock::cycle;
pub(crate) use poll::pollers;

/// What a rule recognised.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) id: VerdictId,
    pub(crate) confidence: Confidence,
    pub(crate) handle: u32,
    pub(crate) generation: Option<u64>,
    pub(crate) culprit: Option<String>,
    /// The threads it is about, ascending.
    pub(crate) threads: Vec<u32>,
    /// Where the window of its evidence begins, in cycles. A loss from here on takes its ground away.
    pub(crate) since: u64,
    pub(crate) summary: String,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) next: String,
}

/// What a rule looks at.
pub(crate) struct Suspect<'v, 'a> {
    pub(crate) view: &'v View<'a>,
    pub(crate) graph: &'v Graph,
    pub(crate) blocked: &'v Blocked,
    pub(crate) member: &'v Member,
    pub(crate) known: Option<Known<'v, 'a>>,
}

/// An object that was seen created.
#[derive(Clone, Copy)]
pub(crate) struct Known<'v, 'a> {
    pub(crate) index: usize,
    pub(crate) object: &'v Object<'a>,
    pub(crate) history: &'v History,
    pub(crate) state: &'v State,
    /// The place of the wait in the history; its end where the host alone knows of the wait.
    pub(crate) at: usize,
}

impl<'v, 'a> Known<'v, 'a> {
    /// The newest step before the wait that meets a condition.
    fn last_before_wait(&self, meets: impl Fn(&Step) -> bool) -> Option<usize> {
        self.history.last(self.at, meets)
    }

    /// The first step from the wait on that meets a condition, which no wait does.
    fn after_wait(&self, meets: impl Fn(&Step) -> bool) -> Option<usize> {
        (self.at..self.history.steps.len()).find(|index| meets(&self.history.steps[*index]))
    }
}

/// Looks at one wait on one object; says what it recognises, or nothing.
type Rule = fn(&Suspect<'_, '_>) -> Option<Finding>;

/// The rules of one wait, the most specific first.
const RULES: &[Rule] = &[
    closed::under_a_waiter,
    owner::dead,
    resume::joined,
    woken::not,
    promise::broken,
    timer::dead,
    apc::starved,
    pulse::lost,
    ghost::waited_for,
    twin::wrong,
    closed::signal_went_astray,
    ghost::signal_went_astray,
    credit::stolen,
    credit::coalesced,
    heartbeat::stopped,
    wait_all::partial,
    resume::never_ran,
    never::signalled,
];

/// The best that any rule says about a parked thread: a LIKELY verdict or above by the most specific rule, else
/// the first hint.
pub(crate) fn best(view: &View<'_>, graph: &Graph, blocked: &Blocked) -> Option<Finding> {
    let suspects = blocked.members.iter().map(|member| Suspect::new(view, graph, blocked, member));
    let suspects: Vec<Suspect<'_, '_>> = suspects.filter(|suspect| !suspect.is_met()).collect();
    let mut hint = None;
    for rule in RULES {
        for suspect in &suspects {
            match rule(suspect) {
                Some(finding) if finding.confidence > Confidence::Hint => return Some(finding),
                Some(finding) if hint.is_none() => hint = Some(finding),
                _ => {}
            }
        }
    }
    hint
}

impl<'v, 'a> Suspect<'v, 'a> {
    fn new(view: &'v View<'a>, graph: &'v Graph, blocked: &'v Blocked, member: &'v Member) -> Self {
        let known = member.object.and_then(|index| {
            let Studied { history, state } = graph.studied.get(&index)?;
            let at = member.wait.and_then(|wait| history.index_of(&wait)).unwrap_or(history.steps.len());
            Some(Known { index, object: &view.objects[index], history, state, at })
        });
        Self { view, graph, blocked, member, known }
    }

    /// One member of a wait for all that holds nobody up.
    fn is_met(&self) -> bool {
        let count = self.present().and_then(|known| known.state.count);
        self.blocked.mode == Mode::All && count.is_some_and(|count| count > 0)
    }

    /// The object, where the wait is on its present life.
    fn present(&self) -> Option<&Known<'v, 'a>> {
        self.known.as_ref().filter(|_| !self.member.stale)
    }

    /// A finding about this thread and this handle; its window begins with the object.
    fn finding(&self, id: VerdictId, confidence: Confidence) -> Finding {
        let created = self.known.map(|known| known.history.created.entry.cycle);
        Finding {
            id,
            confidence: confidence.min(id.at_most()),
            handle: self.member.handle,
            generation: self.known.map(|known| known.object.trail.generation),
            culprit: None,
            threads: vec![self.blocked.tid],
            since: created.unwrap_or(0),
            summary: String::new(),
            evidence: Vec::new(),
            next: String::new(),
        }
    }

    /// `Event/Auto 0x1004`.
    fn object_name(&self) -> String {
        match self.known {
            Some(known) => format!("{} {}", known.object.trail.kind, words::hex(self.member.handle)),
            None if self.member.handle >= ghost::FIRST_ADDRESS => {
                format!("the object at {}", words::hex(self.member.handle))
            }
            None => format!("handle {}", words::hex(self.member.handle)),
        }
    }

    fn thread(&self, tid: u32) -> String {
        words::thread(&self.view.case, tid)
    }

    /// `thread 1 (main)`, the one that waits.
    fn waiter(&self) -> String {
        self.thread(self.blocked.tid)
    }

    /// `Thread 1 (main) waits for Event/Auto 0x1004`.
    fn opening(&self) -> String {
        format!("{} waits for {}", words::sentence(&self.waiter()), self.object_name())
    }

    fn place(&self, address: u32) -> String {
        words::place(self.view.case.symbols, address)
    }

    fn function(&self, address: u32) -> String {
        words::function(self.view.case.symbols, address)
    }

    /// One record of this object, by its place in the history.
    fn step(&self, index: usize, note: impl Into<String>) -> Option<Evidence> {
        let step = self.known?.history.steps.get(index).copied()?;
        Some(Evidence { handle: step.handle, record: Some(step.record), note: note.into() })
    }

    fn created(&self) -> Option<Evidence> {
        let known = self.known?;
        let handle = known.object.parts().next().map_or(self.member.handle, |part| part.handle);
        Some(Evidence { handle, record: Some(known.history.created), note: String::new() })
    }

    /// The wait: its record, or the host's word.
    fn wait(&self) -> Evidence {
        let note = match (self.member.wait, self.blocked.for_ever) {
            (Some(_), true) => "still waits, for ever",
            (Some(_), false) => "still waits",
            (None, _) => "still waits, says the host; the call was not recorded",
        };
        self.record(self.member.handle, self.member.wait, note)
    }

    /// A call to an export that is not implemented.
    fn stub(&self, stub: &Step) -> Evidence {
        let note = format!("a stub: returned {}", words::status(stub.entry().aux));
        self.record(stub.handle, Some(stub.record), note)
    }

    fn record(&self, handle: u32, record: Option<TrailEntry>, note: impl Into<String>) -> Evidence {
        Evidence { handle, record, note: note.into() }
    }
}
