//! The seven guests of the spine, from the ELF to the report.

use serde_json::Value;

use crate::support::{guest, htrail, ran, run};

/// What a healthy guest prints, and that nothing is found: with `--arg` where a smaller load says as much.
const HEALTHY: [(&str, &[&str], &str); 6] = [
    ("pingpong", &[LARGE_RINGS], "pingpong: 1000 rounds, sum 500500, ok"),
    ("pool", &["--arg", "20000", LARGE_RINGS], "pool: 20000 jobs, 8 workers, checksum"),
    ("deadlock", &["--arg", "1"], "deadlock: 2 of 2 threads got both mutants, ok"),
    ("ghost", &[], "ghost: 64 answers, ok"),
    ("reuse", &[LARGE_RINGS], "reuse: 2000 events, 250 semaphores, 0 strange statuses, ok"),
    ("storm", &STORM, "storm: 9600 hops, digest bf56acb3, ok"),
];

/// A storm of a size for tests.
const STORM: [&str; 3] = ["--arg", "200", LARGE_RINGS];

/// Rings that hold a whole test, so that nothing is lost on a machine that is too busy to drain them either.
const LARGE_RINGS: &str = "--ring-capacity=0x40000";

#[test]
fn healthy_guests_print_their_result_traced_or_not() {
    for (name, arguments, prints) in HEALTHY {
        let plain = run(name, arguments);
        assert_eq!(plain.exit, 0, "{name}:\n{}\n{}", plain.out, plain.err);
        let traced = run(name, &[arguments, &["--trace-handles"]].concat());
        assert_eq!(traced.exit, 0, "{name}:\n{}\n{}", traced.out, traced.err);
        for output in [&plain.out, &traced.out] {
            assert!(output.contains(prints), "{name} does not print {prints:?}:\n{output}");
        }
        assert!(traced.out.contains("finished"), "{name}:\n{}", traced.out);
    }
}

#[test]
fn boot_hang_names_handle_waiter_and_culprit() {
    let text = run("boot_hang", &["--trace-handles"]);
    assert_eq!(text.exit, 1, "{}", text.err);
    for word in ["HT01", "promise-broken", "NtReadFile", "0x101c", "wait_for_disc", "deadlock"] {
        assert!(text.out.contains(word), "{word:?} is missing in:\n{}", text.out);
    }

    let document = run("boot_hang", &["--trace-handles", "--json"]).json();
    let first = &document["verdicts"][0];
    assert_eq!((&first["id"], &first["culprit"]), (&"HT01".into(), &"NtReadFile".into()), "{first:#}");
    assert_eq!(
        (&first["handle"], &first["confidence"]),
        (&"0x0000101c".into(), &"STRONG".into()),
        "{first:#}"
    );
    assert_eq!(first["threads"], serde_json::json!([1]), "the main thread waits: {first:#}");
}

#[test]
fn deadlock_names_both_threads() {
    let ran = run("deadlock", &["--trace-handles", "--json"]);
    let document = ran.json();
    let first = &document["verdicts"][0];
    assert_eq!((ran.exit, &document["run"]["ended"]), (1, &"deadlock".into()));
    assert_eq!(first["id"], "HT10", "{first:#}");
    assert_eq!(first["threads"].as_array().map(Vec::len), Some(2), "{first:#}");
}

#[test]
fn a_ghost_in_focus_has_a_trail_and_one_out_of_focus_has_none() {
    let ran = run("ghost", &["--arg", "1", "--trace-handles=0x82010040,0x82010050", "--json"]);
    let document = ran.json();
    assert_eq!(ran.exit, 1, "{}", ran.err);
    let ghosts: Vec<_> = array(&document["ghosts"]).iter().map(|ghost| ghost["handle"].clone()).collect();
    assert_eq!(ghosts, ["0x82010040", "0x82010050"]);
    assert_eq!(document["ghosts"][0]["signals"]["total"], 64);
    let unfocused = run("ghost", &["--arg", "1", "--trace-handles", "--json"]).json();
    assert_eq!(unfocused["ghosts"], serde_json::json!([]));
}

#[test]
fn a_hang_is_seen_without_the_audit_too() {
    let ran = run("boot_hang", &[]);
    assert_eq!(ran.exit, 1, "{}", ran.err);
    assert!(ran.out.contains("deadlock") && ran.out.contains("waiting  0x101c"), "{}", ran.out);
}

#[test]
fn the_storm_balances_its_accounts() {
    let document = run("storm", &[&STORM[..], &["--trace-handles", "--json"]].concat()).json();
    let losses = &document["losses"];
    let count = |name: &str| losses[name].as_u64().unwrap_or_else(|| panic!("{name} in {losses:#}"));
    assert_eq!(count("recorded") + count("rejected"), count("attempted"));
    assert_eq!(document["run"]["events"].as_u64(), Some(count("attempted")), "the host counts by itself");
    assert!(count("attempted") > 100_000, "{losses:#}");
    assert!(document["run"]["migrations"].as_u64() > Some(24), "{}", document["run"]);
}

#[test]
fn a_healthy_run_that_lost_records_names_the_option_that_avoids_it() {
    let ran = run("storm", &["--arg", "200", "--trace-handles", "--ring-capacity=8"]);
    assert_eq!(ran.exit, 3, "{}", ran.err);
    let head: Vec<_> = ran.out.lines().take(8).collect();
    assert!(head.iter().any(|line| line.trim() == "--ring-capacity makes the rings larger"), "{head:#?}");
}

#[test]
fn a_deterministic_run_repeats_itself_to_the_byte() {
    for name in ["pingpong", "boot_hang", "reuse"] {
        let once = || {
            let mut document =
                run(name, &["--deterministic", "--seed", "7", "--trace-handles", "--json"]).json();
            document["run"]["seconds"] = Value::Null;
            document.to_string()
        };
        assert_eq!(once(), once(), "{name}");
    }
}

#[test]
fn a_limit_ends_the_run_without_a_finding() {
    let ran = run("pingpong", &["--arg", "100000000", "--max-instructions", "100000", "--json"]);
    assert_eq!((ran.exit, &ran.json()["run"]["ended"]), (3, &"limit".into()), "{}", ran.err);
}

#[test]
fn under_json_the_guest_prints_to_standard_error() {
    let ran = run("pingpong", &["--json"]);
    assert_eq!(ran.json()["schema"], 1, "standard output is one document");
    assert!(ran.err.contains("pingpong: 1000 rounds, sum 500500, ok"), "{}", ran.err);
}

#[test]
fn the_command_line_beats_the_environment() {
    let trails = |variable: &str, option: &[&str]| {
        let mut command = htrail();
        command.arg("run").arg(guest("pingpong")).arg("--json").args(option);
        let document = ran(command.env("XENIA_TRACE_HANDLES", variable)).json();
        array(&document["trails"]).len()
    };
    assert_eq!(trails("", &[]), 0);
    assert_eq!(trails("0", &[]), 0);
    assert!(trails("1", &[]) > 3);
    assert!(trails("0x1004,0x100c", &[]) > 3);
    assert_eq!(trails("1", &["--trace-handles=off"]), 0);
    assert!(trails("0", &["--trace-handles"]) > 3);
    assert!(trails("no list", &["--trace-handles"]) > 3);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let script = format!(
        "exec 3>&1; {{ {} run {} --trace-handles --json; echo $? >&3; }} | true",
        env!("CARGO_BIN_EXE_htrail"),
        guest("boot_hang").display()
    );
    let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("a shell");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn names_come_from_a_list_too() {
    let directory = tempfile::TempDir::new().expect("a temporary directory");
    let names = directory.path().join("names.txt");
    std::fs::write(&names, format!("{:#x} T read_the_disc\n", address_of("boot_hang", "load_title")))
        .expect("a file");
    let names = names.to_str().expect("a path in UTF-8");
    let ran = run("boot_hang", &["--trace-handles", "--symbols", names]);
    assert!(ran.out.contains("read_the_disc+0x") && !ran.out.contains("load_title"), "{}", ran.out);
}

/// Where a guest's function begins: the report gives an address within it, and the offset.
fn address_of(name: &str, function: &str) -> u32 {
    let document = run(name, &["--trace-handles", "--json"]).json();
    let mut entries = array(&document["trails"]).iter().map(|trail| &trail["created"]);
    let (lr, offset) = entries
        .find_map(|entry| Some((entry["lr"].as_str()?, entry["at"].as_str()?.strip_prefix(function)?)))
        .unwrap_or_else(|| panic!("{function} creates nothing in {document:#}"));
    let hexadecimal =
        |text: &str| u32::from_str_radix(text.trim_start_matches("+").trim_start_matches("0x"), 16);
    hexadecimal(lr).expect("an address") - hexadecimal(offset).expect("an offset")
}

fn array(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}
