//! HT17: a source that signalled with a steady period has gone silent.

use crate::graph::open_promise;
use crate::history::Step;
use crate::rules::{Finding, Suspect};
use crate::verdict::{Confidence, VerdictId};
use crate::view::Activity;
use crate::words;

/// Signals that make a habit.
const MIN_SIGNALS: usize = 8;

/// Periods of silence that break it.
const SILENT_PERIODS: u64 = 10;

pub(super) fn stopped(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.present()?;
    if open_promise(known.history).is_some() {
        return None;
    }
    let last = known.history.last(known.history.steps.len(), |step| step.is_signal())?;
    let entry = *known.history.steps[last].entry();
    let same = known.history.steps.iter().filter(|step| {
        step.is_signal() && step.entry().source == entry.source && step.entry().tid == entry.tid
    });
    let cycles: Vec<u64> = same.map(|step| step.entry().cycle).collect();
    let silence = suspect.view.now.saturating_sub(entry.cycle);
    let beat = beat(&cycles);
    let silent = beat.is_some_and(|beat| silence >= SILENT_PERIODS.saturating_mul(beat.period));
    let gone = entry.tid != 0 && suspect.view.activity(entry.tid) == Activity::Exited;
    // A source that is parked itself has a reason of its own to be silent: it may be a victim.
    let parked = suspect.view.activity(entry.tid) == Activity::Blocked;
    let confidence = match beat {
        Some(beat) if silent && beat.steady && !parked => Confidence::Strong,
        Some(_) if silent => Confidence::Likely,
        _ if gone && known.after_wait(Step::is_signal).is_none() => Confidence::Likely,
        _ => return None,
    };
    let mut finding = suspect.finding(VerdictId::HeartbeatStopped, confidence);
    finding.since = entry.cycle;
    finding.culprit =
        Some(if entry.tid == 0 { entry.source.to_string() } else { format!("thread {}", entry.tid) });
    let habit = beat.filter(|_| silent).map_or_else(String::new, |beat| {
        format!(", every {}, and has been silent for {}", words::time(beat.period), words::time(silence))
    });
    let end = if gone { " and then ended" } else { "" };
    finding.summary = format!(
        "{}, which {} signalled {}{habit}{end}.",
        suspect.opening(),
        suspect.thread(entry.tid),
        words::count(cycles.len() as u64, "time")
    );
    finding.evidence.extend(suspect.created());
    finding.evidence.extend(suspect.step(last, "the last signal"));
    finding.evidence.push(suspect.wait());
    finding.evidence.sort_by_key(|evidence| evidence.record.map(|record| record.seq));
    finding.next = format!("See what {} does after {}.", suspect.thread(entry.tid), suspect.place(entry.lr));
    Some(finding)
}

#[derive(Clone, Copy)]
struct Beat {
    period: u64,
    /// Every interval lies within a quarter of the period.
    steady: bool,
}

/// The habit of a source among its newest signals, if most intervals are about alike.
fn beat(cycles: &[u64]) -> Option<Beat> {
    let mut intervals: Vec<u64> =
        cycles.windows(2).rev().take(31).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    if intervals.len() + 1 < MIN_SIGNALS {
        return None;
    }
    intervals.sort_unstable();
    let period = intervals[intervals.len() / 2];
    let within =
        |share: u64| intervals.iter().filter(|interval| interval.abs_diff(period) <= period / share).count();
    let alike = within(2) * 4 >= intervals.len() * 3;
    (period > 0 && alike).then_some(Beat { period, steady: within(4) == intervals.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The period of signals with these intervals between them, and whether it is steady.
    fn beat_of(intervals: &[u64]) -> Option<(u64, bool)> {
        let mut cycles = vec![7];
        for interval in intervals {
            cycles.push(cycles[cycles.len() - 1] + interval);
        }
        beat(&cycles).map(|beat| (beat.period, beat.steady))
    }

    #[test]
    fn a_beat_is_the_middle_of_many_intervals_that_are_about_alike() {
        let after = |interval: u64, others: &[u64]| [&[interval; 6], others].concat();
        for (intervals, expected, why) in [
            (vec![100; 6], None, "seven signals are no habit"),
            (vec![100; 7], Some((100, true)), "eight are"),
            (after(100, &[75, 125]), Some((100, true)), "within a quarter"),
            (after(100, &[74]), Some((100, false)), "one earlier"),
            (after(100, &[126]), Some((100, false)), "one later"),
            (after(100, &[1, 900]), Some((100, false)), "three of four are alike"),
            (after(100, &[1, 900, 900]), None, "less than three of four"),
            (after(100, &[50, 150, 150]), Some((100, false)), "alike within a half"),
            (after(100, &[49, 100, 151, 151]), None, "and no more"),
            (vec![0; 8], None, "all at once"),
            ([vec![9; 40], vec![100; 31]].concat(), Some((100, true)), "the newest count"),
        ] {
            assert_eq!(beat_of(&intervals), expected, "{why}: {intervals:?}");
        }
    }
}
