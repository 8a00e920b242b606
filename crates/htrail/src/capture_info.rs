//! `htrail info`: what a capture holds, and what it lacks.

use std::fmt::Write;

use clap::ColorChoice;

use crate::cli::InfoOptions;
use crate::error::Error;
use crate::exit::Exit;
use crate::output;

/// Describes a capture.
pub(crate) fn info(options: &InfoOptions) -> Result<Exit, Error> {
    let path = &options.capture;
    let recovered = handle_capture::read_with(path, |_| ()).map_err(Error::capture(path))?;
    let (info, snapshot) = (&recovered.info, &recovered.snapshot);
    let mut text = String::new();
    let mut line = |name: &str, value: String| _ = writeln!(text, "{name:<12}{value}");
    line("capture", format!("{:016x}, format {}, {} bytes", info.id, handle_capture::VERSION, info.bytes));
    line(
        "begun",
        format!("{}.{:09} s after 1970, by process {}", info.created / NANO, info.created % NANO, info.pid),
    );
    line("end", info.ending.to_string());
    let elsewhere =
        info.rings_at.as_ref().map_or_else(String::new, |path| format!(", in {}", path.display()));
    line("rings", format!("{} of {} records{elsewhere}", info.rings, info.ring_capacity));
    line("history", format!("{} of {} segments", info.segments_kept, info.segments_written));
    line("slots", format!("{} in segments, {} in rings", info.slots_in_segments, info.slots_in_rings));
    line("records", format!("{} folded, {} rejected", snapshot.folded, snapshot.losses.rejected()));
    line("handles", format!("{} trails, {} ghosts", snapshot.trails.len(), snapshot.ghosts.len()));
    for (name, bytes) in &recovered.attachments {
        line("attached", format!("{name}, {} bytes", bytes.len()));
    }
    for note in &recovered.notes {
        line(if note.is_loss() { "LOST" } else { "note" }, note.to_string());
    }
    output::write(&text, ColorChoice::Never)?;
    Ok(if recovered.is_complete() { Exit::Clean } else { Exit::Incomplete })
}

/// Nanoseconds in a second.
const NANO: u64 = 1_000_000_000;
