//! The guest's clock, read for less: what the cycles of records come from.
//!
//! A look at the host's clock takes some 30 ns, as long as all else of a record together. Between two looks, half a
//! millisecond apart, the processor's counter is followed. So a reading can be up to two microseconds off the clock and
//! those of other threads: good enough for what people read, and for nothing that is due. Where the counter does not go
//! on as it went, as after a suspend that sets it back or lets it run, it is not followed until its rate is known anew.

use host_os::TimeStampCounter;

use crate::clock::{CYCLES_PER_SECOND, Clock};

/// Counts that are followed from a look on: half a millisecond at four thousand millions a second.
const FOLLOWED: u64 = 1 << 21;

/// A look that takes as many counts was disturbed, and its two readings do not belong together. An ordinary one takes some
/// hundred.
const DISTURBED: u64 = 600;

/// Disturbed looks in a row, after which the counter is not read any more: where reading it is slow, all are.
const PATIENCE: u32 = 64;

/// Looks that the rate is taken from are at least so many cycles apart, a millisecond, and less than a second.
const APART: std::ops::Range<u64> = CYCLES_PER_SECOND / 1000..CYCLES_PER_SECOND;

/// A rate that differs from the last by more than this part of it is none.
const STEADY: u64 = 64;

/// The counter and the clock at one moment.
#[derive(Clone, Copy, Debug)]
struct Look {
    count: u64,
    cycle: u64,
}

/// One thread's reading of the clock.
#[derive(Debug)]
pub(crate) struct Follower {
    counter: Option<TimeStampCounter>,
    course: Course,
}

impl Follower {
    pub(crate) fn new(counter: Option<TimeStampCounter>) -> Self {
        Self { counter, course: Course::default() }
    }

    /// Cycles since the run began, or a few cycles off.
    #[inline]
    pub(crate) fn now(&mut self, clock: &Clock) -> u64 {
        let Some(counter) = self.counter else { return clock.now() };
        let count = counter.read();
        match self.course.at(count) {
            Some(cycle) => cycle,
            None => self.look(clock, counter, count),
        }
    }

    #[cold]
    fn look(&mut self, clock: &Clock, counter: TimeStampCounter, count: u64) -> u64 {
        let cycle = clock.now();
        self.course.look(Look { count, cycle }, counter.read());
        if self.course.disturbed == PATIENCE {
            self.counter = None;
        }
        cycle
    }
}

/// How the clock goes by the counter. Pure: it is told both.
#[derive(Debug, Default)]
struct Course {
    newest: Option<Look>,
    /// The look that the rate is taken from.
    base: Option<Look>,
    /// Cycles in 2^32 counts; 0 before two looks were far enough apart.
    rate: u64,
    /// Counts to follow from the newest look on.
    followed: u64,
    /// Disturbed looks in a row.
    disturbed: u32,
}

impl Course {
    /// The cycle at a count, if the newest look is near enough.
    #[inline]
    fn at(&self, count: u64) -> Option<u64> {
        let newest = self.newest?;
        let ahead = count.wrapping_sub(newest.count);
        (ahead < self.followed).then(|| newest.cycle + ((ahead * self.rate) >> 32))
    }

    /// Goes on from a look that was over at count `end`.
    fn look(&mut self, look: Look, end: u64) {
        self.followed = 0;
        if end.wrapping_sub(look.count) >= DISTURBED {
            self.disturbed += 1;
            return;
        }
        self.disturbed = 0;
        let (Some(newest), Some(base)) = (self.newest.replace(look), self.base) else {
            self.base = Some(look);
            return;
        };
        if look.count <= newest.count || look.cycle - newest.cycle >= APART.end {
            return self.begin_anew(look);
        }
        let cycles = look.cycle - base.cycle;
        if cycles < APART.start {
            return;
        }
        let rate = ((u128::from(cycles) << 32) / u128::from(look.count - base.count)).min(1 << 40) as u64;
        if self.rate != 0 && rate.abs_diff(self.rate) > self.rate / STEADY {
            return self.begin_anew(look);
        }
        (self.rate, self.followed) = (rate, FOLLOWED);
        if cycles >= APART.end {
            self.base = Some(look);
        }
    }

    fn begin_anew(&mut self, look: Look) {
        (self.base, self.rate) = (Some(look), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cycles, two microseconds: what an undisturbed look and the rate from two of them may be off, together, where a
    /// counter makes at least a thousand million counts a second.
    const OFF: u64 = 100;

    const MILLISECOND: u64 = CYCLES_PER_SECOND / 1000;

    /// A counter of 2 GHz: 40 counts a cycle.
    fn look(course: &mut Course, cycle: u64) {
        course.look(Look { count: cycle * 40, cycle }, cycle * 40 + 60);
    }

    #[test]
    fn a_rate_is_followed_from_the_newest_look_on_and_not_for_long() {
        let mut course = Course::default();
        assert_eq!(course.at(5), None, "nothing is known");
        look(&mut course, 1000);
        look(&mut course, 1000 + MILLISECOND - 1);
        assert_eq!(course.at((1000 + MILLISECOND) * 40), None, "too little is known");
        let from = 1000 + MILLISECOND;
        look(&mut course, from);
        for ahead in [0, 1, 40, 1000, 50_000] {
            let off = course.at((from + ahead) * 40).unwrap().abs_diff(from + ahead);
            assert!(off <= 1, "{ahead} cycles ahead, {off} off");
        }
        assert_eq!(course.at(from * 40 + FOLLOWED - 1).unwrap(), from + (FOLLOWED - 1) / 40);
        assert_eq!(course.at(from * 40 + FOLLOWED), None, "time for a look");
        assert_eq!(course.at(from * 40 - 1), None, "a counter that fell is not followed");
    }

    #[test]
    fn a_disturbed_look_is_not_gone_on_from() {
        let mut course = Course::default();
        look(&mut course, 0);
        look(&mut course, MILLISECOND);
        let before = course.newest.unwrap().cycle;
        let (count, cycle) = (80 * MILLISECOND, 2 * MILLISECOND);
        for disturbed in 1..=3 {
            course.look(Look { count, cycle }, count + DISTURBED);
            assert_eq!((course.at(count), course.disturbed), (None, disturbed));
        }
        assert_eq!(course.newest.unwrap().cycle, before);
        look(&mut course, 2 * MILLISECOND);
        assert_eq!((course.at(count), course.disturbed), (Some(cycle), 0));
    }

    #[test]
    fn a_counter_that_does_not_go_on_as_it_went_is_followed_once_its_rate_is_known_anew() {
        for (what, milliseconds, counts) in [
            ("set back", 1, -250_000_000),
            ("set back, and past where it stood when it is looked at again", 20_000, -38_000_000_000),
            ("run on while the clock stood still", 1, 7_200_000_000_000_i64),
            ("not looked at for long", 2_000, 0),
        ] {
            let mut course = Course::default();
            (100..130).for_each(|number| look(&mut course, number * MILLISECOND));
            let mut ahead = |number: u64| {
                let cycle = number * MILLISECOND;
                let count = (cycle * 40).wrapping_add_signed(counts);
                course.look(Look { count, cycle }, count + 60);
                course.at(count + 400).map(|reading| reading - cycle)
            };
            let first = 129 + milliseconds;
            assert_eq!(ahead(first), None, "{what}");
            for next in 1..5 {
                assert!(matches!(ahead(first + next), Some(9..=10)), "{what}: {next} ms later");
            }
        }
    }

    #[test]
    fn no_reading_overflows() {
        let mut course = Course::default();
        course.look(Look { count: 0, cycle: u64::MAX >> 4 }, 0);
        course.look(Look { count: 1, cycle: (u64::MAX >> 4) + CYCLES_PER_SECOND - 1 }, 1);
        assert!(course.at(FOLLOWED).is_some());
    }

    #[test]
    fn a_follower_keeps_to_the_clock() {
        let clock = Clock::new(false);
        let mut follower = Follower::new(clock.counter());
        let (mut before, mut readings) = (clock.now(), 0_u64);
        while before < 20 * MILLISECOND {
            let reading = follower.now(&clock);
            let after = clock.now();
            // A reading may be preempted before it or after it, never both sides of it at once.
            assert!(
                reading + 10 * OFF >= before && reading <= after + 10 * OFF,
                "{before} {reading} {after}"
            );
            (before, readings) = (after, readings + 1);
        }
        assert!(readings > 0);
        let mut still = Follower::new(Clock::new(true).counter());
        assert_eq!(still.now(&Clock::new(true)), 0, "a virtual clock is read as it is");
    }
}
