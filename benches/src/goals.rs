//! The closing table: what was to be reached, what was measured, and whether that is enough.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// One goal, measured.
#[derive(Clone, Debug)]
pub struct Goal {
    /// What is measured, and against what.
    pub what: String,
    /// The figure, in `unit`.
    pub figure: f64,
    /// What it is compared with, in the same unit, if with anything.
    pub against: Option<f64>,
    /// Unit of `figure` and `against`.
    pub unit: &'static str,
    /// The number that is held against `bound`: a ratio, or the figure itself.
    pub value: f64,
    /// What it must not exceed, or must reach.
    pub bound: Bound,
    /// What else there is to say; of a goal that was not measured, why.
    pub note: Option<String>,
}

/// How far a value may go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Not more than this.
    AtMost(f64),
    /// Not less than this.
    AtLeast(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("<= {most}"),
            Self::AtLeast(least) => format!(">= {least}"),
        }
    }
}

impl Goal {
    /// A goal on the figure itself.
    #[must_use]
    pub fn of_figure(what: impl Into<String>, figure: f64, unit: &'static str, bound: Bound) -> Self {
        Self { what: what.into(), figure, against: None, unit, value: figure, bound, note: None }
    }

    /// A goal on the ratio of two figures that were measured in turns; `ratio` is the median of the turns.
    #[must_use]
    pub fn of_ratio(
        what: impl Into<String>,
        figure: f64,
        against: f64,
        unit: &'static str,
        ratio: f64,
        bound: Bound,
    ) -> Self {
        Self { what: what.into(), figure, against: Some(against), unit, value: ratio, bound, note: None }
    }

    /// A goal that this run could not measure.
    #[must_use]
    pub fn not_measured(what: impl Into<String>, unit: &'static str, bound: Bound, why: &str) -> Self {
        Self { note: Some(why.to_owned()), ..Self::of_figure(what, f64::NAN, unit, bound) }
    }

    /// Whether it was reached, if it was measured.
    #[must_use]
    pub fn reached(&self) -> Option<bool> {
        (!self.value.is_nan()).then(|| self.bound.holds(self.value))
    }

    fn json(&self) -> Value {
        let (kind, bound) = match self.bound {
            Bound::AtMost(most) => ("at most", most),
            Bound::AtLeast(least) => ("at least", least),
        };
        json!({
            "what": self.what, "figure": self.figure, "against": self.against, "unit": self.unit,
            "value": self.value, "bound": {kind: bound}, "reached": self.reached(), "note": self.note,
        })
    }
}

/// The table as text.
#[must_use]
pub fn table(goals: &[Goal]) -> String {
    let wide = goals.iter().map(|goal| goal.what.chars().count()).max().unwrap_or(0);
    let mut text = format!(
        "{:wide$}  {:>9}  {:>9}  {:7}  {:>8}  {:>8}\n",
        "goal", "figure", "against", "unit", "value", "bound"
    );
    for goal in goals {
        let number = |number: f64| if number.is_nan() { String::new() } else { format!("{number:.2}") };
        let reached = match goal.reached() {
            Some(true) => "reached",
            Some(false) => "NOT REACHED",
            None => "not measured",
        };
        let note = goal.note.as_ref().map_or_else(String::new, |note| format!(": {note}"));
        writeln!(
            text,
            "{:wide$}  {:>9}  {:>9}  {:7}  {:>8}  {:>8}  {reached}{note}",
            goal.what,
            number(goal.figure),
            goal.against.map_or_else(String::new, number),
            goal.unit,
            number(goal.value),
            goal.bound.text()
        )
        .expect("a string takes everything");
    }
    text
}

/// The table as JSON: medians of so many runs, with the day and the machine.
#[must_use]
pub fn document(goals: &[Goal], runs: usize) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "date": date(now.as_secs() / 86_400),
        "runs": runs,
        "processor": processor(),
        "processors": std::thread::available_parallelism().map_or(0, usize::from),
        "goals": goals.iter().map(Goal::json).collect::<Vec<_>>(),
    })
}

/// The date of a day, counted from the first of 1970.
fn date(mut day: u64) -> String {
    let leap = |year: u64| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let mut year = 1970;
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 0;
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        month += 1;
        if day < length {
            break;
        }
        day -= length;
    }
    format!("{year}-{month:02}-{:02}", day + 1)
}

/// The processor's name, where the operating system tells it.
#[must_use]
pub fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
        Some(line.split(':').nth(1)?.trim().to_owned())
    };
    let part = |name| field(name).unwrap_or_else(|| "unknown".to_owned());
    format!("{}, family {}, model {}", part("model name"), part("cpu family"), part("model"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_that_was_not_measured_is_neither_reached_nor_missed() {
        let goal = Goal::not_measured("instructions", "instr", Bound::AtMost(3.0), "run the gate first");
        assert_eq!(goal.reached(), None);
        let text = table(std::slice::from_ref(&goal));
        assert!(text.ends_with("<= 3  not measured: run the gate first\n"), "{text}");
        let json = goal.json();
        assert!(json["reached"].is_null() && json["value"].is_null(), "{json}");
        assert_eq!(Goal::of_figure("a", 3.0, "instr", Bound::AtMost(3.0)).reached(), Some(true));
        assert_eq!(Goal::of_figure("a", 2.9, "instr", Bound::AtLeast(3.0)).reached(), Some(false));
    }

    #[test]
    fn days_have_their_dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(59), "1970-03-01");
        assert_eq!(date(19_782), "2024-02-29");
        assert_eq!(date(20_088), "2024-12-31");
        assert_eq!(date(20_089), "2025-01-01");
    }
}
