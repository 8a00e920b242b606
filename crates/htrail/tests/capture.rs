//! A captured run is reported on as the run itself was.

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;

fn htrail() -> Command {
    Command::new(assert_cmd::cargo::cargo_bin!("htrail"))
}

fn guest(name: &str) -> String {
    format!("{}/../../guests/bin/{name}.elf", env!("CARGO_MANIFEST_DIR"))
}

fn report(capture: &Path, json: bool) -> Output {
    let mut command = htrail();
    command.arg("report").arg(capture).args(["--width", "100"]);
    if json {
        command.arg("--json");
    }
    command.output().unwrap()
}

/// Runs a guest into a capture, and compares the report on the capture with that on the run, byte for byte.
fn same_report(capture: &Path, guest_name: &str, arguments: &[&str], json: bool) {
    let mut run = htrail();
    run.args(["run", &guest(guest_name), "--width", "100"]).args(arguments);
    run.arg("--trace-out").arg(capture);
    if json {
        run.arg("--json");
    }
    let live = run.output().unwrap();
    let captured = report(capture, json);
    assert_eq!(captured.status.code(), live.status.code(), "{guest_name}");
    // What the guest prints comes before the report, and is not captured.
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (live, captured) = (text(live.stdout), text(captured.stdout));
    assert!(live.ends_with(&captured) && captured.len() > 200, "{guest_name}:\n{live}\n{captured}");
    assert!(!json || live == captured, "nothing but the document");
}

#[test]
fn a_report_on_the_capture_is_that_of_the_run_byte_for_byte() {
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("run.htrail");
    let runs: [(&str, &[&str]); 6] = [
        ("boot_hang", &["--trace-handles", "--trace-max-bytes", "48M", "--deterministic"]),
        ("ghost", &["--trace-handles=0x82010040", "--trace-max-bytes", "48M", "--deterministic"]),
        ("reuse", &["--trace-handles", "--trace-max-bytes", "48M", "--deterministic"]),
        // On six OS threads.
        ("waits", &["--trace-handles"]),
        // Into rings so small that records are lost; a checkpoint has room for every trail, however many that leaves.
        ("mix", &["--trace-handles", "--ring-capacity", "256", "--trace-max-bytes", "32M"]),
        // Into so little space that history is dropped.
        ("storm", &["--trace-handles", "--ring-capacity", "4096", "--trace-max-bytes", "12M"]),
    ];
    for (name, arguments) in runs {
        for json in [false, true] {
            same_report(&capture, name, arguments, json);
        }
    }
}

#[test]
fn a_capture_without_an_audit_is_wrong_usage() {
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("run.htrail");
    let mut run = htrail();
    run.args(["run", &guest("boot_hang"), "--trace-handles=off", "--trace-out"]).arg(&capture);
    let output = run.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--trace-handles"));
    assert!(!capture.exists());
}

#[test]
fn a_file_that_is_no_capture_is_unusable() {
    for command in ["report", "info"] {
        let output = htrail().arg(command).arg(guest("boot_hang")).output().unwrap();
        assert_eq!(output.status.code(), Some(4));
        assert!(String::from_utf8(output.stderr).unwrap().contains("not a capture"));
    }
}

#[test]
fn info_says_what_a_capture_holds() {
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("run.htrail");
    let mut run = htrail();
    run.args(["run", &guest("boot_hang"), "--trace-handles", "--trace-rings"]).arg(directory.path());
    run.arg("--trace-out").arg(&capture).output().unwrap();
    let output = htrail().arg("info").arg(&capture).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for expected in ["end         deadlock", "attached    threads.json", "0 rejected"] {
        assert!(text.contains(expected), "{text}");
    }
    assert!(!text.contains("LOST"), "{text}");
}

#[test]
fn a_capture_is_exported_in_every_form_and_compared() {
    let directory = tempfile::tempdir().unwrap();
    let capture = |name: &str, more: &[&str]| {
        let capture = directory.path().join(format!("{name}.htrail"));
        let mut run = htrail();
        run.args([
            "run",
            &guest("pingpong"),
            "--trace-handles",
            "--deterministic",
            "--trace-max-bytes",
            "48M",
        ]);
        run.args(more).arg("--trace-out").arg(&capture).output().unwrap();
        capture
    };
    let good = capture("good", &[]);
    for form in ["perfetto", "chrome", "csv", "ndjson", "dot", "folded"] {
        let out = directory.path().join(form);
        let output = htrail().arg("export").arg(&good).args(["--to", form, "-o"]).arg(&out).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{form}: {output:?}");
        assert!(std::fs::metadata(&out).unwrap().len() > 100, "{form}");
    }
    let diff = |other: &Path| htrail().arg("diff").arg(&good).arg(other).output().unwrap();
    let same = diff(&capture("same", &[]));
    assert_eq!(same.status.code(), Some(0));
    assert!(String::from_utf8(same.stdout).unwrap().contains("no difference"));
    let bad = diff(&capture("bad", &["--fault", "stub:NtSetEvent"]));
    let text = String::from_utf8(bad.stdout).unwrap();
    assert_eq!(bad.status.code(), Some(1), "{text}");
    assert!(text.contains("signal by NtSetEvent") && text.contains("missing in the bad run"), "{text}");
}
