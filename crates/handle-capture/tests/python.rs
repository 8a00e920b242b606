//! The reader in Python, which was written after docs/capture-format.md, reads what ours reads.

mod common;

use std::path::Path;
use std::process::Command;

use common::{captured, play, recorders};
use handle_capture::{CaptureOptions, Story};

/// The lines that `tools/read_capture.py` prints; nothing where there is no Python.
fn by_python(path: &Path) -> Option<Vec<serde_json::Value>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/read_capture.py");
    let output = match Command::new("python3").arg(script).arg(path).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("there is no python3 here: the other reader is not tried");
            return None;
        }
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    Some(lines.map(|line| serde_json::from_slice(line).unwrap()).collect())
}

fn compare(path: &Path) {
    let Some(lines) = by_python(path) else { return };
    let story = Story::read(path).unwrap();
    assert!(story.records.len() > 500);
    assert_eq!(lines.len(), story.records.len());
    for (line, record) in lines.iter().zip(&story.records) {
        let expected = serde_json::json!({
            "ring": record.ring, "position": record.position, "cycle": record.entry.cycle,
            "operation": record.operation.name(), "handle": format!("0x{:08x}", record.handle),
            "tid": record.entry.tid, "lr": format!("0x{:08x}", record.entry.lr),
            "source": record.entry.source.as_str(), "aux": format!("{:#x}", record.entry.aux),
        });
        assert_eq!(*line, expected);
    }
}

#[test]
fn both_readers_agree_on_finished_and_on_killed_captures() {
    let directory = tempfile::tempdir().unwrap();
    for elsewhere in [false, true] {
        let path = directory.path().join("run.htrail");
        let mut options = CaptureOptions::new(&path).rings(common::RINGS).ring_capacity(256);
        options = options.max_bytes(8 << 20);
        if elsewhere {
            options = options.rings_in(directory.path());
        }
        let (audit, writer) = captured(&options);
        let mut recorders = recorders(&audit);
        play(&audit, &mut recorders, 0..3_000);
        let copy = directory.path().join("killed.htrail");
        std::fs::copy(&path, &copy).unwrap();
        compare(&copy);
        audit.shutdown().unwrap();
        // The reader in Python wants the rings' file where it was.
        if !elsewhere {
            writer.finish().unwrap();
            compare(&path);
        }
    }
}
