//! Chrome's trace events, as JSON: what `chrome://tracing`, ui.perfetto.dev and pandas read.

use std::io::{self, Write};

use handle_audit::Operation;
use serde_json::{Value, json};

use super::NANOSECONDS;
use super::perfetto::lost;
use crate::story::{Story, title};

/// Processes of the trace: guest threads, objects, what is to be pointed out.
const THREADS: u32 = 1;
const OBJECTS: u32 = 2;
const REMARKS: u32 = 3;

fn microseconds(cycles: u64) -> f64 {
    cycles as f64 * NANOSECONDS as f64 / 1000.0
}

/// Writes the trace.
pub(super) fn write(story: &Story, to: &mut dyn Write) -> io::Result<()> {
    write!(to, "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
    let mut first = true;
    let mut put = |event: Value| {
        let comma = if std::mem::take(&mut first) { "" } else { "," };
        write!(to, "{comma}\n{event}")
    };
    names(story).try_for_each(&mut put)?;
    slices(story).try_for_each(&mut put)?;
    remarks(story).try_for_each(&mut put)?;
    instants(story).try_for_each(&mut put)?;
    flows(story).try_for_each(&mut put)?;
    writeln!(to, "\n]}}")
}

fn name(what: &str, pid: u32, tid: u32, name: &str) -> Value {
    json!({ "ph": "M", "name": what, "pid": pid, "tid": tid, "args": { "name": name } })
}

fn names(story: &Story) -> impl Iterator<Item = Value> {
    let groups = [(THREADS, "guest threads"), (OBJECTS, "objects"), (REMARKS, "verdicts and losses")];
    let groups = groups.into_iter().map(|(pid, group)| name("process_name", pid, 0, group));
    let thread = |tid| name("thread_name", THREADS, tid, &format!("thread {tid}"));
    let threads = story.threads().into_iter().map(thread);
    let objects = story.objects().into_iter();
    let objects = objects.map(|object| name("thread_name", OBJECTS, object.handle, &object.to_string()));
    groups.chain(threads).chain(objects)
}

fn slices(story: &Story) -> impl Iterator<Item = Value> {
    story.waits.iter().map(|wait| {
        let record = &story.records[wait.begin];
        let (begin, end) = story.cycles(wait);
        json!({
            "ph": "X", "cat": "wait", "pid": THREADS, "tid": record.entry.tid,
            "name": story.wait_title(wait),
            "ts": microseconds(begin), "dur": microseconds(end - begin),
            "args": { "source": record.entry.source.as_str(), "lr": format!("0x{:08x}", record.entry.lr),
                      "status": wait.end.map(|end| format!("{:#x}", story.records[end].entry.aux)) },
        })
    })
}

fn remarks(story: &Story) -> impl Iterator<Item = Value> {
    let last = story.last_cycle();
    let marks = story.marks.iter().map(|mark| {
        json!({ "ph": "i", "s": "g", "cat": "verdict", "pid": REMARKS, "tid": 0, "name": mark.title,
                "ts": microseconds(mark.cycle), "args": { "summary": mark.text } })
    });
    let losses = story.recovered.snapshot.losses.gaps.iter().map(move |gap| {
        let end = gap.last_cycle.min(last.max(gap.first_cycle));
        // "terrible" is red.
        json!({ "ph": "X", "cat": "loss", "pid": REMARKS, "tid": u32::from(gap.ring) + 1, "cname": "terrible",
                "name": lost(gap),
                "ts": microseconds(gap.first_cycle), "dur": microseconds(end - gap.first_cycle), "args": {} })
    });
    marks.chain(losses)
}

fn instants(story: &Story) -> impl Iterator<Item = Value> {
    story.records.iter().filter(|record| record.operation != Operation::Wait).map(|record| {
        let (pid, tid) = place(record);
        json!({ "ph": "i", "s": "t", "cat": record.operation.name(), "pid": pid, "tid": tid,
                "name": title(record), "ts": microseconds(record.entry.cycle),
                "args": { "tid": record.entry.tid, "lr": format!("0x{:08x}", record.entry.lr),
                          "aux": format!("{:#x}", record.entry.aux), "ring": record.ring } })
    })
}

/// The process and the thread that a record is shown with.
fn place(record: &handle_audit::CapturedRecord) -> (u32, u32) {
    match record.operation {
        Operation::Wake | Operation::Satisfied if record.entry.tid > 0 => (THREADS, record.entry.tid),
        _ => (OBJECTS, record.handle),
    }
}

fn flows(story: &Story) -> impl Iterator<Item = Value> {
    (1..).zip(&story.flows).flat_map(|(id, flow)| {
        [("s", flow.from), ("f", flow.to)].map(|(phase, index)| {
            let record = &story.records[index];
            let (pid, tid) = place(record);
            json!({ "ph": phase, "bp": "e", "id": id, "cat": "flow", "name": "leads to", "pid": pid, "tid": tid,
                    "ts": microseconds(record.entry.cycle) })
        })
    })
}
