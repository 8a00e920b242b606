//! Names that a document cites, and whether they exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What a document cites between backticks: tests by their names, scripts and files by their paths.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cited {
    /// Names of three words or more, joined by underscores: facts.
    pub tests: BTreeSet<String>,
    /// Paths into the repository, without arguments.
    pub paths: BTreeSet<String>,
}

/// Where paths into the repository begin.
const PLACES: [&str; 8] = ["ci/", ".ci/", "docs/", "crates/", "fuzz/", "guests/", "benches/", ".cargo/"];

/// Reads the citations of a document. Blocks of code are read line by line: the first word of each.
#[must_use]
pub fn of_document(text: &str) -> Cited {
    let mut cited = Cited::default();
    let mut in_block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            cite(&mut cited, line);
        } else {
            line.split('`').skip(1).step_by(2).for_each(|quoted| cite(&mut cited, quoted));
        }
    }
    cited
}

fn cite(cited: &mut Cited, quoted: &str) {
    let word = quoted.split_whitespace().next().unwrap_or_default();
    let is_name = word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if is_name && word.matches('_').count() >= 2 {
        cited.tests.insert(word.to_owned());
    } else if PLACES.iter().any(|place| word.starts_with(place)) {
        cited.paths.insert(word.to_owned());
    }
}

/// The citations that name nothing: no test in any source, no file.
///
/// # Panics
///
/// If a source cannot be read.
#[must_use]
pub fn dangling(cited: &Cited, root: &Path) -> Vec<String> {
    let mut there = BTreeSet::new();
    for place in ["crates", "benches", "fuzz/fuzz_targets"] {
        for path in crate::files(&root.join(place), ".rs") {
            let code =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let code = code.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            tests(code, &mut there);
        }
    }
    let tests = cited.tests.iter().filter(|name| !there.contains(*name));
    let paths = cited.paths.iter().filter(|path| !root.join(path).exists());
    tests.chain(paths).cloned().collect()
}

/// Finds the functions with `#[test]`, wherever they stand: in modules, in the macros that make properties of them.
fn tests(code: TokenStream, found: &mut BTreeSet<String>) {
    // Between `#[test]` and the name of its function stand further attributes and `fn`.
    let (mut is_test, mut after_fn) = (false, false);
    for token in code {
        let is_name = std::mem::take(&mut after_fn);
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                is_test |= group.stream().to_string() == "test";
            }
            TokenTree::Group(group) => tests(group.stream(), found),
            TokenTree::Ident(name) if is_name && std::mem::take(&mut is_test) => {
                found.insert(name.to_string());
            }
            TokenTree::Ident(word) => after_fn = word == "fn",
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_told_from_other_quotes() {
        let cited = of_document(
            "`a_fact_that_holds` and `ci/soak.sh 60`, `fetch_add`, `HandleAudit`.\n```sh\nci/loom.sh  # all\n```\n",
        );
        assert_eq!(cited.tests.into_iter().collect::<Vec<_>>(), ["a_fact_that_holds"]);
        assert_eq!(cited.paths.into_iter().collect::<Vec<_>>(), ["ci/loom.sh", "ci/soak.sh"]);
    }

    #[test]
    fn what_is_not_there_dangles() {
        let cited =
            of_document("`what_is_not_there_dangles` `no_such_test_anywhere` `ci/no-such.sh` `.ci/run`");
        assert_eq!(dangling(&cited, &crate::root()), ["no_such_test_anywhere", "ci/no-such.sh"]);
    }

    #[test]
    fn only_tests_are_tests() {
        let code = "#[test] #[should_panic(expected = \"fn\")] fn one_of_them() { fn a_helper() {} }\n\
                    // #[test] fn in_a_comment() {}\n fn a_helper_of_theirs() {}\n #[inline] fn another() {}\n type F = fn(u8);\n\
                    proptest! { #[test] fn a_property(a in [0]) {} fn a_part(a in 0..1) {} }\n\
                    mod inner { #[cfg(loom)] #[test] pub fn a_model() {} }";
        let mut found = BTreeSet::new();
        tests(code.parse().unwrap(), &mut found);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a_model", "a_property", "one_of_them"]);
    }
}
