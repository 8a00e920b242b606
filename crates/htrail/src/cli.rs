//! What can be typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ColorChoice, Parser, Subcommand};
use handle_audit::{MAX_RING_CAPACITY, MIN_RING_CAPACITY, TraceHandles};
use handle_capture::Form;
use handle_diagnosis::{Confidence, VerdictId};
use xenon_kernel::FaultSpec;

use crate::value::{Seed, number};

/// Runs Xbox 360 machine code on a reference host and says who created, signalled, waited on and woke every kernel
/// handle, and which one nobody signalled.
#[derive(Debug, Parser)]
#[command(name = "htrail", version, color = ColorChoice::Auto, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  the guest finished: no finding
  1  findings, or the run ended in a deadlock, a fault, or by the watchdog
  2  wrong usage
  3  no finding, but the evidence is incomplete
  4  a file that cannot be used
Where several hold, the first of 2, 4, 1, 3, 0 wins.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<RunOptions>),
    Report(Box<ReportFileOptions>),
    Info(InfoOptions),
    Export(ExportOptions),
    Diff(DiffOptions),
    Explain(ExplainOptions),
    Show(ShowOptions),
}

/// Says what a verdict means, its usual causes, and what to do.
#[derive(Args, Debug)]
pub(crate) struct ExplainOptions {
    /// The verdict: HT01 to HT22.
    pub(crate) id: VerdictId,
    /// Columns of the text, 60 to 160; by default those of the terminal.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(60..=160))]
    pub(crate) width: Option<u16>,
}

/// Shows all that a capture knows of one handle. Record one with `htrail run --trace-handles --trace-out FILE`.
#[derive(Args, Debug)]
pub(crate) struct ShowOptions {
    /// The handle or object address, decimal or with 0x.
    #[arg(value_parser = number::<u32>)]
    pub(crate) handle: u32,
    /// The capture.
    pub(crate) capture: PathBuf,
    /// Columns of the text, 60 to 160; by default those of the terminal.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(60..=160))]
    pub(crate) width: Option<u16>,
}

/// Runs a guest until it ends, hangs, or is interrupted, and reports.
#[derive(Args, Debug)]
pub(crate) struct RunOptions {
    /// The guest: ELF32, big-endian PowerPC, linked to a fixed address.
    #[arg(required_unless_present = "list_faults")]
    pub(crate) guest: Option<PathBuf>,
    /// The integer in r3 at the guest's entry, decimal or with 0x.
    #[arg(long, value_name = "N", default_value = "0", value_parser = number::<u32>)]
    pub(crate) arg: u32,
    /// Records every kernel handle. A list such as =0x1004,0x100c also asks for the creators' stacks, and for signals
    /// to handles that were never created. Without the option XENIA_TRACE_HANDLES decides: 0, 1, or a list.
    #[arg(long, value_name = "LIST", num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    pub(crate) trace_handles: Option<TraceHandles>,
    /// Names for guest addresses, besides the ELF's own: a linker map, or lines of `ADDRESS NAME`.
    #[arg(long, value_name = "FILE")]
    pub(crate) symbols: Vec<PathBuf>,
    /// Prints the faults that --fault knows, and runs nothing.
    #[arg(long)]
    pub(crate) list_faults: bool,
    #[command(flatten)]
    pub(crate) machine: MachineOptions,
    #[command(flatten)]
    pub(crate) capture: CaptureArgs,
    #[command(flatten)]
    pub(crate) report: ReportOptions,
}

/// Whether the evidence outlives the process.
#[derive(Args, Debug)]
#[command(next_help_heading = "Capture")]
pub(crate) struct CaptureArgs {
    /// Writes everything that is recorded into this file, too: it can be reported on when the process was killed, or
    /// while it runs. An earlier capture there is replaced, anything else is not. Needs --trace-handles.
    #[arg(long, value_name = "FILE.htrail")]
    pub(crate) trace_out: Option<PathBuf>,
    /// Bytes that the capture takes at most, reserved at once; K, M and G are understood. The oldest history is
    /// dropped when it is full.
    #[arg(long, value_name = "BYTES", default_value = "256M", value_parser = bytes, requires = "trace_out")]
    pub(crate) trace_max_bytes: u64,
    /// Puts the rings into a file of their own in this directory, such as /dev/shm, so that no guest thread waits for a
    /// disk. It is removed at the end; that of a run that was killed is still needed by its capture.
    #[arg(long, value_name = "DIR", requires = "trace_out")]
    pub(crate) trace_rings: Option<PathBuf>,
}

/// Reports on a capture: of a run that finished, was killed, or still goes on.
#[derive(Args, Debug)]
pub(crate) struct ReportFileOptions {
    /// The capture.
    pub(crate) capture: PathBuf,
    /// Names for guest addresses, besides those in the capture: a linker map, or lines of `ADDRESS NAME`.
    #[arg(long, value_name = "FILE")]
    pub(crate) symbols: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) report: ReportOptions,
}

/// Says what a capture holds, and what it lacks.
#[derive(Args, Debug)]
pub(crate) struct InfoOptions {
    /// The capture.
    pub(crate) capture: PathBuf,
}

/// Writes a capture in a form that other programs read.
#[derive(Args, Debug)]
pub(crate) struct ExportOptions {
    /// The capture.
    pub(crate) capture: PathBuf,
    /// The form: perfetto for ui.perfetto.dev and trace_processor, chrome for its trace events, csv and ndjson for tables,
    /// dot for Graphviz: who signals whom through what, folded for flame graphs: cycles waited.
    #[arg(long, value_name = "FORM", value_parser = forms())]
    pub(crate) to: Form,
    /// The file to write; it appears when it is complete, in place of what was there. What is no file, such as
    /// /dev/stdout, is written to.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

fn forms() -> impl TypedValueParser<Value = Form> {
    PossibleValuesParser::new(Form::ALL.map(Form::name)).try_map(|name| name.parse::<Form>())
}

/// Compares two captures of one title by who created what, not by handle values, and shows where they part.
#[derive(Args, Debug)]
pub(crate) struct DiffOptions {
    /// The capture of the run that went well.
    pub(crate) good: PathBuf,
    /// The capture of the run that did not.
    pub(crate) bad: PathBuf,
}

/// How the machine runs.
#[derive(Args, Debug)]
#[command(next_help_heading = "Machine")]
pub(crate) struct MachineOptions {
    /// Placement and rotation of guest threads; `random` draws a seed, which the summary names.
    #[arg(long, value_name = "N|random", default_value = "1")]
    pub(crate) seed: Seed,
    /// Runs everything on one OS thread, with time derived from instructions: same seed, same trails.
    #[arg(long)]
    pub(crate) deterministic: bool,
    /// Ends the run after so many guest instructions, all threads together.
    #[arg(long, value_name = "N", value_parser = number::<u64>)]
    pub(crate) max_instructions: Option<u64>,
    /// Ends the run when nothing made progress for so many cycles of 50 MHz.
    #[arg(long, value_name = "CYCLES", value_parser = number::<u64>)]
    pub(crate) watchdog: Option<u64>,
    /// Makes the kernel wrong on purpose, see --list-faults; can be repeated.
    #[arg(long, value_name = "KIND[:WHAT][@N]")]
    pub(crate) fault: Vec<FaultSpec>,
    /// A directory that the guest reads as game:\ and d:\.
    #[arg(long, value_name = "DIR")]
    pub(crate) mount: Option<PathBuf>,
    /// The guest may also create and write files in it.
    #[arg(long, requires = "mount")]
    pub(crate) mount_writable: bool,
    /// Counts every change of an object's state besides the audit, and names those that nobody recorded.
    #[arg(long)]
    pub(crate) self_check: bool,
    /// Makes none of this export's records, as a host that forgot them: what --self-check is to find; can be repeated.
    #[arg(long, value_name = "EXPORT")]
    pub(crate) leave_out: Vec<String>,
    /// What the kernel records: `all`, or `basic` for create, signal, ghost signal, wait and wake alone.
    #[arg(long, value_name = "SET", value_enum, default_value_t = Operations::All)]
    pub(crate) ops: Operations,
    /// Records that each ring holds, rounded up to a power of two; 40 bytes each in memory, 64 in a capture. By default
    /// 262144, and 65536 with --trace-out, whose space they take.
    #[arg(long, value_name = "N", value_parser = ring_capacity)]
    pub(crate) ring_capacity: Option<usize>,
}

/// What the report shows, and what counts as a finding.
#[derive(Args, Debug)]
#[command(next_help_heading = "Report")]
pub(crate) struct ReportOptions {
    /// One JSON document on standard output, everything else on standard error.
    #[arg(long)]
    pub(crate) json: bool,
    /// Columns of the report, 60 to 160; by default those of the terminal.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(60..=160))]
    pub(crate) width: Option<u16>,
    /// When to use colour. NO_COLOR is honoured.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
    /// Draws with ASCII characters only.
    #[arg(long)]
    pub(crate) ascii: bool,
    /// Shows what is folded otherwise: every trail, every thread, every verdict.
    #[arg(long)]
    pub(crate) all: bool,
    /// Shows one line a finding.
    #[arg(short, long, conflicts_with = "all")]
    pub(crate) quiet: bool,
    /// The least confidence that makes a finding: hint, likely, strong or proven.
    #[arg(long, value_name = "LEVEL", default_value = "likely")]
    pub(crate) fail_on: Confidence,
    /// A verdict that is accepted: it is neither shown nor a finding; can be repeated.
    #[arg(long, value_name = "ID")]
    pub(crate) allow: Vec<VerdictId>,
    /// A verdict that is a finding, whatever its confidence; can be repeated.
    #[arg(long, value_name = "ID")]
    pub(crate) deny: Vec<VerdictId>,
}

fn ring_capacity(text: &str) -> Result<usize, String> {
    let records = number::<usize>(text)?;
    if (MIN_RING_CAPACITY..=MAX_RING_CAPACITY).contains(&records) {
        Ok(records)
    } else {
        Err(format!("a ring holds {MIN_RING_CAPACITY} to {MAX_RING_CAPACITY} records"))
    }
}

fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let count = number::<u64>(digits)?;
    count.checked_mul(1 << unit).ok_or_else(|| format!("{text} bytes are more than there can be"))
}

impl Cli {
    /// Reads the arguments; wrong ones end the process with exit code 2 and say what would be right.
    pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self::parse_from(arguments)
    }
}

/// Which operations the kernel records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Operations {
    /// Every operation.
    All,
    /// The first five, as a small host would.
    Basic,
}
