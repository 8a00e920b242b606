//! `htrail diff`: where two runs of one title part.

use std::path::Path;

use clap::ColorChoice;
use handle_capture::{Act, Diff, Divergence, ObjectKey, Occasion, Story, Uneven};
use handle_diagnosis::Symbolize;

use crate::capture_report::{Evidence, note};
use crate::cli::DiffOptions;
use crate::error::Error;
use crate::exit::Exit;
use crate::output;
use crate::symbols::Names;

/// Differences of one kind that are listed; the others are counted.
const LISTED: usize = 20;

/// Compares two captures.
pub(crate) fn diff(options: &DiffOptions) -> Result<Exit, Error> {
    let mut complete = true;
    let mut read = |path: &Path| {
        let story = Story::read(path).map_err(Error::capture(path))?;
        note(path, &story.recovered);
        complete &= story.recovered.is_complete() && !story.begins_late();
        let names = Evidence::of(path, story.recovered.clone(), &[])?.names;
        Ok::<_, Error>((story, names))
    };
    let ((good, names), (bad, _)) = (read(&options.good)?, read(&options.bad)?);
    let diff = handle_capture::diff(&good, &bad);
    let mut page = Page { text: String::new(), names: &names };
    page.all(&diff);
    output::write(&page.text, ColorChoice::Never)?;
    Ok(match (diff.is_empty(), complete) {
        (false, _) => Exit::Findings,
        (true, true) => Exit::Clean,
        (true, false) => Exit::Incomplete,
    })
}

/// The text of a comparison, with the names that the good run has for addresses.
struct Page<'a> {
    text: String,
    names: &'a Names,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn all(&mut self, diff: &Diff) {
        self.line(&format!("{} objects in both runs", diff.common));
        if diff.is_empty() {
            self.line("no difference");
        }
        if let Some(first) = &diff.first {
            self.divergence(first);
        }
        let (missing, added): (Vec<_>, Vec<_>) = diff.uneven.iter().partition(|act| act.good > act.bad);
        self.list("missing in the bad run", &missing, |page, act| page.uneven(act));
        self.list("only, or more often, in the bad run", &added, |page, act| page.uneven(act));
        self.list("objects that only the good run made", &diff.only_good, Self::created);
        self.list("objects that only the bad run made", &diff.only_bad, Self::created);
    }

    fn list<T>(&mut self, title: &str, items: &[T], each: impl Fn(&mut Self, &T)) {
        if items.is_empty() {
            return;
        }
        self.line(&format!("\n{title}"));
        items.iter().take(LISTED).for_each(|item| each(self, item));
        if items.len() > LISTED {
            self.line(&format!("  and {} more", items.len() - LISTED));
        }
    }

    fn divergence(&mut self, first: &Divergence) {
        let object = self.object(&first.object);
        self.line(&format!("\nfirst divergence: {object}, after {} acts that are the same", first.after));
        for (name, what) in [("good", &first.good), ("bad ", &first.bad)] {
            let what = what.map_or_else(
                || "nothing".to_owned(),
                |(act, when)| format!("{}, {}", self.act(&act), occasion(&when)),
            );
            self.line(&format!("  {name}  {what}"));
        }
    }

    fn uneven(&mut self, uneven: &Uneven) {
        let Uneven { object, act, good, bad, first } = uneven;
        let (object, act) = (self.object(object), self.act(act));
        self.line(&format!("  {object}"));
        self.line(&format!("    {act}: {good} in the good run, {bad} in the bad one; {}", occasion(first)));
    }

    fn created(&mut self, (object, created): &(ObjectKey, Occasion)) {
        let object = self.object(object);
        self.line(&format!("  {object}, {}", occasion(created)));
    }

    fn object(&self, ObjectKey { site, ordinal }: &ObjectKey) -> String {
        format!("{} number {ordinal} of {} at {}", site.kind, site.source, self.place(site.lr))
    }

    fn act(&self, act: &Act) -> String {
        format!("{} by {} at {}", act.operation, act.source, self.place(act.lr))
    }

    fn place(&self, address: u32) -> String {
        self.names.at(address).unwrap_or_else(|| format!("0x{address:08x}"))
    }
}

fn occasion(when: &Occasion) -> String {
    format!("handle 0x{:08x}, thread {}, cycle {}", when.handle, when.tid, when.cycle)
}
