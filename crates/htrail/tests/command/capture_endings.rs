//! Runs that are watched, killed, crash, or lose their capture on the way. Nothing here waits for time to pass: each
//! step waits for what the command says.

use std::fs::{self, File};
use std::io::BufReader;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use serde_json::Value;

use crate::support::{self, guest, htrail, send};

/// A guest that runs for hours into a capture, and its standard error, to be kept open.
fn long_run(capture: &Path) -> (Child, BufReader<ChildStderr>) {
    let path = capture.to_str().expect("a path of ours is UTF-8");
    let begun = support::long_run(
        &["--ring-capacity", "1024", "--trace-max-bytes", "12M", "--trace-out", path],
        Stdio::piped(),
    );
    // The guest has begun when something is recorded.
    while report(capture).0["run"]["events"].as_u64() < Some(10_000) {}
    begun
}

fn report(capture: &Path) -> (Value, i32, String) {
    let output = htrail().args(["report", "--json"]).arg(capture).output().expect("it ends");
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {err}"));
    (document, output.status.code().expect("an exit code"), err)
}

fn capture_in(directory: &tempfile::TempDir) -> PathBuf {
    directory.path().join("run.htrail")
}

/// Totals of every list of every trail, and the guest.
fn totals(document: &Value) -> (u64, String) {
    let trails = document["trails"].as_array().expect("trails");
    assert!(trails.len() > 64, "{}", trails.len());
    let lists = ["signals", "waits", "wakes", "others"];
    let total = |trail: &Value| lists.iter().map(|list| trail[list]["total"].as_u64().unwrap()).sum::<u64>();
    (trails.iter().map(total).sum(), document["run"]["guest"].as_str().unwrap().to_owned())
}

#[test]
fn a_running_capture_is_reported_on_and_a_killed_one_holds_no_less() {
    let directory = tempfile::tempdir().unwrap();
    let capture = capture_in(&directory);
    let (mut child, _err) = long_run(&capture);
    let (running, exit, err) = report(&capture);
    assert!(err.contains("still running"), "{err}");
    assert!([1, 3].contains(&exit), "{exit}");
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    let (killed, _, err) = report(&capture);
    assert!(err.contains("killed: nothing was noted"), "{err}");
    let (before, after) = (totals(&running), totals(&killed));
    assert!(before.0 <= after.0, "{before:?} {after:?}");
    assert_eq!((before.1.as_str(), after.1.as_str()), ("storm.elf", "storm.elf"));
    assert!(killed["run"]["seed"].is_u64());
    assert_eq!(report(&capture).0, killed, "what a dead process left does not change");
}

#[test]
fn a_crash_leaves_the_signal_and_a_report() {
    for (name, number) in [("SEGV", 11), ("ABRT", 6), ("BUS", 7)] {
        let directory = tempfile::tempdir().unwrap();
        let capture = capture_in(&directory);
        let (mut child, _err) = long_run(&capture);
        send(name, &child);
        assert_eq!(child.wait().unwrap().signal(), Some(number));
        let (document, _, err) = report(&capture);
        assert!(err.contains(&format!("signal {number} ")), "{err}");
        totals(&document);
    }
}

#[test]
fn a_signal_to_stop_completes_the_capture() {
    let directory = tempfile::tempdir().unwrap();
    let capture = capture_in(&directory);
    let (child, _err) = long_run(&capture);
    send("TERM", &child);
    let live = child.wait_with_output().unwrap();
    assert_eq!(live.status.code(), Some(3));
    let live: Value = serde_json::from_slice(&live.stdout).unwrap();
    assert_eq!(live, report(&capture).0);
}

#[test]
fn a_capture_that_is_cut_short_from_outside_does_not_take_the_run_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let capture = capture_in(&directory);
    let (child, mut err) = long_run(&capture);
    File::options().write(true).open(&capture).unwrap().set_len(100).unwrap();
    send("INT", &child);
    let output = child.wait_with_output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).expect("the report comes all the same");
    assert_eq!(document["run"]["ended"], "interrupted");
    totals(&document);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut err, &mut said).unwrap();
    assert!(said.contains("somebody cut the file short"), "{said}");
    assert_eq!(output.status.code(), Some(4), "{said}");
}

/// A run that ends by itself, with other arguments after `--trace-out`.
fn short_run(capture: &Path, shell: &str, arguments: &str) -> Output {
    let (program, guest) = (env!("CARGO_BIN_EXE_htrail"), guest("pingpong"));
    let run = format!(
        "exec {program} run {} --deterministic --trace-handles {arguments} --trace-out",
        guest.display()
    );
    Command::new("sh").args(["-c", &format!("{shell} {run} \"$1\""), "sh"]).arg(capture).output().unwrap()
}

#[test]
fn space_that_is_not_there_is_an_error_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let capture = capture_in(&directory);
    // Where a file may be 1000 blocks of 512 or 1024 bytes long, its owner would get a signal for a longer one.
    for (shell, arguments, reason) in
        [("ulimit -f 1000;", "", "File too large"), ("", "--trace-max-bytes 512G", "No space left")]
    {
        let output = short_run(&capture, shell, arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains("cannot reserve the space") && said.contains(reason), "{said}");
        assert!(output.stdout.is_empty(), "the guest did not run");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left behind");
    }
    let output = short_run(&capture, "", "--trace-max-bytes 1000");
    assert_eq!(output.status.code(), Some(2), "a size that no capture can have is wrong usage");
}

#[test]
fn a_file_that_is_no_capture_is_not_replaced_by_one() {
    let directory = tempfile::tempdir().unwrap();
    let capture = capture_in(&directory);
    fs::write(&capture, "something else").unwrap();
    let output = short_run(&capture, "", "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("not replaced"), "{said}");
    assert_eq!(fs::read(&capture).unwrap(), b"something else");
}

#[test]
fn a_guest_that_is_refused_leaves_the_capture_that_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let capture = capture_in(&directory);
    assert_eq!(short_run(&capture, "", "").status.code(), Some(0));
    let before = fs::read(&capture).unwrap();
    // A first segment that takes all the memory there is, so that the main thread has no stack.
    let mut greedy = fs::read(guest("pingpong")).unwrap();
    let header = u32::from_be_bytes(greedy[28..32].try_into().unwrap()) as usize;
    greedy[header + 20..header + 24].copy_from_slice(&0x2000_0000_u32.to_be_bytes());
    let greedy_guest = directory.path().join("greedy.elf");
    fs::write(&greedy_guest, greedy).unwrap();
    let (pingpong, nowhere) = (guest("pingpong"), directory.path().join("nowhere"));
    for (guest, option, value, code) in [
        (greedy_guest.as_os_str(), "--seed", "1".as_ref(), 4),
        (pingpong.as_os_str(), "--mount", nowhere.as_os_str(), 4),
        (pingpong.as_os_str(), "--leave-out", "NtNeverHeardOf".as_ref(), 2),
    ] {
        let run = htrail()
            .args(["run", "--trace-handles", "--trace-out"])
            .arg(&capture)
            .arg(guest)
            .args([option.as_ref(), value])
            .output()
            .unwrap();
        let said = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(code), "{said}");
        assert!(fs::read(&capture).unwrap() == before, "{said}");
    }
}

#[test]
fn the_symbols_of_a_large_title_go_into_its_capture() {
    let directory = tempfile::tempdir().unwrap();
    let (capture, symbols) = (capture_in(&directory), directory.path().join("title.map"));
    let line = |n: u32| format!("{:08x} a_function_of_the_title_with_a_long_name_{n}\n", 0x8300_0000 + 4 * n);
    fs::write(&symbols, (0..200_000).map(line).collect::<String>()).unwrap();
    let run = |size: &str| {
        let mut run = htrail();
        run.args(["run", "--trace-handles", "--trace-max-bytes", size, "--trace-out"]).arg(&capture);
        support::ran(run.arg("--symbols").arg(&symbols).arg(guest("pingpong")))
    };
    assert_eq!(run("64M").exit, 0);
    let info = support::ran(htrail().arg("info").arg(&capture));
    assert!(info.out.contains("attached    symbols.json, 1"), "of more than 10 MB");
    let before = fs::read(&capture).unwrap();
    // Without the room for them the run is refused, and the capture that was there stays.
    let small = run("12M");
    assert_eq!(small.exit, 2, "{small:?}");
    assert!(small.err.contains("is too small"), "{small:?}");
    assert!(fs::read(&capture).unwrap() == before);
}

#[test]
fn what_is_no_capture_is_told_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let (pipe, empty) = (directory.path().join("pipe"), directory.path().join("empty"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    File::create(&empty).unwrap();
    for path in [&pipe, &empty, directory.path(), Path::new("/dev/null")] {
        for command in ["report", "info"] {
            let told = support::ran(htrail().arg(command).arg(path));
            assert_eq!(told.exit, 4, "{told:?}");
            assert!(told.err.contains(&format!("{}: not a capture", path.display())), "{told:?}");
        }
    }
}

#[test]
fn an_export_does_not_replace_its_capture() {
    let directory = tempfile::tempdir().unwrap();
    let capture = capture_in(&directory);
    assert_eq!(short_run(&capture, "", "").status.code(), Some(0));
    let before = fs::read(&capture).unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&capture, &link).unwrap();
    for to in [&capture, &link] {
        let export = support::ran(htrail().args(["export", "--to", "csv"]).arg(&capture).arg("-o").arg(to));
        assert_eq!(export.exit, 2, "{export:?}");
        assert!(export.err.contains("would replace the capture"), "{export:?}");
    }
    assert!(fs::read(&capture).unwrap() == before);
}

#[test]
fn a_capture_of_a_later_format_is_a_clear_error() {
    let directory = tempfile::tempdir().unwrap();
    let capture = capture_in(&directory);
    assert_eq!(short_run(&capture, "", "").status.code(), Some(0));
    // The format stands in the second word of every section, and the first section that is found counts. Without its
    // digest the block is damage, not a format: so the whole file is one block of format 2.
    let block = later_format(&fs::read(&capture).unwrap()[..128]);
    fs::write(&capture, block).unwrap();
    for command in ["report", "info"] {
        let told = support::ran(htrail().arg(command).arg(&capture));
        assert_eq!(told.exit, 4, "{told:?}");
        assert!(told.err.contains("capture format 2 is unknown: this program reads format 1"), "{told:?}");
    }
}

/// A section block with the number of the next format, and the digest that docs/capture-format.md describes.
fn later_format(block: &[u8]) -> Vec<u8> {
    let words = block.chunks(8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
    let mut words: Vec<u64> = words.collect();
    words[1] += 1;
    words[15] = spsc_ring::Seal::new(words[0]).digest(words[..15].iter().copied());
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
