//! The kernel against the reference model, on cases that nobody thought of.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use xenon_kernel::MachineConfig;

use crate::case_guest::Builder;
use crate::harness::{Trace, run_image};
use crate::linear;
use crate::model;
use crate::wait_semantics::case;

/// Slices so long that a waiter comes as far as it can in each.
const SLICE: u32 = 1 << 20;

/// What a case may have in it.
#[derive(Clone, Copy)]
struct Scope {
    /// Timers and timeouts: repeatable only where time is.
    timed: bool,
    /// Waiters that signal and end: repeatable only where the main thread makes all waiters ready in one slice.
    active: bool,
}

/// Draws a case from numbers; when they run out, the rest is the simplest there is.
struct Dice<'a> {
    numbers: std::slice::Iter<'a, u32>,
    scope: Scope,
    timed: u32,
}

impl Dice<'_> {
    fn below(&mut self, bound: usize) -> usize {
        self.numbers.next().map_or(0, |number| *number as usize % bound)
    }

    fn one_of<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        choices[self.below(choices.len())]
    }

    /// A time that no other one of the case is near.
    fn time(&mut self) -> u32 {
        self.timed += 1;
        10_000 + 2_500 * ((self.timed * 7) % 16)
    }

    fn object(&mut self) -> String {
        let timers = if self.scope.timed { 3 } else { 2 };
        match self.below(3 + timers) {
            0 => self.one_of(&["m0", "m1", "a0", "a1", "s0/2", "s1/2", "s2/3"]).to_owned(),
            1 => self.one_of(&["!m0", "!m1", "!a0", "!a1", "!s0/2", "!s1/3"]).to_owned(),
            2 => self.one_of(&["&M0", "&A0", "&A1", "&S1/2", "&U", "&O"]).to_owned(),
            3 => self.one_of(&["M0", "M1", "A0", "A1", "S0/2", "S1/2", "S2/3"]).to_owned(),
            4 => self.one_of(&["U", "O", "U"]).to_owned(),
            _ => self.one_of(&["FM", "FA", "&FM", "&FA"]).to_owned(),
        }
    }

    fn step(&mut self, objects: &[String]) -> String {
        let first = self.below(objects.len());
        let in_memory = is_in_memory(&objects[first]);
        if self.scope.active && self.below(4) == 0 {
            let how = if in_memory { "set" } else { self.one_of(&["set", "unlock"]) };
            return format!("{how}:{}", first + 1);
        }
        let alike: Vec<_> =
            (0..objects.len()).filter(|other| is_in_memory(&objects[*other]) == in_memory).collect();
        let mut members = vec![first];
        let how = self.one_of(&["w", "any", "all"]);
        if how != "w" {
            members.extend((0..1 + self.below(2)).map(|_| alike[self.below(alike.len())]));
        }
        let members: Vec<_> = members.iter().map(|member| (member + 1).to_string()).collect();
        let timeout = match self.below(if self.scope.timed { 5 } else { 4 }) {
            0..3 => String::new(),
            3 => "/p".to_owned(),
            _ => format!("/{}", self.time()),
        };
        format!("{how}:{}{timeout}{}", members.join(","), self.one_of(&["", "", "/a"]))
    }

    fn operation(&mut self, objects: &[String], waiters: usize) -> String {
        let object = self.below(objects.len());
        let number = object + 1;
        let waiter = 1 + self.below(waiters);
        let by_handle: Vec<_> =
            (0..objects.len()).filter(|object| !is_in_memory(&objects[*object])).collect();
        match self.below(if self.scope.timed { 14 } else { 11 }) {
            0 | 1 => format!("set {number}"),
            2 => format!("release {number} {}", self.one_of(&["1", "1", "2", "3", "0", "-1"])),
            3 => format!("reset {number}"),
            4 => format!("pulse {number}"),
            5 => format!("poll {number}"),
            6 => format!("apc {waiter}"),
            7 => format!("suspend {waiter}"),
            8 => format!("resume {waiter}"),
            9 if !is_in_memory(&objects[object]) => format!("unlock {number}"),
            10 if !is_in_memory(&objects[object]) => {
                format!("signal-wait {number} {}", by_handle[self.below(by_handle.len())] + 1)
            }
            11 if !is_in_memory(&objects[object]) => format!("arm {number} {}", self.time()),
            12 if !is_in_memory(&objects[object]) => format!("cancel {number}"),
            13 => "tick".to_owned(),
            _ => format!("set {number}"),
        }
    }
}

fn is_in_memory(object: &str) -> bool {
    object.trim_start_matches('!').starts_with(char::is_lowercase)
}

/// A line as the table has them, without what is expected.
fn compose(numbers: &[u32], scope: Scope) -> String {
    let mut dice = Dice { numbers: numbers.iter(), scope, timed: 0 };
    let objects: Vec<_> = (0..1 + dice.below(4)).map(|_| dice.object()).collect();
    let count = 1 + dice.below(4);
    let waiters: Vec<_> = (0..count)
        .map(|_| {
            let mut steps: Vec<_> = (0..1 + dice.below(3)).map(|_| dice.step(&objects)).collect();
            if scope.active && dice.below(2) == 0 {
                steps.push("end".to_owned());
            }
            steps.join("+")
        })
        .collect();
    let operations: Vec<_> = (0..1 + dice.below(12)).map(|_| dice.operation(&objects, count)).collect();
    format!("{} | {} | {} | |", objects.join(" "), waiters.join(" "), operations.join("; "))
}

fn kernel_does_as_the_model(cases: u32, deterministic: bool, scope: Scope) {
    let config =
        Config { cases, failure_persistence: None, max_global_rejects: 20 * cases, ..Config::default() };
    let numbers = proptest::collection::vec(any::<u32>(), 20..140);
    let checked = TestRunner::new(config).run(&(numbers, any::<u64>()), |(numbers, seed)| {
        let text = compose(&numbers, scope);
        let case = case(0, &text);
        let Some(expected) = model::expected(&case) else {
            return Err(TestCaseError::reject("too close in time"));
        };
        let image = Builder::new(true).build(&case).image();
        let config =
            MachineConfig { deterministic, self_check: true, seed, slice: SLICE, ..MachineConfig::default() };
        let run = run_image(&image, config, Trace::on());
        prop_assert_eq!(&run.lines, &expected, "{} ended as {:?}", text, run.outcome.ended);
        prop_assert_eq!(run.exit(), Some(0), "{}", text);
        prop_assert_eq!(run.outcome.unrecorded, vec![], "{}", text);
        linear::check(&run.snapshot.expect("traced"), &text);
        Ok(())
    });
    checked.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn any_case_deterministically() {
    kernel_does_as_the_model(1_000, true, Scope { timed: true, active: true });
}

#[test]
fn any_case_without_time_on_six_os_threads() {
    kernel_does_as_the_model(200, false, Scope { timed: false, active: false });
}

/// What proptest found, or a person: lines that were wrong once, with what they must print.
#[test]
fn the_model_agrees_with_the_table() {
    let lines = [
        ("A0 | w:1 | set 1 | |", "0 0 102"),
        ("S0/2 | w:1 w:1 | release 1 2 | |", "0 0 0 102"),
        ("O | w:1+end w:1 | unlock 1 | |", "0 0 80 102"),
        ("FA | w:1/12500 | arm 1 20000; tick | |", "0 0 102 0"),
        ("a0 | w:1 | pulse 1 | |", "1000400 0 0 1000400 0 0 102"),
        ("A0 | w:1/a+w:1/a | suspend 1; apc 1; apc 1; resume 1 | |", "0 0 0 1 c0 dead 102"),
    ];
    for (line, expected) in lines {
        let found = model::expected(&case(0, line)).expect("nothing is close to anything else");
        assert_eq!(found.join(" "), expected, "{line}");
    }
}
