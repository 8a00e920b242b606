//! What the tests of the command have in common.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{self, Child, ChildStderr, Stdio};

use assert_cmd::Command;
use serde_json::Value;

/// Long enough for the slowest machine, so that a hang becomes a failure.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(300);

/// A committed guest.
pub(crate) fn guest(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("../../guests/bin").join(format!("{name}.elf"))
}

/// What of the caller's environment would change what the command does.
const ENVIRONMENT: [&str; 4] = ["XENIA_TRACE_HANDLES", "NO_COLOR", "CLICOLOR_FORCE", "COLUMNS"];

/// The command, without what the caller's environment would change.
pub(crate) fn htrail() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_htrail"));
    for variable in ENVIRONMENT {
        command.env_remove(variable);
    }
    command.timeout(LIMIT);
    command
}

/// A guest that runs for hours, with further arguments, and its standard error, to be kept open. When this returns, the
/// command watches for signals: it names the seed that it drew only after that.
pub(crate) fn long_run(arguments: &[&str], out: impl Into<Stdio>) -> (Child, BufReader<ChildStderr>) {
    let mut command = process::Command::new(env!("CARGO_BIN_EXE_htrail"));
    for variable in ENVIRONMENT {
        command.env_remove(variable);
    }
    let mut child = command
        .arg("run")
        .arg(guest("storm"))
        .args(["--arg", "0x7fffffff", "--seed", "random", "--trace-handles", "--json"])
        .args(arguments)
        .stdout(out)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut line = String::new();
    let mut err = BufReader::new(child.stderr.take().expect("it is piped"));
    err.read_line(&mut line).expect("standard error is UTF-8");
    assert!(line.contains("seed"), "{line}");
    (child, err)
}

/// Sends a signal by its name.
pub(crate) fn send(signal: &str, child: &Child) {
    let sent = process::Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status();
    assert!(sent.expect("a shell").success());
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The one document on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.out, self.err))
    }
}

/// Runs to the end; a command that a signal killed has no exit code and fails the test, and so does a panic.
pub(crate) fn ran(command: &mut Command) -> Ran {
    let output = command.output().expect("the command starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("reports are UTF-8");
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(!err.contains("panicked"), "{err}");
    let exit = output.status.code().unwrap_or_else(|| panic!("ended by {}\n{out}\n{err}", output.status));
    Ran { exit, out, err }
}

/// `htrail run GUEST` with further arguments.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Ran {
    ran(htrail().arg("run").arg(guest(name)).args(arguments))
}
