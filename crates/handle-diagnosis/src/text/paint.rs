//! Lines of text with styles in them, wrapped to a width.
//!
//! Styles are embedded as escape sequences and cost no width; who prints the text strips them where colour is not
//! wanted. Colour is never the only cue.

use anstyle::{AnsiColor, Style};

use crate::verdict::Confidence;

/// How a report is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    width: usize,
    pub(super) ascii: bool,
    pub(super) all: bool,
    pub(super) quiet: bool,
}

impl Layout {
    /// The narrowest report.
    pub const MIN_WIDTH: usize = 60;
    /// The widest report.
    pub const MAX_WIDTH: usize = 160;

    /// A layout for so many columns; a width outside of 60 to 160 is moved to the nearer end.
    #[must_use]
    pub fn new(width: usize) -> Self {
        Self { width: width.clamp(Self::MIN_WIDTH, Self::MAX_WIDTH), ascii: false, all: false, quiet: false }
    }

    /// No character beyond ASCII.
    #[must_use]
    pub fn ascii(self, ascii: bool) -> Self {
        Self { ascii, ..self }
    }

    /// Everything rather than what fits the first screen.
    #[must_use]
    pub fn all(self, all: bool) -> Self {
        Self { all, ..self }
    }

    /// A line for each verdict, and nothing else.
    #[must_use]
    pub fn quiet(self, quiet: bool) -> Self {
        Self { quiet, ..self }
    }

    /// Columns, 60 to 160.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self::new(80)
    }
}

pub(super) const PLAIN: Style = Style::new();
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const WARN: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));

pub(super) fn of_confidence(confidence: Confidence) -> Style {
    let colour = match confidence {
        Confidence::Proven | Confidence::Strong => AnsiColor::Red,
        Confidence::Likely => AnsiColor::Yellow,
        Confidence::Hint => AnsiColor::Cyan,
        Confidence::Unknown => AnsiColor::Magenta,
    };
    Style::new().bold().fg_color(Some(anstyle::Color::Ansi(colour)))
}

/// Text in one style. Names come from the guest, its symbols or a capture: what would command the terminal goes.
pub(super) fn paint(style: Style, text: &str) -> String {
    let text = tame(text);
    if style == PLAIN || text.is_empty() { text } else { format!("{style}{text}{style:#}") }
}

/// A text without control characters, and without those that turn the direction of writing round: a `?` for each.
fn tame(text: &str) -> String {
    let commands = |letter: char| {
        letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|letter| if commands(letter) { '?' } else { letter }).collect()
}

/// Columns that a text takes.
pub(super) fn width_of(text: &str) -> usize {
    text.chars().count()
}

/// Breaks a text at spaces into lines of at most `first` columns, then `rest`; a number stays with the word behind it. A
/// word that is longer than a line is broken inside, so that nothing is ever lost. At least one line.
pub(super) fn wrap(text: &str, first: usize, rest: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in with_units(&tame(text)) {
        let room = |lines: &Vec<String>| if lines.len() == 1 { first } else { rest }.max(1);
        let line = lines.last_mut().map_or(0, |line| width_of(line));
        let gap = usize::from(line > 0);
        if line + gap + width_of(&word) <= room(&lines) {
            let last = lines.len() - 1;
            lines[last].extend((gap > 0).then_some(' '));
            lines[last] += &word;
            continue;
        }
        if line > 0 {
            lines.push(String::new());
        }
        for letter in word.chars() {
            let last = lines.len() - 1;
            if width_of(&lines[last]) == room(&lines) {
                lines.push(String::new());
            }
            let last = lines.len() - 1;
            lines[last].push(letter);
        }
    }
    lines
}

/// The words of a text, each number in one piece with its groups of digits and what it counts, or with the thread that it
/// names.
fn with_units(text: &str) -> Vec<String> {
    let is_number = |word: &str| {
        let bare = word.trim_start_matches('(');
        bare.ends_with(|last: char| last.is_ascii_digit())
            && bare.chars().all(|letter| letter.is_ascii_digit() || letter == '.')
    };
    let mut words: Vec<String> = Vec::new();
    let (mut after_number, mut after_thread) = (false, false);
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let names = after_thread && word.starts_with(|first: char| first.is_ascii_digit());
        match words.last_mut() {
            Some(before) if after_number || names => {
                before.push(' ');
                *before += word;
            }
            _ => words.push(word.to_owned()),
        }
        after_number = !names && is_number(word);
        after_thread = word.eq_ignore_ascii_case("thread");
    }
    words
}

/// The report while it grows.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) layout: Layout,
    text: String,
}

impl Page {
    pub(super) fn new(layout: Layout) -> Self {
        Self { layout, text: String::new() }
    }

    /// One line, as it is; spaces at its end go.
    pub(super) fn line(&mut self, line: &str) {
        self.text += line.trim_end();
        self.text.push('\n');
    }

    /// An empty line, unless there is one already.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A text, wrapped and indented.
    pub(super) fn wrapped(&mut self, indent: usize, style: Style, text: &str) {
        let room = self.layout.width - indent;
        for line in wrap(text, room, room) {
            self.line(&format!("{:indent$}{}", "", paint(style, &line)));
        }
    }

    /// A text whose lines after the first stand further in.
    pub(super) fn hanging(&mut self, indent: usize, further: usize, text: &str) {
        let room = self.layout.width - indent;
        for (index, line) in wrap(text, room, room - further).iter().enumerate() {
            let indent = if index == 0 { indent } else { indent + further };
            self.line(&format!("{:indent$}{line}", ""));
        }
    }

    /// `label  text`, the text wrapped in a column of its own.
    pub(super) fn labelled(&mut self, label: &str, style: Style, text: &str) {
        const INDENT: usize = 2;
        const LABEL: usize = 12;
        let room = self.layout.width - INDENT - LABEL;
        for (index, line) in wrap(text, room, room).iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let padding = LABEL.saturating_sub(width_of(label));
            self.line(&format!("{:INDENT$}{}{:padding$}{}", "", paint(DIM, label), "", paint(style, line)));
        }
    }

    /// What the text branches with.
    pub(super) fn branch(&self) -> &'static str {
        if self.layout.ascii { "`- " } else { "└─ " }
    }

    pub(super) fn into_text(self) -> String {
        if self.layout.ascii {
            self.text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
        } else {
            self.text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_breaks_at_spaces_and_loses_nothing() {
        assert_eq!(wrap("one two three", 7, 5), ["one two", "three"]);
        assert_eq!(wrap("a verylongidentifier b", 6, 6), ["a", "verylo", "ngiden", "tifier", "b"]);
        assert_eq!(wrap("verylong b", 4, 4), ["very", "long", "b"]);
        assert_eq!(wrap("", 5, 5), [""]);
    }

    #[test]
    fn a_number_stays_with_what_it_counts() {
        assert_eq!(wrap("8 handles, 0.0 s, seed 1", 15, 15), ["8 handles,", "0.0 s, seed 1"]);
        assert_eq!(wrap("in all 27 486 records", 14, 14), ["in all", "27 486 records"]);
        assert_eq!(wrap("by thread 2 itself", 9, 9), ["by", "thread 2", "itself"]);
    }

    #[test]
    fn widths_stay_between_sixty_and_a_hundred_and_sixty() {
        assert_eq!(Layout::new(1).width(), 60);
        assert_eq!(Layout::new(100).width(), 100);
        assert_eq!(Layout::new(1000).width(), 160);
    }

    #[test]
    fn a_gap_is_one_line_between_two_others() {
        let mut page = Page::new(Layout::new(60));
        page.gap();
        page.line("a");
        page.gap();
        page.gap();
        page.line("b");
        assert_eq!(page.into_text(), "a\n\nb\n");
    }

    #[test]
    fn what_would_command_a_terminal_goes() {
        assert_eq!(paint(PLAIN, "a\u{1b}]0;b\u{7}\u{9b}c\r\u{202e}d"), "a?]0;b??c??d");
        assert_eq!(wrap("\u{1b}[2Jname+0x4", 20, 20), ["?[2Jname+0x4"]);
    }

    #[test]
    fn style_costs_no_text() {
        let painted = paint(BOLD, "PROVEN");
        assert_eq!(anstream::adapter::strip_str(&painted).to_string(), "PROVEN");
        assert_eq!(paint(PLAIN, "x"), "x");
    }
}
