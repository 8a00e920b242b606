//! The wait semantics as a table: `wait_semantics.txt`, one case a line, each run deterministically and on six OS threads.

use xenon_kernel::MachineConfig;

use crate::case_guest::Builder;
use crate::harness::{Trace, run_image};

const TABLE: &str = include_str!("wait_semantics.txt");

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    line: usize,
    pub(crate) objects: Vec<&'a str>,
    pub(crate) waiters: Vec<&'a str>,
    pub(crate) operations: Vec<&'a str>,
    /// What the operations return, the waiters' statuses, and what polling each object returns at the end.
    expected: Vec<String>,
}

fn cases() -> Vec<Case<'static>> {
    let lines = (1..).zip(TABLE.lines());
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, text)| case(line, text))
        .collect()
}

/// Reads a line: objects, waiters, operations, statuses, final polls.
pub(crate) fn case(line: usize, text: &str) -> Case<'_> {
    let columns: Vec<_> = text.split('|').map(str::trim).collect();
    let [objects, waiters, operations, statuses, states] = columns[..] else {
        panic!("line {line}: five columns")
    };
    let operations: Vec<_> =
        operations.split(';').map(str::trim).filter(|operation| !operation.is_empty()).collect();
    let returned = operations.iter().filter_map(|operation| Some(operation.split_once("->")?.1.trim()));
    let rest = statuses.split_whitespace().chain(states.split_whitespace());
    Case {
        line,
        objects: objects.split_whitespace().collect(),
        waiters: waiters.split_whitespace().collect(),
        expected: returned.chain(rest).map(str::to_owned).collect(),
        operations,
    }
}

fn run_table(deterministic: bool) {
    let mut wrong = Vec::new();
    for case in cases() {
        let image = Builder::new(false).build(&case).image();
        let config = MachineConfig {
            deterministic,
            self_check: true,
            seed: case.line as u64,
            ..MachineConfig::default()
        };
        let run = run_image(&image, config, Trace::on());
        let shown = |line: &String| if line == "dead" { "-".to_owned() } else { line.clone() };
        let found: Vec<_> = run.lines.iter().map(shown).collect();
        if found != case.expected || run.exit() != Some(0) || !run.outcome.unrecorded.is_empty() {
            let unrecorded = run.outcome.unrecorded;
            wrong.push(format!("{case:?}: found {found:?}, {:?}, {unrecorded:?}", run.outcome.ended));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases().len(), wrong.join("\n"));
}

#[test]
fn every_case_deterministically() {
    run_table(true);
}

#[test]
fn every_case_on_six_os_threads() {
    run_table(false);
}

#[test]
fn the_table_is_large_enough_and_says_nothing_twice() {
    let mut texts: Vec<_> =
        TABLE.lines().filter(|line| line.contains('|') && !line.starts_with('#')).collect();
    let count = texts.len();
    assert!(count >= 150, "{count} cases");
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), count);
}
