//! The public interfaces as they are. A removed item or a changed signature fails here; if it is meant, accept it:
//!
//! ```sh
//! INSTA_UPDATE=always cargo test -p assurance
//! ```

use assurance::{api, root};

fn same(name: &str) {
    let shown = api::of_crate(&root().join("crates").join(name));
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, shown);
    });
}

#[test]
fn the_interface_of_the_ring_is_as_it_was() {
    same("spsc-ring");
}

#[test]
fn the_interface_of_the_audit_is_as_it_was() {
    same("handle-audit");
}

#[test]
fn the_interface_of_the_diagnosis_is_as_it_was() {
    same("handle-diagnosis");
}

#[test]
fn the_interface_of_the_capture_is_as_it_was() {
    same("handle-capture");
}
