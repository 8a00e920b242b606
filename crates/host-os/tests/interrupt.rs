//! Signals sent to this very process. One test, because handlers belong to the process.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use host_os::InterruptWatch;
use signal_hook::consts::SIGTERM;
use signal_hook::low_level::raise;

static OLDER_HANDLER_CALLS: AtomicU32 = AtomicU32::new(0);

extern "C" fn older_handler(_: libc::c_int) {
    OLDER_HANDLER_CALLS.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn the_first_signal_calls_the_action_and_the_older_handler() {
    let handler: extern "C" fn(libc::c_int) = older_handler;
    // SAFETY: the handler only adds to an atomic, which is allowed in a signal handler, and it lives for ever.
    let installed = unsafe { libc::signal(SIGTERM, handler as libc::sighandler_t) };
    assert_ne!(installed, libc::SIG_ERR);

    let (told, hears) = mpsc::channel();
    let watch = InterruptWatch::start(move || told.send("asked to stop").expect("the test listens"))
        .expect("the operating system takes handlers");
    raise(SIGTERM).expect("the signal can be sent");

    // The limit only turns a hang into a failure.
    assert_eq!(hears.recv_timeout(Duration::from_secs(60)), Ok("asked to stop"));
    assert_eq!(OLDER_HANDLER_CALLS.load(Ordering::SeqCst), 1);
    drop(watch);
}
