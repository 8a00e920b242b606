//! The screen in the README is what the command prints.

use crate::support::run;

#[test]
fn the_screen_is_a_real_one() {
    let readme = include_str!("../../../../README.md");
    let (_, from_mark) = readme.split_once("<!-- screen:").expect("the README marks its screen");
    let (_, from_fence) = from_mark.split_once("```text\n").expect("a block follows the mark");
    let (screen, _) = from_fence.split_once("```").expect("the block ends");
    let printed = run("boot_hang", &["--trace-handles"]).out;
    let (first_screen, _) = printed.split_once("\nHandles\n").expect("handles follow the first screen");
    assert_eq!(steady(screen), steady(first_screen), "renew it with ci/update-readme-screen");
}

#[test]
fn what_may_differ_between_runs_is_all_that_is_left_out() {
    let one =
        "27 486 instructions, 35 context switches, 1 migration, 0.0\n  s\n  0.794 ms  1  create  f+0x80";
    let other = "999 instructions, 7 context switches, 12 migrations, 1.2 s\n  1.002 s  1  create\n  f+0x80";
    assert_eq!(steady(one), steady(other));
    assert_eq!(steady(one), "N instruction, N context switches, N migration, N TIME N TIME N create f+0x80");
    for changed in ["waits 0x101c", "waits for 0x101d", "0x101c for waits", "waits for 0x101c at"] {
        assert_ne!(steady("waits for 0x101c"), steady(changed));
    }
}

/// The words in their order, without what differs from run to run: counts and times with their units, the plural after
/// a count, and the places where lines are broken, which move with the width of a number. Addresses and handles stay.
fn steady(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let after_count = words.last().is_some_and(|last| last == "N");
        let bare = word.trim_end_matches([',', ';', '.', ':']);
        let end = &word[bare.len()..];
        let is_count = bare.starts_with(|c: char| c.is_ascii_digit()) && !bare.starts_with("0x");
        match bare {
            // The thousands of one number stand apart.
            _ if is_count && after_count => {
                words.pop();
                words.push(format!("N{end}"));
            }
            _ if is_count => words.push(format!("N{end}")),
            "s" | "ms" | "µs" | "us" if after_count => words.push(format!("TIME{end}")),
            _ if after_count => words.push(format!("{}{end}", bare.trim_end_matches('s'))),
            _ => words.push(word.to_owned()),
        }
    }
    words.join(" ")
}
