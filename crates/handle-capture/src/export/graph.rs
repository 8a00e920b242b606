//! Graphs: who signals whom through what, and where the time went.

use std::collections::BTreeMap;
use std::io::{self, Write};

use handle_audit::Operation;

use crate::story::Story;

/// Writes threads and objects as nodes, signals and waits as edges with their counts; open waits are drawn bold.
pub(super) fn dot(story: &Story, to: &mut dyn Write) -> io::Result<()> {
    let mut signals: BTreeMap<(u32, u32, &str), u64> = BTreeMap::new();
    let mut waits: BTreeMap<(u32, u32), (u64, bool)> = BTreeMap::new();
    for record in &story.records {
        if matches!(record.operation, Operation::Signal | Operation::Pulse | Operation::GhostSignal) {
            *signals.entry((record.entry.tid, record.handle, record.entry.source.as_str())).or_default() += 1;
        }
    }
    for wait in &story.waits {
        let record = &story.records[wait.begin];
        let edge = waits.entry((record.handle, record.entry.tid)).or_default();
        edge.0 += 1;
        edge.1 |= wait.is_open();
    }
    writeln!(to, "digraph handles {{\n  rankdir=LR;\n  node [fontname=monospace];")?;
    for tid in signals
        .keys()
        .map(|key| key.0)
        .chain(waits.keys().map(|key| key.1))
        .collect::<std::collections::BTreeSet<_>>()
    {
        let name = if tid == 0 { "host".to_owned() } else { format!("thread {tid}") };
        writeln!(to, "  t{tid} [label={} shape=box];", quoted(&name))?;
    }
    for object in story.objects() {
        writeln!(to, "  h{:08x} [label={} shape=ellipse];", object.handle, quoted(&object.to_string()))?;
    }
    for ((tid, handle, source), count) in signals {
        writeln!(to, "  t{tid} -> h{handle:08x} [label={}];", quoted(&format!("{source} x{count}")))?;
    }
    for ((handle, tid), (count, open)) in waits {
        let style = if open { " style=bold color=red" } else { "" };
        let label = if open { format!("waits x{count}, OPEN") } else { format!("waits x{count}") };
        writeln!(to, "  h{handle:08x} -> t{tid} [label={}{style}];", quoted(&label))?;
    }
    writeln!(to, "}}")
}

/// A string as the language of Graphviz has it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Writes `thread;call;object cycles` lines: the cycles that threads spent waiting.
pub(super) fn folded(story: &Story, to: &mut dyn Write) -> io::Result<()> {
    let names: BTreeMap<u32, String> =
        story.objects().into_iter().map(|object| (object.handle, object.to_string())).collect();
    let mut stacks: BTreeMap<String, u64> = BTreeMap::new();
    for wait in &story.waits {
        let record = &story.records[wait.begin];
        let (begin, end) = story.cycles(wait);
        let object = names.get(&record.handle).map_or("", String::as_str);
        let stack = format!(
            "thread {};0x{:08x};{};{object}",
            record.entry.tid,
            record.entry.lr,
            record.entry.source.as_str().replace(';', ":")
        );
        *stacks.entry(stack).or_default() += end - begin;
    }
    stacks.into_iter().try_for_each(|(stack, cycles)| writeln!(to, "{stack} {cycles}"))
}
