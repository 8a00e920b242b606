//! Documents name tests and scripts; each of them must be there.

use std::fs;

use assurance::citations::{dangling, of_document};
use assurance::root;

#[test]
fn every_test_and_script_that_a_document_names_exists() {
    for document in ["docs/assurance.md", "docs/mutants.md", "docs/ordering.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let cited = of_document(&text);
        assert!(!cited.tests.is_empty() || !cited.paths.is_empty(), "{document} cites nothing");
        assert_eq!(dangling(&cited, &root()), Vec::<String>::new(), "{document}");
    }
}
