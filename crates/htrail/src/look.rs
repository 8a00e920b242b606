//! First looks at a run that may hang. Its last look, once it has ended, says only what the first one said too: what
//! flickers is no hang.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use handle_audit::HandleAudit;
use handle_diagnosis::{Case, Ended, Look, RunSummary, ThreadInfo, diagnose};
use xenon_kernel::{CYCLES_PER_SECOND, Control, Machine, Outcome};

use crate::error::Error;
use crate::summary;

/// Guest time that a run which is to be interrupted goes on between the two looks.
const BETWEEN_LOOKS: u64 = CYCLES_PER_SECOND / 10;

/// How often the guest's time is looked at meanwhile, and for how long at most: who presses Ctrl-C wants an answer.
const NAP: Duration = Duration::from_millis(5);
const NAPS: u32 = 200;

/// Looks at one run while it goes on. It holds up neither the guest nor the drain.
#[derive(Debug)]
pub(crate) struct FirstLook {
    audit: Arc<HandleAudit>,
    control: Control,
    newest: Mutex<Option<Look>>,
}

impl FirstLook {
    pub(crate) fn new(audit: Arc<HandleAudit>, control: Control) -> Self {
        Self { audit, control, newest: Mutex::default() }
    }

    /// Takes a look, as if the run ended now.
    fn take(&self, ended: Ended) {
        // A drain that died is found, and named, by the last look.
        let Ok(snapshot) = self.audit.snapshot() else { return };
        let threads: Vec<ThreadInfo> = self.control.threads().iter().map(summary::thread).collect();
        let run = RunSummary { ended, cycles: self.control.progress().cycles, ..RunSummary::default() };
        let diagnosis = diagnose(&Case::new(&snapshot, &run).with_threads(&threads));
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Look::from(&diagnosis));
    }

    /// Looks, lets some guest time pass, and ends the run.
    pub(crate) fn interrupt(&self) {
        self.take(Ended::Interrupted);
        let until = self.control.progress().cycles.saturating_add(BETWEEN_LOOKS);
        for _ in 0..NAPS {
            if self.control.is_over() || self.control.progress().cycles >= until {
                break;
            }
            thread::sleep(NAP);
        }
        self.control.interrupt();
    }

    /// Runs the machine to its end. Halfway through the watchdog's patience comes a look: on a thread of its own, for
    /// the clock of the guest does not wait, or at once where time is made of instructions.
    pub(crate) fn run(&self, machine: Machine, deterministic: bool) -> Result<Outcome, Error> {
        thread::scope(|scope| {
            let (call, calls) = mpsc::channel();
            let look = move || calls.iter().for_each(|()| self.take(Ended::Watchdog));
            let spawned = thread::Builder::new().name("first-look".to_owned()).spawn_scoped(scope, look);
            spawned.map_err(|source| Error::System { what: "start a thread", source })?;
            Ok(machine.run_watched(&|| {
                if deterministic {
                    self.take(Ended::Watchdog);
                } else {
                    // The other end stays as long as this one.
                    _ = call.send(());
                }
            }))
        })
    }

    /// The newest look, if there was one.
    pub(crate) fn newest(&self) -> Option<Look> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
