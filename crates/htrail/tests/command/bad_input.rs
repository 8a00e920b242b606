//! Whatever is handed to the command: a sentence that says what is wrong, where, and what would be right; the exit code
//! that scripts expect; never a panic.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::elf;
use crate::support::{Ran, guest, htrail, ran};

/// Runs `htrail run` in a directory that holds one file, so that messages show a path that is always the same.
fn run_file(bytes: &[u8]) -> Ran {
    let directory = directory_with("guest.elf", bytes);
    run_in(directory.path(), &["guest.elf"])
}

fn directory_with(name: &str, bytes: &[u8]) -> TempDir {
    let directory = TempDir::new().expect("a temporary directory");
    fs::write(directory.path().join(name), bytes).expect("a file in it");
    directory
}

fn run_in(directory: &Path, arguments: &[&str]) -> Ran {
    ran(htrail().current_dir(directory).arg("run").args(arguments))
}

/// The file is refused at load: exit code 4, one line on standard error, nothing on standard output.
fn refused(ran: &Ran) -> &str {
    assert_eq!((ran.exit, ran.out.as_str()), (4, ""), "{}", ran.err);
    ran.err.trim_end()
}

#[test]
fn an_empty_file() {
    insta::assert_snapshot!(refused(&run_file(b"")));
}

#[test]
fn a_file_that_is_no_elf() {
    insta::assert_snapshot!(refused(&run_file(b"MZ\x90\0 this is a program for another system")));
}

#[test]
fn a_truncated_elf_wherever_it_is_cut() {
    let elf = elf::healthy();
    insta::assert_snapshot!(refused(&run_file(&elf[..0x30])));
    insta::assert_snapshot!(refused(&run_file(&elf[..0x40])));
    insta::assert_snapshot!(refused(&run_file(&elf[..0x200])));
}

#[test]
fn a_little_endian_elf() {
    insta::assert_snapshot!(refused(&run_file(&elf::patched(5, &[1]))));
}

#[test]
fn a_64_bit_elf() {
    insta::assert_snapshot!(refused(&run_file(&elf::patched(4, &[2]))));
}

#[test]
fn another_machine() {
    insta::assert_snapshot!(refused(&run_file(&elf::patched(0x12, &[0, 62]))));
}

#[test]
fn a_segment_over_the_stack() {
    insta::assert_snapshot!(refused(&run_file(&elf::first_segment_at(0x7FFF_FF00))));
}

#[test]
fn a_file_that_is_not_there() {
    let directory = TempDir::new().expect("a temporary directory");
    insta::assert_snapshot!(refused(&run_in(directory.path(), &["missing.elf"])));
}

#[test]
fn a_directory() {
    insta::assert_snapshot!(refused(&run_in(Path::new("/"), &["."])));
}

#[test]
fn a_symbols_file_that_cannot_be_used() {
    let guest = guest("pingpong");
    let guest = guest.to_str().expect("a path in UTF-8");
    let directory = directory_with("names.txt", b"# names\n0x82000000 boot\nzero main\n");
    insta::assert_snapshot!(refused(&run_in(directory.path(), &[guest, "--symbols", "names.txt"])));
    insta::assert_snapshot!(refused(&run_in(directory.path(), &[guest, "--symbols", "missing.txt"])));
    let directory = directory_with("names.txt", b"\xFF\xFE0\0");
    insta::assert_snapshot!(refused(&run_in(directory.path(), &[guest, "--symbols", "names.txt"])));
}

/// Wrong usage: exit code 2, nothing on standard output, and the words that put it right.
fn misused(ran: &Ran, words: &[&str]) {
    assert_eq!((ran.exit, ran.out.as_str()), (2, ""), "{}", ran.err);
    for word in words {
        assert!(ran.err.contains(word), "{word:?} is missing in: {}", ran.err);
    }
}

#[test]
fn a_bad_handle_list_names_the_item_and_its_position() {
    let where_and_what = ["item 2", "\"0xzz\"", "character 8", "write handles as 0x1004 or 4100"];
    let option = ran(htrail().arg("run").arg(guest("pingpong")).arg("--trace-handles=0x1004,0xzz"));
    misused(&option, &where_and_what);
    misused(&option, &["--trace-handles"]);
    let variable = ran(htrail().arg("run").arg(guest("pingpong")).env("XENIA_TRACE_HANDLES", "0x1004,0xzz"));
    misused(&variable, &where_and_what);
    misused(&variable, &["XENIA_TRACE_HANDLES"]);
}

#[test]
fn options_that_make_no_sense() {
    let guest = guest("pingpong");
    let run = |arguments: &[&str]| ran(htrail().arg("run").arg(&guest).args(arguments));
    misused(&run(&["--seed", "dice"]), &["--seed", "random"]);
    misused(&run(&["--arg", "0x1_0000_0000"]), &["--arg", "32 bits"]);
    misused(&run(&["--max-instructions", "many"]), &["--max-instructions", "0x1004"]);
    misused(&run(&["--width", "40"]), &["--width", "60..=160"]);
    misused(&run(&["--ring-capacity", "1"]), &["--ring-capacity", "8 to 16777216"]);
    misused(&run(&["--fail-on", "maybe"]), &["--fail-on", "hint, likely, strong or proven"]);
    misused(&run(&["--deny", "HT99"]), &["--deny", "HT01 to HT22"]);
    misused(&run(&["--quiet", "--all"]), &["cannot be used with"]);
    misused(&run(&["--trace-out", "run.htrail"]), &["--trace-out", "--trace-handles"]);
    misused(&ran(htrail().arg("run")), &["GUEST"]);
}

#[test]
fn wrong_usage_comes_before_a_file_that_cannot_be_used() {
    let run = |arguments: &[&str]| htrail().args(["run", "missing.elf"]).args(arguments).output();
    for arguments in [&["--seed", "dice"][..], &["--trace-handles=x"], &["--trace-out", "run.htrail"]] {
        assert_eq!(run(arguments).expect("the command starts").status.code(), Some(2), "{arguments:?}");
    }
    let mut variable = htrail();
    misused(&ran(variable.args(["run", "missing.elf"]).env("XENIA_TRACE_HANDLES", "x")), &["item 1"]);
}

#[test]
fn an_illegal_instruction_is_the_guests_fault() {
    let ran = run_file(&elf::beginning_with(&[0x6000_0000, 0x0000_0000]));
    assert_eq!(ran.exit, 1, "{}", ran.err);
    for word in ["fault", "0x00000000", "r1"] {
        assert!(ran.out.contains(word), "{word:?} is missing in:\n{}", ran.out);
    }
}

#[test]
fn a_wild_load_is_the_guests_fault() {
    // lis r3,0xdead; lwz r4,0x10(r3)
    let ran = run_file(&elf::beginning_with(&[0x3C60_DEAD, 0x8083_0010]));
    assert_eq!(ran.exit, 1, "{}", ran.err);
    for word in ["fault", "0xdead0010", "0x80830010"] {
        assert!(ran.out.contains(word), "{word:?} is missing in:\n{}", ran.out);
    }
}
