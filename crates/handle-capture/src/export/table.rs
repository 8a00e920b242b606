//! Records as tables: CSV and newline-delimited JSON, in the order of the fold.

use std::io::{self, Write};

use handle_audit::{CapturedRecord, Operation};
use serde_json::json;

use crate::story::Story;

const COLUMNS: &str = "fold,ring,position,cycle,operation,handle,kind,tid,lr,source,aux,stack";

/// Frames as `frame:lr`, the live one first, with spaces between.
fn stack(record: &CapturedRecord) -> String {
    let frames: Vec<_> =
        record.stack.iter().map(|frame| format!("0x{:08x}:0x{:08x}", frame.frame, frame.lr)).collect();
    frames.join(" ")
}

/// The kind, which only a create has.
fn kind(record: &CapturedRecord) -> Option<&'static str> {
    (record.operation == Operation::Create).then(|| record.kind.as_str())
}

/// A field of a line: in quotes if it holds what separates fields.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Writes one line a record.
pub(super) fn csv(story: &Story, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "{COLUMNS}")?;
    for (fold, record) in story.records.iter().enumerate() {
        let entry = &record.entry;
        writeln!(
            to,
            "{fold},{},{},{},{},0x{:08x},{},{},0x{:08x},{},{:#x},{}",
            record.ring,
            record.position,
            entry.cycle,
            record.operation,
            record.handle,
            field(kind(record).unwrap_or_default()),
            entry.tid,
            entry.lr,
            field(entry.source.as_str()),
            entry.aux,
            stack(record),
        )?;
    }
    Ok(())
}

/// Writes one object a record and line.
pub(super) fn ndjson(story: &Story, to: &mut dyn Write) -> io::Result<()> {
    for (fold, record) in story.records.iter().enumerate() {
        let entry = &record.entry;
        let line = json!({
            "fold": fold, "ring": record.ring, "position": record.position, "cycle": entry.cycle,
            "operation": record.operation.name(), "handle": format!("0x{:08x}", record.handle),
            "kind": kind(record), "tid": entry.tid, "lr": format!("0x{:08x}", entry.lr),
            "source": entry.source.as_str(), "aux": format!("{:#x}", entry.aux), "stack": stack(record),
        });
        writeln!(to, "{line}")?;
    }
    Ok(())
}
