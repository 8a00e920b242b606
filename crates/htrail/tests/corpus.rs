//! Scores the diagnosis on the corpus: every case of guests/corpus, with several seeds, against the truth beside it.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `SCORE_SEEDS` | seeds per case, 2 by default |
//! | `SCORE_OPTIONS` | further options of `htrail run` for every case, e.g. `--ops basic` |
//! | `SCORE_TABLE` | where to write the table |

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
        command.args(["--trace-handles", "--json", "--ring-capacity", "262144", "--seed", &seed.to_string()]);
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
        let verdicts = report["verdicts"].as_array().expect("verdicts");
        let is_finding =
            |verdict: &&Value| matches!(text(verdict, "confidence"), "PROVEN" | "STRONG" | "LIKELY");
        let findings: Vec<_> = verdicts.iter().filter(is_finding).collect();
        let ended = text(&report["run"], "ended");
        let hung = matches!(ended, "deadlock" | "watchdog" | "fault");
        let expected = match ended {
            _ if hung || !findings.is_empty() => 1,
            "limit" => 3,
            _ => 0,
        };
        let mut answer = Answer {
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
    false_findings: usize,
    overstated: usize,
}

impl Score {
    fn add(&mut self, answer: &Answer) {
        self.runs += 1;
        self.right += usize::from(answer.right());
        self.verdicts += usize::from(answer.verdict && answer.handle);
        self.culprits += usize::from(answer.culprit && answer.thread);
        self.false_findings += answer.false_findings;
        self.overstated += usize::from(answer.overstated);
    }

    fn row(&self, name: &str) -> String {
        let percent = |count: usize| format!("{:.1} %", 100.0 * count as f64 / self.runs.max(1) as f64);
        let shares = [self.verdicts, self.culprits, self.right].map(percent).join(" | ");
        format!("| {name} | {} | {shares} | {} | {} |\n", self.runs, self.false_findings, self.overstated)
    }
}

const HEAD: &str = "| cases | runs | top verdict and handle | culprit and root thread | all right \
                    | false findings | wrong PROVEN or STRONG |\n| --- | --- | --- | --- | --- | --- | --- |\n";

#[test]
fn the_diagnosis_names_the_truth() {
    let seeds: u64 =
        env::var("SCORE_SEEDS").map_or(2, |seeds| seeds.parse().expect("SCORE_SEEDS is a number"));
    let options = env::var("SCORE_OPTIONS").unwrap_or_default();
    let options: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
    let (mut findings, mut healthy) = (Score::default(), Score::default());
    let (mut rows, mut misses) = (String::new(), String::new());
    for case in cases() {
        let mut tops: BTreeMap<String, u64> = BTreeMap::new();
        let mut score = Score::default();
        for seed in 1..=seeds {
            let answer = case.run(seed, &options);
            score.add(&answer);
            if case.is_finding() { &mut findings } else { &mut healthy }.add(&answer);
            if !answer.right() {
                misses += &format!("{} seed {seed}: {answer:?}\n", case.name);
            }
            *tops.entry(answer.top).or_default() += 1;
        }
        let said: Vec<_> = tops.iter().map(|(top, times)| format!("{top} x {times}")).collect();
        let truth = text(&case.truth, "verdict");
        rows +=
            &format!("| {} | {truth} | {} | {}/{} |\n", case.name, said.join(", "), score.right, score.runs);
    }
    let summary = format!("{HEAD}{}{}", findings.row("with a finding"), healthy.row("healthy"));
    println!("{summary}\n{misses}");
    if let Ok(path) = env::var("SCORE_TABLE") {
        let table =
            format!("{summary}\n| case | truth | said | all right |\n| --- | --- | --- | --- |\n{rows}");
        fs::write(root().join(path), table).expect("the table can be written");
    }
    assert_eq!(healthy.false_findings, 0, "false findings on healthy guests:\n{misses}");
    assert_eq!(findings.overstated, 0, "PROVEN or STRONG verdicts that are wrong:\n{misses}");
    if options.is_empty() {
        let (all, right) = (findings.runs + healthy.runs, findings.right + healthy.right);
        assert!(right * 100 >= all * 97, "{right} of {all} runs are all right:\n{misses}");
    }
}
