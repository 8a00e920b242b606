//! What the kernel says of a run, as the diagnosis takes it.

use handle_audit::Frame;
use handle_diagnosis as diagnosis;
use xenon_kernel as kernel;

use crate::fault;
use crate::symbols::Names;

/// The run in figures.
pub(crate) fn run_summary(
    guest: &str,
    seed: u64,
    outcome: &kernel::Outcome,
    names: &Names,
) -> diagnosis::RunSummary {
    let (ended, exit_value, fault) = match &outcome.ended {
        kernel::Ended::Finished { exit } => (diagnosis::Ended::Finished, Some(*exit), None),
        kernel::Ended::Deadlock => (diagnosis::Ended::Deadlock, None, None),
        kernel::Ended::Watchdog => (diagnosis::Ended::Watchdog, None, None),
        kernel::Ended::Interrupted => (diagnosis::Ended::Interrupted, None, None),
        kernel::Ended::Fault(report) => (diagnosis::Ended::Fault, None, Some(fault::describe(report, names))),
        kernel::Ended::Limit => (diagnosis::Ended::Limit, None, None),
    };
    diagnosis::RunSummary {
        guest: guest.to_owned(),
        ended,
        instructions: outcome.instructions,
        cycles: outcome.cycles,
        context_switches: outcome.context_switches,
        migrations: outcome.migrations,
        events: outcome.events,
        seconds: outcome.seconds,
        exit_value,
        seed: Some(seed),
        fault,
        unrecorded: outcome.unrecorded.iter().map(ToString::to_string).collect(),
    }
}

/// One guest thread.
pub(crate) fn thread(info: &kernel::ThreadInfo) -> diagnosis::ThreadInfo {
    let state = match info.state {
        kernel::ThreadState::Ready => diagnosis::ThreadState::Ready,
        kernel::ThreadState::Running => diagnosis::ThreadState::Running,
        kernel::ThreadState::Waiting => diagnosis::ThreadState::Waiting,
        kernel::ThreadState::Suspended => diagnosis::ThreadState::Suspended,
        kernel::ThreadState::Exited => diagnosis::ThreadState::Exited,
    };
    diagnosis::ThreadInfo {
        tid: info.tid,
        main: info.main,
        state,
        on: info.on.clone(),
        all: info.all,
        alertable: info.alertable,
        deadline: info.deadline,
        pc: info.pc,
        lr: info.lr,
        stack: info.stack.iter().map(|frame| Frame { frame: frame.frame, lr: frame.lr }).collect(),
        suspend_count: info.suspend_count,
        handle: info.handle,
        start: info.start,
    }
}
