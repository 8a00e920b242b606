//! Names that a document cites, and whether they exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

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

/// The citations that name nothing: no function in any source, no file.
///
/// # Panics
///
/// If a source cannot be read.
#[must_use]
pub fn dangling(cited: &Cited, root: &Path) -> Vec<String> {
    let mut functions = BTreeSet::new();
    for place in ["crates", "benches", "fuzz/fuzz_targets"] {
        for path in crate::files(&root.join(place), ".rs") {
            let code =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let names = code.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            functions.extend(names.map(str::to_owned));
        }
    }
    let tests = cited.tests.iter().filter(|name| !functions.contains(*name));
    let paths = cited.paths.iter().filter(|path| !root.join(path).exists());
    tests.chain(paths).cloned().collect()
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
}
