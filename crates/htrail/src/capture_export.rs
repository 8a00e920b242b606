//! `htrail export`: a capture for other programs.

use handle_capture::{Mark, Story, export as write, write_whole};
use handle_diagnosis::Verdict;

use crate::capture_report::{Evidence, note};
use crate::cli::ExportOptions;
use crate::error::Error;
use crate::exit::Exit;

/// Exports a capture.
pub(crate) fn export(options: &ExportOptions) -> Result<Exit, Error> {
    let path = &options.capture;
    let mut story = Story::read(path).map_err(Error::capture(path))?;
    if let (Ok(from), Ok(to)) = (path.canonicalize(), options.out.canonicalize())
        && from == to
    {
        return Err(Error::OverCapture { path: path.clone() });
    }
    note(path, &story.recovered);
    let evidence = Evidence::of(path, story.recovered.clone(), &[])?;
    let last = story.last_cycle();
    story.marks = evidence.diagnosis().verdicts.iter().map(|verdict| mark(verdict, last)).collect();
    write_whole(&options.out, |to| write(&story, options.to, to))?;
    let whole = evidence.recovered.is_complete() && !story.begins_late();
    Ok(if whole { Exit::Clean } else { Exit::Incomplete })
}

/// A verdict on the time line: where its evidence ends.
fn mark(verdict: &Verdict, last: u64) -> Mark {
    let records = verdict.evidence.iter().filter_map(|evidence| evidence.record);
    Mark {
        cycle: records.map(|record| record.entry.cycle).max().unwrap_or(last),
        title: format!("{} {} {}", verdict.id.code(), verdict.id.name(), verdict.confidence),
        text: format!("{} {}", verdict.summary, verdict.next),
    }
}
