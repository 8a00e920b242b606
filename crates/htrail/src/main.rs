//! The handle audit's command: runs a guest, and says why it hangs.
//!
//! ```text
//! arguments ─▶ cli ─▶ run: image, audit, machine ─▶ outcome, snapshot ─▶ report ─▶ standard output, exit code
//!                      console ◀─ what the guest prints
//!                      progress, Ctrl-C ─▶ the machine's control
//!                      Ctrl-C, watchdog ─▶ a first look, which the report must agree with
//! a capture ─▶ report, info, export, diff
//! ```
//!
//! It holds nothing that could be tested without a process: what happens in the guest is the business of
//! `xenon-kernel`, what it means that of `handle-diagnosis`.

#![forbid(unsafe_code)]

mod capture;
mod capture_diff;
mod capture_export;
mod capture_info;
mod capture_report;
mod cli;
mod console;
mod error;
mod evidence;
mod exit;
mod explain;
mod fault;
mod look;
mod output;
mod progress;
mod report;
mod run;
mod summary;
mod symbols;
mod value;

use std::io::{self, Write};
use std::process::ExitCode;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let done = match Cli::read(std::env::args_os()).command {
        Command::Run(options) if options.list_faults => run::list_faults(),
        Command::Run(options) => run::run(&options),
        Command::Report(options) => capture_report::report(&options),
        Command::Info(options) => capture_info::info(&options),
        Command::Export(options) => capture_export::export(&options),
        Command::Diff(options) => capture_diff::diff(&options),
        Command::Explain(options) => explain::explain(&options),
        Command::Show(options) => explain::show(&options),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            // The one place that prints errors.
            drop(writeln!(io::stderr(), "htrail: {error}"));
            error.exit().into()
        }
    }
}
