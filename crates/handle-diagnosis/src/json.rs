//! The report as one JSON document, schema 1. A key may be added; none changes its meaning.
//!
//! Handles and guest addresses are strings of ten characters, `"0x00001004"`; `aux` is a string of as many digits as
//! it needs. Cycles are numbers, 50 to the microsecond.

use std::io::{BufWriter, Write};

use handle_audit::{
    EntryList, Frame, GhostTrail, HandleAuditTrail, Lead, OperationCounts, PreviousGeneration, TrailEntry,
};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::input::{Case, Symbolize, ThreadInfo};
use crate::judge::Diagnosis;
use crate::text::evidence_line;
use crate::verdict::{Confidence, Verdict};

/// Writes the document on one line, with a newline at its end.
///
/// # Errors
///
/// What the writer says.
pub fn write_json(case: &Case<'_>, diagnosis: &Diagnosis, to: impl Write) -> std::io::Result<()> {
    let mut to = BufWriter::new(to);
    serde_json::to_writer(&mut to, &Document { case, diagnosis })?;
    writeln!(to)?;
    to.flush()
}

/// A handle or a guest address.
struct Hex(u32);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("0x{:08x}", self.0))
    }
}

/// A number in hexadecimal, no longer than it is.
struct Bits(u64);

impl Serialize for Bits {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{:#x}", self.0))
    }
}

/// A sequence made while it is written: the document can be large and is never held as a whole.
struct Seq<F>(F);

impl<F, I> Serialize for Seq<F>
where
    F: Fn() -> I,
    I: Iterator<Item: Serialize>,
{
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut seq = to.serialize_seq(None)?;
        for item in self.0() {
            seq.serialize_element(&item)?;
        }
        seq.end()
    }
}

struct Document<'d, 'a> {
    case: &'d Case<'a>,
    diagnosis: &'d Diagnosis,
}

impl Serialize for Document<'_, '_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (case, snapshot) = (self.case, self.case.snapshot);
        let symbols = case.symbols;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("schema", &1)?;
        map.serialize_entry("run", &run(case))?;
        map.serialize_entry("losses", &losses(case))?;
        map.serialize_entry("blind_spots", &self.diagnosis.blind_spots)?;
        map.serialize_entry("trails", &Seq(|| snapshot.trails.iter().map(|trail| Trail { trail, symbols })))?;
        map.serialize_entry("ghosts", &Seq(|| snapshot.ghosts.iter().map(|ghost| Ghost { ghost, symbols })))?;
        map.serialize_entry("leads", &Seq(|| snapshot.leads.iter().map(|lead| OneLead { lead, symbols })))?;
        let threads = || case.threads.into_iter().flatten().map(|thread| Thread { thread, symbols });
        map.serialize_entry("threads", &Seq(threads))?;
        let verdicts = || self.diagnosis.verdicts.iter().map(|verdict| Said { verdict, case });
        map.serialize_entry("verdicts", &Seq(verdicts))?;
        map.end()
    }
}

#[derive(Serialize)]
struct Run<'a> {
    guest: &'a str,
    ended: &'static str,
    instructions: u64,
    cycles: u64,
    context_switches: u64,
    migrations: u64,
    events: u64,
    seconds: f64,
    exit_value: Option<u32>,
    seed: Option<u64>,
    fault: Option<&'a str>,
}

fn run<'a>(case: &Case<'a>) -> Run<'a> {
    let run = case.run;
    Run {
        guest: &run.guest,
        ended: run.ended.name(),
        instructions: run.instructions,
        cycles: run.cycles,
        context_switches: run.context_switches,
        migrations: run.migrations,
        events: run.events,
        // JSON knows no infinity.
        seconds: if run.seconds.is_finite() { run.seconds } else { 0.0 },
        exit_value: run.exit_value,
        seed: run.seed,
        fault: run.fault.as_deref(),
    }
}

#[derive(Serialize)]
struct Losses {
    attempted: u64,
    recorded: u64,
    rejected: u64,
    unmatched: u64,
    late: u64,
    stacks_dropped: u64,
    threads_not_kept: u64,
    late_start: bool,
    pauses: u64,
    rings: Vec<Ring>,
    gaps: Vec<Gap>,
}

#[derive(Serialize)]
struct Ring {
    ring: u8,
    attempted: u64,
    recorded: u64,
    rejected: u64,
}

#[derive(Serialize)]
struct Gap {
    ring: u8,
    first_cycle: u64,
    last_cycle: u64,
    rejected: Totals,
}

fn losses(case: &Case<'_>) -> Losses {
    let losses = &case.snapshot.losses;
    let rings = losses.rings.iter().map(|ring| Ring {
        ring: ring.ring,
        attempted: ring.attempted(),
        recorded: ring.recorded(),
        rejected: ring.rejected.total(),
    });
    let gaps = losses.gaps.iter().map(|gap| Gap {
        ring: gap.ring,
        first_cycle: gap.first_cycle,
        last_cycle: gap.last_cycle,
        rejected: Totals(gap.rejected),
    });
    Losses {
        attempted: losses.attempted(),
        recorded: losses.recorded(),
        rejected: losses.rejected(),
        unmatched: losses.unmatched.total(),
        late: losses.late(),
        stacks_dropped: losses.stacks_dropped(),
        threads_not_kept: losses.threads_not_kept,
        late_start: case.snapshot.coverage.late_start,
        pauses: case.snapshot.coverage.pauses,
        rings: rings.collect(),
        gaps: gaps.collect(),
    }
}

/// Counts by name of the operation, those above zero.
struct Totals(OperationCounts);

impl Serialize for Totals {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(operation, count)| (operation.name(), count)))
    }
}

struct Trail<'a> {
    trail: &'a HandleAuditTrail,
    symbols: &'a dyn Symbolize,
}

impl Serialize for Trail<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { trail, symbols } = *self;
        let list = |list| List { list, symbols };
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("handle", &Hex(trail.handle))?;
        map.serialize_entry("generation", &trail.generation)?;
        map.serialize_entry("kind", trail.kind.as_str())?;
        map.serialize_entry("name", &symbols.object(trail.handle))?;
        map.serialize_entry("created", &Entry { entry: &trail.created, symbols })?;
        map.serialize_entry("aliases", &Seq(|| trail.aliases.iter().map(|alias| Hex(*alias))))?;
        let previous = trail.previous.as_deref().map(|previous| Previous { previous, symbols });
        map.serialize_entry("previous", &previous)?;
        let stack = trail.created_stack.as_deref().unwrap_or_default();
        map.serialize_entry("created_stack", &Stack { stack, symbols })?;
        map.serialize_entry("signals", &list(&trail.signals))?;
        map.serialize_entry("waits", &list(&trail.waits))?;
        map.serialize_entry("wakes", &list(&trail.wakes))?;
        map.serialize_entry("others", &list(&trail.others))?;
        map.serialize_entry("totals", &Totals(trail.totals))?;
        let open = || trail.open_waits.iter().map(|entry| Entry { entry, symbols });
        map.serialize_entry("open_waits", &Seq(open))?;
        map.end()
    }
}

struct Previous<'a> {
    previous: &'a PreviousGeneration,
    symbols: &'a dyn Symbolize,
}

impl Serialize for Previous<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { previous, symbols } = *self;
        let entry = |entry| Entry { entry, symbols };
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("generation", &previous.generation)?;
        map.serialize_entry("kind", previous.kind.as_str())?;
        map.serialize_entry("created", &entry(&previous.created))?;
        map.serialize_entry("closed", &previous.closed.as_ref().map(entry))?;
        map.serialize_entry("totals", &Totals(previous.totals))?;
        map.serialize_entry("last", &Seq(|| previous.last.iter().map(entry)))?;
        map.serialize_entry("open_waits", &Seq(|| previous.open_waits.iter().map(entry)))?;
        map.end()
    }
}

struct Stack<'a> {
    stack: &'a [Frame],
    symbols: &'a dyn Symbolize,
}

impl Serialize for Stack<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct One {
            frame: Hex,
            lr: Hex,
            at: Option<String>,
        }
        let one =
            |frame: &Frame| One { frame: Hex(frame.frame), lr: Hex(frame.lr), at: self.symbols.at(frame.lr) };
        to.collect_seq(self.stack.iter().map(one))
    }
}

struct List<'a> {
    list: &'a EntryList,
    symbols: &'a dyn Symbolize,
}

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let entry = |entry| Entry { entry, symbols: self.symbols };
        let mut map = to.serialize_map(Some(3))?;
        map.serialize_entry("total", &self.list.total())?;
        map.serialize_entry("first", &Seq(|| self.list.first().iter().map(entry)))?;
        map.serialize_entry("last", &Seq(|| self.list.iter().map(entry)))?;
        map.end()
    }
}

struct Entry<'a> {
    entry: &'a TrailEntry,
    symbols: &'a dyn Symbolize,
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let entry = &self.entry.entry;
        let mut map = to.serialize_map(Some(9))?;
        map.serialize_entry("seq", &self.entry.seq)?;
        map.serialize_entry("op", self.entry.operation.name())?;
        map.serialize_entry("cycle", &entry.cycle)?;
        map.serialize_entry("tid", &entry.tid)?;
        map.serialize_entry("lr", &Hex(entry.lr))?;
        map.serialize_entry("at", &self.symbols.at(entry.lr))?;
        map.serialize_entry("source", entry.source.as_str())?;
        map.serialize_entry("ring", &self.entry.ring)?;
        map.serialize_entry("aux", &Bits(entry.aux))?;
        map.end()
    }
}

struct Ghost<'a> {
    ghost: &'a GhostTrail,
    symbols: &'a dyn Symbolize,
}

impl Serialize for Ghost<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(2))?;
        map.serialize_entry("handle", &Hex(self.ghost.handle))?;
        map.serialize_entry("signals", &List { list: &self.ghost.signals, symbols: self.symbols })?;
        map.end()
    }
}

struct OneLead<'a> {
    lead: &'a Lead,
    symbols: &'a dyn Symbolize,
}

impl Serialize for OneLead<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(3))?;
        map.serialize_entry("handle", &Hex(self.lead.handle))?;
        map.serialize_entry("first", &Entry { entry: &self.lead.first, symbols: self.symbols })?;
        map.serialize_entry("totals", &Totals(self.lead.totals))?;
        map.end()
    }
}

struct Thread<'a> {
    thread: &'a ThreadInfo,
    symbols: &'a dyn Symbolize,
}

impl Serialize for Thread<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { thread, symbols } = *self;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("tid", &thread.tid)?;
        map.serialize_entry("main", &thread.main)?;
        map.serialize_entry("state", thread.state.name())?;
        map.serialize_entry("on", &Seq(|| thread.on.iter().map(|handle| Hex(*handle))))?;
        map.serialize_entry("all", &thread.all)?;
        map.serialize_entry("alertable", &thread.alertable)?;
        map.serialize_entry("deadline", &thread.deadline)?;
        map.serialize_entry("pc", &Hex(thread.pc))?;
        map.serialize_entry("at", &symbols.at(thread.pc))?;
        map.serialize_entry("lr", &Hex(thread.lr))?;
        map.serialize_entry("stack", &Stack { stack: &thread.stack, symbols })?;
        map.serialize_entry("suspend_count", &thread.suspend_count)?;
        map.serialize_entry("handle", &Hex(thread.handle))?;
        map.serialize_entry("start", &Hex(thread.start))?;
        map.end()
    }
}

struct Said<'d, 'a> {
    verdict: &'d Verdict,
    case: &'d Case<'a>,
}

impl Serialize for Said<'_, '_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let verdict = self.verdict;
        let confidence = Some(verdict.confidence).filter(|confidence| *confidence > Confidence::Unknown);
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("rank", &verdict.rank)?;
        map.serialize_entry("id", verdict.id.code())?;
        map.serialize_entry("name", verdict.id.name())?;
        map.serialize_entry("handle", &verdict.handle.map(Hex))?;
        map.serialize_entry("generation", &verdict.generation)?;
        map.serialize_entry("confidence", &confidence.map(Confidence::name))?;
        map.serialize_entry("culprit", &verdict.culprit)?;
        map.serialize_entry("threads", &verdict.threads)?;
        map.serialize_entry("blocks", &verdict.blocks)?;
        map.serialize_entry("root", &verdict.root)?;
        map.serialize_entry("summary", &verdict.summary)?;
        let evidence = || verdict.evidence.iter().map(|evidence| evidence_line(self.case, evidence));
        map.serialize_entry("evidence", &Seq(evidence))?;
        map.serialize_entry("next", &verdict.next)?;
        map.end()
    }
}
