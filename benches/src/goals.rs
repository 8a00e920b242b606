//! The closing table: what was to be reached, what was measured, and whether that is enough.

use std::fmt::Write as _;

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
        Self { what: what.into(), figure, against: None, unit, value: figure, bound }
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
        Self { what: what.into(), figure, against: Some(against), unit, value: ratio, bound }
    }

    /// Whether it was reached.
    #[must_use]
    pub fn reached(&self) -> bool {
        self.bound.holds(self.value)
    }

    fn json(&self) -> Value {
        let (kind, bound) = match self.bound {
            Bound::AtMost(most) => ("at most", most),
            Bound::AtLeast(least) => ("at least", least),
        };
        json!({
            "what": self.what, "figure": self.figure, "against": self.against, "unit": self.unit,
            "value": self.value, "bound": {kind: bound}, "reached": self.reached(),
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
        let against = goal.against.map_or_else(String::new, |against| format!("{against:.2}"));
        let reached = if goal.reached() { "reached" } else { "NOT REACHED" };
        writeln!(
            text,
            "{:wide$}  {:>9.2}  {:>9}  {:7}  {:>8.2}  {:>8}  {reached}",
            goal.what,
            goal.figure,
            against,
            goal.unit,
            goal.value,
            goal.bound.text()
        )
        .expect("a string takes everything");
    }
    text
}

/// The table as JSON, with the machine that it was measured on.
#[must_use]
pub fn document(goals: &[Goal]) -> Value {
    json!({
        "processor": processor(),
        "processors": std::thread::available_parallelism().map_or(0, usize::from),
        "goals": goals.iter().map(Goal::json).collect::<Vec<_>>(),
    })
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
