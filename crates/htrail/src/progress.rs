//! What a person sees while the guest runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use xenon_kernel::Control;

use crate::console::Console;

const PERIOD: Duration = Duration::from_millis(250);

/// A status line that lives as long as this does; without a terminal, nothing.
#[derive(Debug)]
pub(crate) struct Progress {
    over: Arc<AtomicBool>,
    console: Arc<Console>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Shows how far the run is, a few times a second.
    pub(crate) fn show(console: &Arc<Console>, control: Control) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let draw = {
            let (over, console) = (over.clone(), console.clone());
            move || {
                let started = Instant::now();
                loop {
                    thread::park_timeout(PERIOD);
                    // Acquire pairs with the Release in `drop`; a line drawn late would stay for ever.
                    if over.load(Ordering::Acquire) {
                        return;
                    }
                    console.show_status(&line(started.elapsed(), control.progress()));
                }
            }
        };
        // Without a thread there is no progress to see, and nothing else is missing.
        let wanted = console.shows_status();
        let thread =
            wanted.then(|| thread::Builder::new().name("progress".to_owned()).spawn(draw).ok()).flatten();
        Self { over, console: console.clone(), thread }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            drop(thread.join());
        }
        self.console.erase_status();
    }
}

fn line(elapsed: Duration, progress: xenon_kernel::Progress) -> String {
    format!(
        "{:.1} s, {} instructions, {} events; Ctrl-C ends the run with a report",
        elapsed.as_secs_f64(),
        rounded(progress.instructions),
        rounded(progress.events),
    )
}

/// Three figures or four, and the thousands as a word.
fn rounded(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..10_000_000 => format!("{} thousand", number / 1_000),
        10_000_000..10_000_000_000 => format!("{} million", number / 1_000_000),
        _ => format!("{} billion", number / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_time_instructions_and_events() {
        let progress =
            xenon_kernel::Progress { instructions: 1_234_000_000, events: 9_999, ..Default::default() };
        assert_eq!(
            line(Duration::from_millis(12_340), progress),
            "12.3 s, 1234 million instructions, 9999 events; Ctrl-C ends the run with a report"
        );
    }
}
