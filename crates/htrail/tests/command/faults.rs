//! Faults, omissions and seeds from the command line: what is listed, what is refused and why, what is printed.

use crate::support::run;

/// An option that cannot be right, and the words that say what is wrong with it.
const REFUSED: [(&[&str], &[&str]); 9] = [
    (&["--fault", "wakelost"], &["no fault `wakelost`", "wake-lost"]),
    (&["--fault", "stub"], &["stub", "needs `:EXPORT`"]),
    (&["--fault", "stub:"], &["stub", "needs `:EXPORT`"]),
    (&["--fault", "stub:NtSetEvnt"], &["no export is called `NtSetEvnt`"]),
    (&["--fault", "wake-lost:3"], &["wake-lost", "got `:3`"]),
    (&["--fault", "wake-lost@0"], &["`0` in `wake-lost@0`"]),
    (&["--fault", "drop-signal:x@2"], &["`x` in `drop-signal:x@2`"]),
    (&["--fault", "timer-once", "--fault", "timer-twice"], &["no fault `timer-twice`"]),
    (&["--leave-out", "NtSetEvnt"], &["no export is called `NtSetEvnt`"]),
];

#[test]
fn a_bad_fault_names_the_bad_part() {
    for (options, words) in REFUSED {
        let ran = run("pingpong", options);
        assert_eq!(ran.exit, 2, "{options:?}: {}", ran.err);
        for word in words {
            assert!(ran.err.contains(word), "{options:?}: {word:?} is missing in {}", ran.err);
        }
    }
}

#[test]
fn faults_can_be_given_together_and_begin_later() {
    let both = ["--fault", "drop-signal:1000@2000", "--fault", "stub:NtSetEvent@700", "--deterministic"];
    let ran = run("pingpong", &[&both[..], &["--trace-handles", "--json"]].concat());
    assert_eq!((ran.exit, &ran.json()["run"]["ended"]), (1, &"deadlock".into()), "{}", ran.err);
    let healthy = run("pingpong", &["--fault", "stub:NtSetEvent@1000000", "--json"]);
    assert_eq!(healthy.exit, 0, "there are not so many: {}", healthy.err);
}

#[test]
fn the_list_of_faults_runs_nothing() {
    let listed = run("pingpong", &["--list-faults"]);
    assert_eq!(listed.exit, 0, "{}", listed.err);
    for fault in xenon_kernel::faults() {
        assert!(listed.out.contains(fault.name) && listed.out.contains(fault.description), "{}", fault.name);
    }
    assert!(!listed.out.contains("rounds"), "{}", listed.out);
}

#[test]
fn a_drawn_seed_is_printed_and_repeats_the_run() {
    let options = ["--deterministic", "--trace-handles", "--json"];
    let drawn = run("pingpong", &[&options[..], &["--seed", "random"]].concat());
    let (_, rest) =
        drawn.err.split_once("the seed is ").unwrap_or_else(|| panic!("no seed in {}", drawn.err));
    let seed: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let again = run("pingpong", &[&options[..], &["--seed", &seed]].concat());
    let trails = |ran: &crate::support::Ran| ran.json()["trails"].to_string();
    assert_eq!(trails(&drawn), trails(&again), "seed {seed}");
}

#[test]
fn the_self_check_names_what_was_left_out() {
    let ran = run("events", &["--self-check", "--leave-out", "KeSetEvent", "--trace-handles", "--json"]);
    let text = ran.json().to_string();
    assert!(text.contains("changes that are a `signal`, 0 records"), "{text}");
    let whole = run("events", &["--self-check", "--trace-handles", "--json"]);
    assert!(!whole.json().to_string().contains("changes that are a"), "{}", whole.out);
}
