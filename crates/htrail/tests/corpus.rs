//! Scores the diagnosis on the corpus: every case of guests/corpus, with several seeds, against the truth beside it.
//!
//! With less evidence than there could be it may say less, but nothing that is wrong.
//!
//! `ci/score.sh` runs these tests with more seeds, and keeps the tables in docs/score.md:
//!
//! | variable | meaning |
//! | --- | --- |
//! | `SCORE_SEEDS` | seeds per case, 2 by default, 1 with less evidence |
//! | `SCORE_TABLES` | a directory to write the tables to |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use serde_json::Value;

/// What one case must say. Keys and their meaning are in guests/README.md.
struct Case {
    name: String,
    truth: Value,
}

/// What one run of a case said.
#[derive(Debug, Default)]
struct Answer {
    top: String,
    verdict: bool,
    handle: bool,
    culprit: bool,
    thread: bool,
    also: bool,
    ended: bool,
    exit: bool,
    /// Verdicts LIKELY or above where there is nothing to find.
    false_findings: usize,
    /// The top verdict is PROVEN or STRONG and is not the truth.
    overstated: bool,
    /// The report says that the evidence is incomplete where the answer would be.
    unknown: bool,
}

impl Answer {
    fn right(&self) -> bool {
        let said = self.verdict && self.handle && self.culprit && self.thread && self.also;
        said && self.ended && self.exit && self.false_findings == 0
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn cases() -> Vec<Case> {
    let folder = root().join("guests/corpus");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let read = |path: &PathBuf| Case {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        truth: serde_json::from_slice(&fs::read(path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    };
    files.iter().map(read).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Whether `key` of the truth is not scored, or one of its accepted answers satisfies `accept`.
fn one_of(truth: &Value, key: &str, accept: impl Fn(&Value) -> bool) -> bool {
    truth[key].as_array().is_none_or(|answers| answers.iter().any(accept))
}

impl Case {
    fn is_finding(&self) -> bool {
        text(&self.truth, "verdict") != "none"
    }

    fn run(&self, seed: u64, options: &[String]) -> Answer {
        let truth = &self.truth;
        let mut command = Command::new(env!("CARGO_BIN_EXE_htrail"));
        command.current_dir(root()).env_remove("XENIA_TRACE_HANDLES").stdin(Stdio::null());
        command.args(["run", &format!("guests/bin/{}.elf", text(truth, "guest"))]);
        command.args(["--trace-handles", "--json", "--seed", &seed.to_string()]);
        if let Some(argument) = truth["arg"].as_u64() {
            command.args(["--arg", &argument.to_string()]);
        }
        if let Some(fault) = truth["fault"].as_str() {
            command.args(["--fault", fault]);
        }
        command.args(truth["options"].as_array().into_iter().flatten().filter_map(Value::as_str));
        let output = command.args(options).output().expect("the command runs");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{}: {error}\n{}", self.name, String::from_utf8_lossy(&output.stderr))
        });
        self.judge(&report, output.status.code())
    }

    fn judge(&self, report: &Value, exit: Option<i32>) -> Answer {
        let lossy = report["losses"]["rejected"] != 0;
        let verdicts = report["verdicts"].as_array().expect("verdicts");
        let is_finding =
            |verdict: &&Value| matches!(text(verdict, "confidence"), "PROVEN" | "STRONG" | "LIKELY");
        let findings: Vec<_> = verdicts.iter().filter(is_finding).collect();
        let ended = text(&report["run"], "ended");
        let hung = matches!(ended, "deadlock" | "watchdog" | "fault");
        let expected = match ended {
            _ if hung || !findings.is_empty() => 1,
            "limit" => 3,
            _ if lossy => 3,
            _ => 0,
        };
        let unknown = |verdict: &Value| text(verdict, "id") == "HT22";
        let mut answer = Answer {
            unknown: verdicts.iter().any(unknown),
            ended: ended == text(&self.truth, "ended"),
            exit: exit == Some(expected),
            ..Answer::default()
        };
        if self.is_finding() {
            self.judge_top(verdicts, &mut answer);
        } else {
            answer.top = findings.first().map_or("none", |verdict| text(verdict, "id")).to_owned();
            answer.false_findings = findings.len();
            answer.verdict = findings.is_empty();
            (answer.handle, answer.culprit, answer.thread, answer.also) = (true, true, true, true);
        }
        answer
    }

    fn judge_top(&self, verdicts: &[Value], answer: &mut Answer) {
        let truth = &self.truth;
        let Some(top) = verdicts.first() else { return };
        answer.top = text(top, "id").to_owned();
        answer.verdict = answer.top == text(truth, "verdict");
        answer.handle = one_of(truth, "handles", |handle| top["handle"] == *handle);
        let culprit = text(top, "culprit");
        answer.culprit = one_of(truth, "culprits", |accepted| {
            accepted.as_str().is_some_and(|name| culprit.contains(name))
        });
        let threads = top["threads"].as_array();
        answer.thread =
            one_of(truth, "root_threads", |tid| threads.is_some_and(|threads| threads.contains(tid)));
        let companions = truth["also"].as_array().map_or(&[][..], Vec::as_slice);
        let holds = |companion: &Value| {
            verdicts.iter().any(|v| v["id"] == companion["verdict"] && v["handle"] == companion["handle"])
        };
        answer.also = companions.iter().all(holds);
        let sure = matches!(text(top, "confidence"), "PROVEN" | "STRONG");
        answer.overstated = sure && !(answer.verdict && answer.handle);
    }
}

#[derive(Default)]
struct Score {
    runs: usize,
    right: usize,
    verdicts: usize,
    culprits: usize,
    unknown: usize,
    false_findings: usize,
    overstated: usize,
}

impl Score {
    fn add(&mut self, answer: &Answer) {
        self.runs += 1;
        self.right += usize::from(answer.right());
        self.verdicts += usize::from(answer.verdict && answer.handle);
        self.culprits += usize::from(answer.culprit && answer.thread);
        self.unknown += usize::from(answer.unknown);
        self.false_findings += answer.false_findings;
        self.overstated += usize::from(answer.overstated);
    }

    fn row(&self, name: &str) -> String {
        let percent = |count: usize| format!("{:.1} %", 100.0 * count as f64 / self.runs.max(1) as f64);
        let shares = [self.verdicts, self.culprits, self.right, self.unknown].map(percent).join(" | ");
        format!("| {name} | {} | {shares} | {} | {} |\n", self.runs, self.false_findings, self.overstated)
    }
}

const HEAD: &str = "| cases | runs | top verdict and handle | culprit and root thread | all right | HT22 \
                    | false findings | wrong PROVEN or STRONG |\n\
                    | --- | --- | --- | --- | --- | --- | --- | --- |\n";

/// The whole corpus, scored.
struct Scores {
    findings: Score,
    healthy: Score,
    /// One line for each run that is not all right.
    misses: String,
}

/// Runs the corpus with further options of `htrail run`, and writes the table `name` if tables are wanted.
fn score(name: &str, options: &str, seeds: u64) -> Scores {
    let seeds =
        env::var("SCORE_SEEDS").map_or(seeds, |seeds| seeds.parse().expect("SCORE_SEEDS is a number"));
    let options: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
    let mut scores = Scores { findings: Score::default(), healthy: Score::default(), misses: String::new() };
    let mut rows = String::new();
    for case in cases() {
        let mut tops: BTreeMap<String, u64> = BTreeMap::new();
        let mut of_case = Score::default();
        for seed in 1..=seeds {
            let answer = case.run(seed, &options);
            of_case.add(&answer);
            if case.is_finding() { &mut scores.findings } else { &mut scores.healthy }.add(&answer);
            if !answer.right() {
                scores.misses += &format!("{} seed {seed}: {answer:?}\n", case.name);
            }
            *tops.entry(answer.top).or_default() += 1;
        }
        let said: Vec<_> = tops.iter().map(|(top, times)| format!("{top} x {times}")).collect();
        let (truth, right) = (text(&case.truth, "verdict"), of_case.right);
        rows += &format!("| {} | {truth} | {} | {right}/{} |\n", case.name, said.join(", "), of_case.runs);
    }
    let Scores { findings, healthy, .. } = &scores;
    let summary = format!("{HEAD}{}{}", findings.row("with a finding"), healthy.row("healthy"));
    println!("{name}\n{summary}\n{}", scores.misses);
    if let Ok(directory) = env::var("SCORE_TABLES") {
        let table =
            format!("{summary}\n| case | truth | said | all right |\n| --- | --- | --- | --- |\n{rows}");
        fs::write(Path::new(&directory).join(name), table).expect("the table can be written");
    }
    scores
}

impl Scores {
    /// However little is recorded: nothing is found where nothing is wrong, and nothing wrong is said for sure.
    fn assert_nothing_overstated(&self) {
        let misses = &self.misses;
        assert_eq!(self.healthy.false_findings, 0, "false findings on healthy guests:\n{misses}");
        assert_eq!(self.findings.overstated, 0, "PROVEN or STRONG verdicts that are wrong:\n{misses}");
    }
}

/// Rings that lose nothing.
const ALL: &str = "--ring-capacity 262144";

#[test]
fn the_diagnosis_names_the_truth() {
    let scores = score("all", ALL, 2);
    scores.assert_nothing_overstated();
    let runs = scores.findings.runs + scores.healthy.runs;
    let right = scores.findings.right + scores.healthy.right;
    assert!(right * 100 >= runs * 97, "{right} of {runs} runs are all right:\n{}", scores.misses);
}

#[test]
fn the_first_five_operations_alone_overstate_nothing() {
    score("basic", &format!("{ALL} --ops basic"), 1).assert_nothing_overstated();
}

#[test]
fn losses_overstate_nothing() {
    let scores = score("lossy", "--ring-capacity 8", 1);
    scores.assert_nothing_overstated();
    assert!(scores.findings.unknown > 0, "no loss was forced");
}
