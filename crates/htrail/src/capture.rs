//! `--trace-out`: a run whose evidence outlives it.

use handle_audit::{AuditConfig, HandleAudit};
use handle_capture::{CaptureOptions, CaptureWriter};

use crate::cli::CaptureArgs;
use crate::error::Error;
use crate::evidence::{self, Start};
use crate::run::Ran;
use crate::summary;
use crate::symbols::Names;

/// The audit of a run, captured if that is asked for. The names go into the capture at once: a run that is killed
/// has no later.
pub(crate) fn begin(
    config: AuditConfig,
    options: &CaptureArgs,
    ring_capacity: usize,
    names: &Names,
    start: &Start,
) -> Result<(HandleAudit, Option<CaptureWriter>), Error> {
    let Some(path) = &options.trace_out else { return Ok((HandleAudit::new(config)?, None)) };
    let mut capture =
        CaptureOptions::new(path).ring_capacity(ring_capacity).max_bytes(options.trace_max_bytes);
    if let Some(directory) = &options.trace_rings {
        capture = capture.rings_in(directory);
    }
    let capture = capture
        .attach(evidence::START, evidence::start(start))
        .attach(evidence::SYMBOLS, evidence::symbols(names));
    let (writer, capture) = CaptureWriter::create(&capture)?;
    writer.note_crashes()?;
    Ok((HandleAudit::with_capture(config, capture)?, Some(writer)))
}

/// Puts into the capture what only the host knows, and closes it. What does not fit is left out, and told.
pub(crate) fn end(writer: &CaptureWriter, ran: &Ran) -> Result<(), Error> {
    let run = summary::run_summary(&ran.guest, ran.seed, &ran.outcome, &ran.names);
    let threads: Vec<_> = ran.outcome.threads.iter().map(summary::thread).collect();
    ran.audit.shutdown()?;
    let attached = writer.attach(evidence::RUN, &evidence::run(&run));
    let attached = attached.and(writer.attach(evidence::THREADS, &evidence::threads(&threads)));
    let look = ran.first_look.as_ref();
    let attached =
        attached.and(look.map_or(Ok(()), |look| writer.attach(evidence::LOOK, &evidence::look(look))));
    writer.note_end(run.ended.name())?;
    writer.finish()?;
    Ok(attached?)
}
