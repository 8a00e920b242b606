//! Taking time: in turns, medians, percentiles.

use std::time::Instant;

/// Nanoseconds per operation that a candidate took in each turn.
#[derive(Clone, Debug)]
pub struct Series {
    /// The candidate.
    pub name: &'static str,
    /// One figure a turn.
    pub turns: Vec<f64>,
}

impl Series {
    /// The median over the turns.
    #[must_use]
    pub fn median(&self) -> f64 {
        median(&self.turns)
    }

    /// The median of the turn-by-turn ratio to another candidate of the same measurement.
    #[must_use]
    pub fn ratio_to(&self, other: &Self) -> f64 {
        let ratios: Vec<f64> =
            self.turns.iter().zip(&other.turns).map(|(mine, theirs)| mine / theirs).collect();
        median(&ratios)
    }
}

/// A candidate: its name, and one turn of it, which returns nanoseconds per operation.
pub type Candidate<'a> = (&'static str, Box<dyn FnMut() -> f64 + 'a>);

/// Lets every candidate have one turn after the other, `turns` times, after one turn each to warm up.
pub fn in_turns(turns: usize, mut candidates: Vec<Candidate<'_>>) -> Vec<Series> {
    let mut series: Vec<Series> =
        candidates.iter().map(|(name, _)| Series { name, turns: Vec::with_capacity(turns) }).collect();
    for turn in 0..=turns {
        for ((_, candidate), series) in candidates.iter_mut().zip(&mut series) {
            let figure = candidate();
            if turn > 0 {
                series.turns.push(figure);
            }
        }
    }
    series
}

/// The series of that name.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn find<'a>(series: &'a [Series], name: &str) -> &'a Series {
    series.iter().find(|series| series.name == name).unwrap_or_else(|| panic!("no candidate {name:?}"))
}

/// The middle of the figures.
///
/// # Panics
///
/// If there are none.
#[must_use]
pub fn median(figures: &[f64]) -> f64 {
    percentile(figures, 0.5)
}

/// The figure below which a share of the figures lies.
///
/// # Panics
///
/// If there are none.
#[must_use]
pub fn percentile(figures: &[f64], share: f64) -> f64 {
    assert!(!figures.is_empty(), "nothing was measured");
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

/// Nanoseconds that `work` takes.
pub fn nanoseconds(work: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_nanos() as f64
}
