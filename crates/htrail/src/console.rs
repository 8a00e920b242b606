//! The two streams while a guest runs: what it prints, and a line of progress that must not get in its way.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use xenon_kernel::Output;

/// Back to the first column, and everything to the right of it away.
const ERASE_LINE: &str = "\r\x1b[2K";

/// Standard output and standard error of a running guest.
///
/// One lock orders them, because they usually are the same terminal: the status line is erased before anything else
/// is written. A reader that went away stops nothing: the run has an exit code to give.
#[derive(Debug)]
pub(crate) struct Console {
    guest_to_stderr: bool,
    /// Standard error is a terminal, so a line on it can be erased again.
    shows_status: bool,
    /// Whether a status line stands there now.
    status: Mutex<bool>,
}

impl Console {
    /// The console of one run. Under `--json` what the guest prints goes to standard error.
    pub(crate) fn new(json: bool) -> Self {
        Self { guest_to_stderr: json, shows_status: io::stderr().is_terminal(), status: Mutex::new(false) }
    }

    /// Writes a line that the guest printed.
    pub(crate) fn guest_line(&self, line: &str) {
        let _status = self.erased();
        let written = if self.guest_to_stderr {
            writeln!(io::stderr(), "{line}")
        } else {
            writeln!(io::stdout(), "{line}")
        };
        drop(written);
    }

    /// Writes a line that is meant for a person.
    pub(crate) fn note(&self, line: &str) {
        let _status = self.erased();
        drop(writeln!(io::stderr(), "htrail: {line}"));
    }

    /// Whether [`Console::show_status`] shows anything.
    pub(crate) fn shows_status(&self) -> bool {
        self.shows_status
    }

    /// Replaces the status line.
    pub(crate) fn show_status(&self, line: &str) {
        let mut status = self.erased();
        *status = true;
        drop(write!(io::stderr(), "{line}"));
    }

    /// Takes the status line away.
    pub(crate) fn erase_status(&self) {
        drop(self.erased());
    }

    /// The lock, with no status line on the screen.
    fn erased(&self) -> MutexGuard<'_, bool> {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *status) {
            drop(write!(io::stderr(), "{ERASE_LINE}"));
        }
        status
    }
}

/// The console as the kernel sees it.
pub(crate) struct GuestOutput(pub(crate) Arc<Console>);

impl Output for GuestOutput {
    fn line(&mut self, text: &str) {
        self.0.guest_line(text);
    }

    fn stub(&mut self, export: &str) {
        self.0.note(&format!("{export} is not implemented; the guest goes on as if it had worked"));
    }
}
