//! From a run that is over to its report and exit code.

use std::io;

use handle_diagnosis::{
    Case, Diagnosis, Ended, ExitCode, Layout, Look, ThreadInfo, diagnose, diagnose_live, exit_code,
    write_json,
};

use crate::cli::ReportOptions;
use crate::error::Error;
use crate::exit::Exit;
use crate::output;
use crate::run::Ran;
use crate::summary;

/// Prints the report and says how the command ends.
pub(crate) fn print(ran: &Ran, options: &ReportOptions) -> Result<Exit, Error> {
    let snapshot = ran.audit.snapshot()?;
    let run = summary::run_summary(&ran.guest, ran.seed, &ran.outcome, &ran.names);
    let threads: Vec<ThreadInfo> = ran.outcome.threads.iter().map(summary::thread).collect();
    let case = Case::new(&snapshot, &run).with_threads(&threads).with_symbols(&ran.names);
    show(&case, diagnosis(&case, ran.first_look.as_ref()), options)
}

/// The diagnosis of a run that is over, held against a look at it while it went on, if there was one.
pub(crate) fn diagnosis(case: &Case<'_>, look: Option<&Look>) -> Diagnosis {
    // No look is needed to tell what has ended by itself.
    let stopped = matches!(case.run.ended, Ended::Watchdog | Ended::Interrupted);
    match look.filter(|_| stopped) {
        Some(look) => diagnose_live(case, look),
        None => diagnose(case),
    }
}

/// Prints a diagnosis and says how the command ends.
pub(crate) fn show(case: &Case<'_>, diagnosis: Diagnosis, options: &ReportOptions) -> Result<Exit, Error> {
    let diagnosis = diagnosis.without(&options.allow);
    if options.json {
        output::written(write_json(case, &diagnosis, io::stdout().lock()))?;
    } else {
        let report = handle_diagnosis::report(case, &diagnosis, &layout(options));
        output::write(&report, options.color)?;
    }
    Ok(exit(case, &diagnosis, options))
}

fn layout(options: &ReportOptions) -> Layout {
    Layout::new(output::width(options.width))
        .ascii(output::ascii(options.ascii))
        .all(options.all)
        .quiet(options.quiet)
}

fn exit(case: &Case<'_>, diagnosis: &Diagnosis, options: &ReportOptions) -> Exit {
    let denied = diagnosis.verdicts.iter().any(|verdict| options.deny.contains(&verdict.id));
    match exit_code(case, diagnosis, options.fail_on) {
        _ if denied => Exit::Findings,
        ExitCode::Findings => Exit::Findings,
        ExitCode::Incomplete => Exit::Incomplete,
        ExitCode::Clean => Exit::Clean,
    }
}
