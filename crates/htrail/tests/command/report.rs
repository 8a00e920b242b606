//! What the report shows and what fails a script: `-q`, `--all`, colour, `--allow`, `--deny`, `--fail-on`, `explain`,
//! `show`.

use crate::support::{Ran, guest, htrail, ran, run};

/// The README's hang.
fn hang(arguments: &[&str]) -> Ran {
    run("boot_hang", &[&["--trace-handles", "--deterministic"], arguments].concat())
}

/// A run that finishes with eight idle workers: nothing is a finding.
fn idle(arguments: &[&str]) -> Ran {
    run("suspicious", &[&["--trace-handles"], arguments].concat())
}

#[test]
fn a_quiet_report_is_short_and_a_full_one_long() {
    let (quiet, usual, all) = (hang(&["-q"]).out, hang(&[]).out, hang(&["--all"]).out);
    assert!(quiet.lines().count() < 10 && quiet.contains("HT01 STRONG"), "{quiet}");
    assert!(!quiet.contains("Threads") && usual.contains("Threads"), "{usual}");
    assert!(all.lines().count() > usual.lines().count(), "{all}");
    // The first screen of the hang holds the answer.
    for word in ["HT01", "0x101c", "NtReadFile", "culprit", "next"] {
        assert!(usual.lines().take(32).any(|line| line.contains(word)), "{word}: {usual}");
    }
}

#[test]
fn colour_is_as_asked_and_never_the_only_cue() {
    let painted = hang(&["--color", "always"]).out;
    assert!(painted.contains("\x1b["));
    let plain = hang(&[]).out;
    assert!(!plain.contains('\x1b'), "a pipe is no terminal");
    assert_eq!(without_times(&anstream::adapter::strip_str(&painted).to_string()), without_times(&plain));
    let mut command = htrail();
    command.env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1").arg("run").arg(guest("boot_hang"));
    let ran = ran(command.args(["--trace-handles", "--deterministic"]));
    assert!(!ran.out.contains('\x1b'), "NO_COLOR wins");
}

/// Host time differs from run to run.
fn without_times(text: &str) -> String {
    text.lines().filter(|line| !line.contains("seed")).collect()
}

#[test]
fn an_ascii_report_has_no_other_character() {
    assert!(!hang(&[]).out.is_ascii());
    assert!(hang(&["--ascii", "--all"]).out.is_ascii());
}

#[test]
fn what_is_allowed_is_neither_shown_nor_a_finding() {
    let allowed = run("promise", &["--trace-handles", "--arg", "3", "--allow", "HT01", "--allow", "ht02"]);
    assert_eq!(allowed.exit, 0, "{}", allowed.out);
    let hidden = hang(&["--allow", "promise-broken"]);
    assert!(!hidden.out.contains("HT01"), "{}", hidden.out);
    assert_eq!(hidden.exit, 1, "the run ended in a deadlock all the same");
}

#[test]
fn what_is_denied_is_a_finding_whatever_its_confidence() {
    let (usual, denied) = (idle(&[]), idle(&["--deny", "HT20"]));
    assert!(usual.out.contains("HT20"), "{}", usual.out);
    assert_eq!((usual.exit, denied.exit), (0, 1));
}

#[test]
fn the_bar_of_a_finding_can_be_moved() {
    // A thread parked on purpose beside a finished job: a hint.
    let parked =
        |arguments: &[&str]| run("suspicious", &[&["--trace-handles", "--arg", "6"], arguments].concat());
    let (usual, strict) = (parked(&[]), parked(&["--fail-on", "hint"]));
    assert_eq!((usual.exit, strict.exit), (0, 1), "{}", usual.out);
}

#[test]
fn every_verdict_is_explained() {
    for number in (1..=22).filter(|number| *number != 19) {
        let id = format!("HT{number:02}");
        let explained = ran(htrail().args(["explain", &id, "--width", "80"]));
        assert_eq!(explained.exit, 0);
        for part in [id.as_str(), "example", "causes", "next"] {
            assert!(explained.out.contains(part), "{part}: {}", explained.out);
        }
    }
    assert_eq!(ran(htrail().args(["explain", "HT19"])).exit, 2, "it is reserved");
}

#[test]
fn a_handle_is_shown_from_a_capture() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("run.htrail");
    let mut command = htrail();
    command.arg("run").arg(guest("boot_hang")).args([
        "--trace-handles",
        "--trace-max-bytes",
        "48M",
        "--trace-out",
    ]);
    ran(command.arg(&capture));
    let shown = ran(htrail().args(["show", "0x101c"]).arg(&capture));
    assert_eq!(shown.exit, 0, "{}", shown.err);
    for word in ["Event/Auto 0x101c", "load_title", "promise", "NtReadFile", "for ever"] {
        assert!(shown.out.contains(word), "{word}: {}", shown.out);
    }
    let unknown = ran(htrail().args(["show", "0xdead"]).arg(&capture));
    assert_eq!(unknown.exit, 2);
    assert!(unknown.err.contains("0xdead"), "{}", unknown.err);
}
