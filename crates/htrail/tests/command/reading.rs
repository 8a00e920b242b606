//! The screens in docs/reading-a-report.md are what their commands print.
//!
//! `UPDATE_SCREENS=1` renews them instead of comparing.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::support::{htrail, ran};

const MARK: &str = "<!-- screen -->\n```text\n";

/// One screen of the page: its command and the text in its block.
struct Screen<'a> {
    command: &'a str,
    text: &'a str,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn screens(page: &str) -> Vec<Screen<'_>> {
    let mut before = "";
    let mut screens = Vec::new();
    for part in page.split(MARK) {
        if let Some((_, command)) = before.rsplit_once("```sh\nhtrail ") {
            let command = command.lines().next().expect("a command follows the fence");
            let text = part.split("```\n").next().expect("the block ends");
            screens.push(Screen { command, text });
        }
        before = part;
    }
    screens
}

/// What the command prints before the handles. Host time is left out of the comparison: it differs from run to run.
fn printed(command: &str) -> String {
    let out = ran(htrail().args(command.split(' ')).current_dir(root())).out;
    let (screen, _) = out.split_once("\n\nHandles\n").expect("handles follow the first screen");
    format!("{screen}\n")
}

fn without_host_time(text: &str) -> Vec<&str> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_time = |index: usize| words.get(index + 1) == Some(&"s,") && words.get(index + 2) == Some(&"seed");
    words.iter().enumerate().filter(|(index, _)| !is_time(*index)).map(|(_, word)| *word).collect()
}

#[test]
fn the_screens_of_the_page_are_real_ones() {
    let path = root().join("docs/reading-a-report.md");
    let page = fs::read_to_string(&path).expect("the page is there");
    let screens = screens(&page);
    assert_eq!(screens.len(), 3);
    if env::var_os("UPDATE_SCREENS").is_some() {
        let mut renewed = page.clone();
        for screen in &screens {
            let block = format!("htrail {}\n```\n\n{MARK}{}", screen.command, screen.text);
            let fresh = format!("htrail {}\n```\n\n{MARK}{}", screen.command, printed(screen.command));
            renewed = renewed.replacen(&block, &fresh, 1);
        }
        fs::write(&path, renewed).expect("the page can be written");
        return;
    }
    for screen in &screens {
        assert_eq!(
            without_host_time(screen.text),
            without_host_time(&printed(screen.command)),
            "{}: renew it with UPDATE_SCREENS=1",
            screen.command
        );
    }
}
