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
    assert_eq!(words(screen), words(first_screen), "renew it with ci/update-readme-screen");
}

/// The words, sorted, without what differs from run to run: counts and times, the plural after a count, and the places
/// where lines and cells are broken, which move with the width of a number. Addresses and handles stay.
fn words(text: &str) -> Vec<&str> {
    let is_count = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && !word.starts_with("0x");
    let mut words: Vec<_> = text
        .split_whitespace()
        .filter(|word| !is_count(word))
        .map(|word| word.trim_end_matches([',', ';']).trim_end_matches('s'))
        .collect();
    words.sort_unstable();
    words
}
