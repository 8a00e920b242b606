//! Fatal signals: the note is left, and who had the signal before gets it. Each story runs in a process of its own.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use host_os::{SharedMapping, leave_crash_notes, leave_no_crash_notes, reserve};
use libc::{c_int, c_void, siginfo_t};

/// The story, then a colon and the path of the file that takes the note.
const VARIABLE: &str = "HOST_OS_TEST_CRASH";

/// Word of the file that holds the signal's number.
const PLACE: usize = 3;

static CALLS: AtomicU32 = AtomicU32::new(0);

extern "C" fn ends(_: c_int) {
    // SAFETY: ends the process at once; allowed in a handler.
    unsafe { libc::_exit(71) };
}

extern "C" fn ends_if_told_all(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel's own pointers, passed on; `_exit` is allowed in a handler.
    unsafe { libc::_exit(if (*info).si_signo == signal && !context.is_null() { 72 } else { 1 }) };
}

extern "C" fn repairs(_: c_int) {
    CALLS.fetch_add(1, Ordering::SeqCst);
}

fn install(signal: c_int, handler: usize, flags: c_int) {
    // SAFETY: an all-zero `sigaction` is a valid one; the handlers above do only what a handler may.
    let done = unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        libc::sigaction(signal, &action, std::ptr::null_mut())
    };
    assert_eq!(done, 0);
}

fn raise(signal: c_int) {
    // SAFETY: `raise` has no preconditions.
    assert_eq!(unsafe { libc::raise(signal) }, 0);
}

/// Not a test by itself: what the child processes of this file run.
#[test]
fn child() {
    let Ok(task) = std::env::var(VARIABLE) else { return };
    let (story, path) = task.split_once(':').unwrap();
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mapping = Arc::new(SharedMapping::new(&file, 4096).unwrap());
    let note = || leave_crash_notes(mapping.clone(), PLACE).unwrap();
    match story {
        "one argument" => {
            install(libc::SIGILL, ends as *const () as usize, 0);
            note();
            raise(libc::SIGILL);
        }
        "three arguments" => {
            install(libc::SIGFPE, ends_if_told_all as *const () as usize, libc::SA_SIGINFO);
            note();
            raise(libc::SIGFPE);
        }
        "repaired" => {
            install(libc::SIGSEGV, repairs as *const () as usize, 0);
            note();
            raise(libc::SIGSEGV);
            assert_eq!(CALLS.load(Ordering::SeqCst), 1);
        }
        "not watched any more" => {
            note();
            leave_no_crash_notes();
            raise(libc::SIGABRT);
        }
        // The handler of Rust's runtime has it.
        "sent" => {
            note();
            raise(libc::SIGSEGV);
        }
        other => panic!("no story {other}"),
    }
}

/// How the child ended, and the signal that it noted.
fn run(story: &str) -> (ExitStatus, u64) {
    let file = tempfile::NamedTempFile::new().unwrap();
    reserve(file.as_file(), 4096).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture", "--test-threads=1"])
        .env(VARIABLE, format!("{story}:{}", file.path().display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    let mut word = [0; 8];
    file.as_file().read_exact_at(&mut word, PLACE as u64 * 8).unwrap();
    (status, u64::from_le_bytes(word))
}

#[test]
fn handlers_that_were_there_before_get_the_signal_after_the_note() {
    let (status, noted) = run("one argument");
    assert_eq!((status.code(), noted), (Some(71), libc::SIGILL as u64));
    let (status, noted) = run("three arguments");
    assert_eq!((status.code(), noted), (Some(72), libc::SIGFPE as u64));
}

#[test]
fn a_fault_that_an_earlier_handler_repairs_is_no_crash() {
    let (status, noted) = run("repaired");
    assert_eq!((status.code(), noted), (Some(0), 0));
}

#[test]
fn a_fault_that_was_sent_ends_the_process_though_it_does_not_come_back() {
    let (status, noted) = run("sent");
    assert_eq!((status.signal(), noted), (Some(libc::SIGSEGV), libc::SIGSEGV as u64));
}

#[test]
fn nothing_is_noted_when_it_is_over() {
    let (status, noted) = run("not watched any more");
    assert_eq!((status.signal(), noted), (Some(libc::SIGABRT), 0));
}
