//! A run as the person at the terminal sees it: progress, Ctrl-C and SIGTERM. Nothing here waits for time to pass: each
//! step waits for what the command says.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use serde_json::Value;

use crate::support::{guest, long_run, run, send};

#[test]
fn the_first_signal_ends_the_run_with_a_report() {
    for signal in ["INT", "TERM"] {
        let (child, _err) = long_run(&[], Stdio::piped());
        send(signal, &child);
        let output = child.wait_with_output().expect("it ends");
        let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
        assert_eq!(document["run"]["ended"], "interrupted");
        assert_eq!(output.status.code(), Some(3), "{document:#}");
    }
}

#[test]
fn ctrl_c_on_a_live_hang_names_the_culprit() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_htrail"))
        .arg("run")
        .arg(guest("innocent"))
        .args(["--arg", "5", "--trace-handles", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // Main went into its read long before the other thread says this.
    let err = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut lines = err.lines().map(|line| line.expect("standard error is UTF-8"));
    assert!(lines.any(|line| line.contains("tick 20")));
    send("INT", &child);
    // Its pipe must not fill up, nor close.
    let rest = std::thread::spawn(move || lines.count());
    let output = child.wait_with_output().expect("it ends");
    rest.join().expect("reading does not fail");
    let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
    let top = &document["verdicts"][0];
    assert_eq!(document["run"]["ended"], "interrupted");
    assert_eq!((&top["id"], &top["culprit"]), (&"HT01".into(), &"NtReadFile".into()), "{top:#}");
    assert_eq!((&top["confidence"], output.status.code()), (&"STRONG".into(), Some(1)), "{top:#}");
}

#[test]
fn the_second_ctrl_c_ends_it_at_once() {
    let (mut reader, writer) = io::pipe().expect("a pipe");
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).expect("a small one");
    let (mut child, _err) = long_run(&[], writer);
    send("INT", &child);
    // The report has begun and cannot end: it is longer than the pipe, and nobody reads on.
    reader.read_exact(&mut [0]).expect("a report begins");
    send("INT", &child);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
}

#[test]
fn progress_is_a_line_on_the_terminal_that_goes_again() {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let terminal = openpt(flags).expect("a terminal");
    grantpt(&terminal).and_then(|()| unlockpt(&terminal)).expect("the other end of it");
    let screen = ioctl_tiocgptpeer(&terminal, flags).expect("the other end of it");
    let mut child = Command::new(env!("CARGO_BIN_EXE_htrail"))
        .arg("run")
        .arg(guest("storm"))
        .args(["--arg", "0x7fffffff", "--trace-handles"])
        .stdout(Stdio::null())
        .stderr(screen)
        .spawn()
        .expect("the command starts");
    let mut terminal = File::from(terminal);
    let mut shown = String::new();
    let mut bytes = [0; 4096];
    let mut interrupted = false;
    // A terminal whose other end was closed ends in an error, not in an end of file.
    while let Ok(read @ 1..) = terminal.read(&mut bytes) {
        shown += &String::from_utf8_lossy(&bytes[..read]);
        if !interrupted && shown.contains("Ctrl-C ends the run with a report") {
            interrupted = true;
            send("INT", &child);
        }
    }
    assert_eq!(child.wait().expect("it ends").code(), Some(3), "{shown}");
    assert!(shown.contains("instructions") && shown.contains("events"), "{shown}");
    assert!(shown.ends_with("\r\x1b[2K"), "the line stays: {shown:?}");
}

#[test]
fn without_a_terminal_there_is_no_progress() {
    // Longer than any time between two lines.
    let ran = run("storm", &["--arg", "0x7fffffff", "--max-instructions", "200000000"]);
    assert_eq!((ran.exit, ran.err.as_str()), (3, ""));
}
