//! What the guest prints, and what the person running it should know.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Mutex;

use crate::sync::Lock;

/// Where a run's lines go.
pub trait Output: Send {
    /// A line that the guest printed, without its line feed.
    fn line(&mut self, text: &str);

    /// The guest called an export that is not implemented. Told once per export.
    fn stub(&mut self, export: &str);
}

/// Bytes of an unfinished line that are kept; a longer one is cut into several.
const MAX_LINE: usize = 4096;

/// Cuts what is printed into lines, per thread, so that threads that print at once do not mix their words.
pub(crate) struct Console(Mutex<State>);

struct State {
    output: Box<dyn Output>,
    /// Text after the last line feed, by tid.
    unfinished: BTreeMap<u32, String>,
    stubs_told: BTreeSet<&'static str>,
}

impl Console {
    pub(crate) fn new(output: Box<dyn Output>) -> Self {
        Self(Mutex::new(State { output, unfinished: BTreeMap::new(), stubs_told: BTreeSet::new() }))
    }

    pub(crate) fn print(&self, tid: u32, text: &str) {
        let mut state = self.0.locked();
        let mut rest = state.unfinished.remove(&tid).unwrap_or_default() + text;
        while let Some(end) = rest.find('\n') {
            state.output.line(&rest[..end]);
            rest.drain(..=end);
        }
        if rest.len() > MAX_LINE {
            state.output.line(&rest);
        } else if !rest.is_empty() {
            state.unfinished.insert(tid, rest);
        }
    }

    pub(crate) fn tell_stub(&self, export: &'static str) {
        let mut state = self.0.locked();
        if state.stubs_told.insert(export) {
            state.output.stub(export);
        }
    }

    /// Gives out what has no line feed behind it.
    pub(crate) fn finish(&self) {
        let mut state = self.0.locked();
        for text in std::mem::take(&mut state.unfinished).into_values() {
            state.output.line(&text);
        }
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    struct Lines(Arc<Mutex<Vec<String>>>);

    impl Output for Lines {
        fn line(&mut self, text: &str) {
            self.0.locked().push(text.to_owned());
        }

        fn stub(&mut self, export: &str) {
            self.0.locked().push(format!("stub {export}"));
        }
    }

    #[test]
    fn lines_come_out_whole_and_stubs_once() {
        let lines = Arc::default();
        let console = Console::new(Box::new(Lines(Arc::clone(&lines))));
        console.print(1, "one ");
        console.print(2, "two\nthree");
        console.print(1, "more\n\n");
        console.tell_stub("NtFoo");
        console.tell_stub("NtFoo");
        console.finish();
        assert_eq!(*lines.locked(), ["two", "one more", "", "stub NtFoo", "three"]);
    }
}
