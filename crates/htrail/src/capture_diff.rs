//! `htrail diff`: where two runs of one title part.

use std::fmt::Write;

use clap::ColorChoice;
use handle_capture::{Act, Diff, Divergence, ObjectKey, Occasion, Story, Uneven};

use crate::cli::DiffOptions;
use crate::error::Error;
use crate::exit::Exit;
use crate::output;

/// Differences of one kind that are listed; the others are counted.
const LISTED: usize = 20;

/// Compares two captures.
pub(crate) fn diff(options: &DiffOptions) -> Result<Exit, Error> {
    let (good, bad) = (Story::read(&options.good)?, Story::read(&options.bad)?);
    let diff = handle_capture::diff(&good, &bad);
    output::write(&text(&diff), ColorChoice::Never)?;
    let complete = good.recovered.is_complete() && bad.recovered.is_complete();
    Ok(match (diff.is_empty(), complete) {
        (false, _) => Exit::Findings,
        (true, true) => Exit::Clean,
        (true, false) => Exit::Incomplete,
    })
}

fn text(diff: &Diff) -> String {
    let mut text = format!("{} objects in both runs\n", diff.common);
    if diff.is_empty() {
        text += "no difference\n";
    }
    if let Some(first) = &diff.first {
        divergence(&mut text, first);
    }
    let came = |act: &Uneven| act.good > act.bad;
    list(&mut text, "missing in the bad run", diff.uneven.iter().filter(|act| came(act)), uneven);
    list(
        &mut text,
        "only, or more often, in the bad run",
        diff.uneven.iter().filter(|act| !came(act)),
        uneven,
    );
    list(&mut text, "objects that only the good run made", diff.only_good.iter(), object);
    list(&mut text, "objects that only the bad run made", diff.only_bad.iter(), object);
    text
}

/// Strings cannot refuse to be written to.
macro_rules! line {
    ($text:expr, $($rest:tt)*) => { _ = writeln!($text, $($rest)*) };
}

fn list<T>(text: &mut String, title: &str, items: impl Iterator<Item = T>, each: impl Fn(&mut String, T)) {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return;
    }
    line!(text, "\n{title}");
    items.by_ref().take(LISTED).for_each(|item| each(text, item));
    let more = items.count();
    if more > 0 {
        line!(text, "  and {more} more");
    }
}

fn divergence(text: &mut String, first: &Divergence) {
    line!(text, "\nfirst divergence: {}, after {} acts that are the same", first.object, first.after);
    let mut side = |name: &str, what: &Option<(Act, Occasion)>| match what {
        Some((act, when)) => line!(text, "  {name}  {act}, {}", occasion(when)),
        None => line!(text, "  {name}  nothing"),
    };
    side("good", &first.good);
    side("bad ", &first.bad);
}

fn uneven(text: &mut String, uneven: &Uneven) {
    let Uneven { object, act, good, bad, first } = uneven;
    line!(text, "  {object}");
    line!(text, "    {act}: {good} in the good run, {bad} in the bad one; {}", occasion(first));
}

fn object(text: &mut String, (object, created): &(ObjectKey, Occasion)) {
    line!(text, "  {object}, {}", occasion(created));
}

fn occasion(when: &Occasion) -> String {
    format!("handle 0x{:08x}, thread {}, cycle {}", when.handle, when.tid, when.cycle)
}
