//! Ctrl-C and SIGTERM: the first asks, the second ends.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::{Handle, Signals};

/// Exit code of a process that a second Ctrl-C ended: 128 and the signal's number, as shells count.
pub const SECOND_SIGINT: i32 = 128 + SIGINT;

/// Exit code of a process that a second SIGTERM ended.
pub const SECOND_SIGTERM: i32 = 128 + SIGTERM;

/// Watches for SIGINT and SIGTERM while a host runs.
///
/// The first of them calls the action; any later one ends the process at once. A watch that is dropped has no action
/// left: from then on the first signal ends the process, as it would have without a watch.
#[derive(Debug)]
pub struct InterruptWatch {
    /// Written by the signal handler and by the owner, read by the signal handler: the next signal ends the process.
    armed: Arc<AtomicBool>,
    signals: Handle,
    thread: Option<JoinHandle<()>>,
}

impl InterruptWatch {
    /// Begins to watch. `action` runs at most once, on a thread of its own.
    ///
    /// # Errors
    ///
    /// What the operating system said when it refused a handler or a thread.
    pub fn start(action: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let armed = Arc::new(AtomicBool::new(false));
        for (signal, exit_code) in [(SIGINT, SECOND_SIGINT), (SIGTERM, SECOND_SIGTERM)] {
            // Handlers run in the order of registration: the signal that arms must not be the one that ends.
            flag::register_conditional_shutdown(signal, exit_code, armed.clone())?;
            flag::register(signal, armed.clone())?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let handle = signals.handle();
        let thread = thread::Builder::new().name("interrupt-watch".to_owned()).spawn(move || {
            if signals.forever().next().is_some() {
                action();
            }
        })?;
        Ok(Self { armed, signals: handle, thread: Some(thread) })
    }

    /// From here on the next signal ends the process: what the action would stop is over.
    pub fn end_on_next(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }
}

impl Drop for InterruptWatch {
    fn drop(&mut self) {
        // The handlers stay: without them the library would swallow the signal, and Ctrl-C would do nothing.
        self.end_on_next();
        self.signals.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the action was already printed by the panic hook.
            drop(thread.join());
        }
    }
}
