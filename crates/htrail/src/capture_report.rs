//! `htrail report`: the report on a run, from its capture.

use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use handle_capture::{Ending, Recovered};
use handle_diagnosis::{Case, Diagnosis, Ended, Look, RunSummary, ThreadInfo, diagnose_live};
use ppc::Symbols;

use crate::cli::ReportFileOptions;
use crate::error::Error;
use crate::evidence::{self, Start};
use crate::exit::Exit;
use crate::report;
use crate::symbols::Names;

/// How long a live run is left to go on between the two looks that must agree.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// A capture with what the host attached to it.
pub(crate) struct Evidence {
    pub(crate) recovered: Recovered,
    pub(crate) run: RunSummary,
    pub(crate) threads: Option<Vec<ThreadInfo>>,
    pub(crate) names: Names,
    /// What was seen while the run went on, if anybody looked.
    look: Option<Look>,
}

impl Evidence {
    /// Reads a capture.
    pub(crate) fn read(path: &Path, symbols: &[std::path::PathBuf]) -> Result<Self, Error> {
        Self::of(path, handle_capture::read(path).map_err(Error::capture(path))?, symbols)
    }

    /// What was attached to a capture that was read.
    pub(crate) fn of(
        path: &Path,
        recovered: Recovered,
        symbols: &[std::path::PathBuf],
    ) -> Result<Self, Error> {
        let attachment = |name| recovered.attachments.get(name).map(Vec::as_slice);
        let bad = |what| move |reason| Error::Attachment { path: path.to_owned(), what, reason };
        let run = match attachment(evidence::RUN) {
            Some(bytes) => evidence::read_run(bytes).map_err(bad("the run in figures"))?,
            None => {
                let start = attachment(evidence::START).map(evidence::read_start).transpose();
                without_an_end(&recovered, start.map_err(bad("the beginning of the run"))?)
            }
        };
        let threads = attachment(evidence::THREADS).map(evidence::read_threads);
        let threads = threads.transpose().map_err(bad("the list of threads"))?;
        let look = attachment(evidence::LOOK).map(evidence::read_look);
        let look = look.transpose().map_err(bad("the first look"))?;
        let of_image = attachment(evidence::SYMBOLS).map_or(Ok(Symbols::default()), evidence::read_symbols);
        let names = Names::gather(of_image.map_err(bad("the list of names"))?, symbols)?;
        Ok(Self { recovered, run, threads, names, look })
    }

    /// The case for a diagnosis.
    pub(crate) fn case(&self) -> Case<'_> {
        let case = Case::new(&self.recovered.snapshot, &self.run).with_symbols(&self.names);
        match &self.threads {
            Some(threads) => case.with_threads(threads),
            None => case,
        }
    }

    /// The diagnosis, the same as that of the live run.
    pub(crate) fn diagnosis(&self) -> Diagnosis {
        report::diagnosis(&self.case(), self.look.as_ref())
    }
}

/// The figures of a run that did not come to its end.
fn without_an_end(recovered: &Recovered, start: Option<Start>) -> RunSummary {
    let snapshot = &recovered.snapshot;
    let last = |thread: &handle_audit::ThreadTrail| thread.last.back().map_or(0, |record| record.entry.cycle);
    RunSummary {
        ended: Ended::Interrupted,
        seed: start.as_ref().map(|start| start.seed),
        guest: start.map_or_else(|| "unknown guest".to_owned(), |start| start.guest),
        cycles: snapshot.threads.iter().map(last).max().unwrap_or(0),
        events: snapshot.folded,
        ..RunSummary::default()
    }
}

/// Reports on a capture.
pub(crate) fn report(options: &ReportFileOptions) -> Result<Exit, Error> {
    let path = &options.capture;
    let evidence = Evidence::read(path, &options.symbols)?;
    note(path, &evidence.recovered);
    let diagnosis = evidence.diagnosis();
    if evidence.recovered.info.ending == Ending::Running {
        // What one look at a live run says may be gone at the next.
        thread::sleep(BETWEEN_LOOKS);
        let later = Evidence::read(path, &options.symbols)?;
        let diagnosis = diagnose_live(&later.case(), &Look::from(&diagnosis));
        return shown(&later, diagnosis, options);
    }
    shown(&evidence, diagnosis, options)
}

fn shown(evidence: &Evidence, diagnosis: Diagnosis, options: &ReportFileOptions) -> Result<Exit, Error> {
    let exit = report::show(&evidence.case(), diagnosis, &options.report)?;
    let incomplete = exit == Exit::Clean && !evidence.recovered.is_complete();
    Ok(if incomplete { Exit::Incomplete } else { exit })
}

/// Says what the capture lacks, where it does not get into the report's way.
pub(crate) fn note(path: &Path, recovered: &Recovered) {
    let mut lines = Vec::new();
    if !matches!(recovered.info.ending, Ending::Noted(_)) {
        lines.push(format!("the run has no end: {}", recovered.info.ending));
    }
    lines.extend(recovered.notes.iter().map(ToString::to_string));
    for line in lines {
        // A reader that went away has seen enough.
        drop(writeln!(io::stderr(), "htrail: {}: {line}", path.display()));
    }
}
