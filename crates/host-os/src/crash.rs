//! A note of the signal that kills the process, left in memory that outlives it.

use std::ffi::c_int;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use libc::{c_void, siginfo_t};
use once_cell::sync::OnceCell;

use crate::guard;
use crate::mapping::SharedMapping;

/// Signals that a fault or an abort of the host raises.
const FATAL: [c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT];

/// Words of a note: the signal's number, then the address it is about.
pub const CRASH_NOTE_WORDS: usize = 2;

struct Place {
    mapping: Arc<SharedMapping>,
    first: usize,
}

/// Where the handler writes. Written by `leave_crash_notes` (Release), read by the handler (Acquire). What it points
/// at is never freed: a handler may be reading it on another thread.
static PLACE: AtomicPtr<Place> = AtomicPtr::new(std::ptr::null_mut());

/// What handled each of [`FATAL`] before.
static EARLIER: OnceCell<[libc::sigaction; FATAL.len()]> = OnceCell::new();

/// From now on, a SIGSEGV, SIGBUS, SIGILL, SIGFPE or SIGABRT first leaves its number and address in the
/// [`CRASH_NOTE_WORDS`] words of `mapping` from `first` on, and then goes to the handler that was there before, or
/// ends the process as it would have. The first signal stays noted, unless the earlier handler repaired what was
/// wrong and the process lives on. A forked child writes nothing.
///
/// A later call moves the note to another place; each call keeps its mapping for the life of the process.
///
/// # Errors
///
/// What the operating system says, or `InvalidInput` if the mapping has no such words.
pub fn leave_crash_notes(mapping: Arc<SharedMapping>, first: usize) -> io::Result<()> {
    if mapping.words().is_none_or(|words| words.len() < first + CRASH_NOTE_WORDS) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the mapping has no room for a crash note"));
    }
    PLACE.store(Box::into_raw(Box::new(Place { mapping, first })), Ordering::Release);
    install_once()
}

/// Puts the handlers in front of those that are there, the first time.
pub(crate) fn install_once() -> io::Result<()> {
    EARLIER.get_or_try_init(install).map(|_| ())
}

/// From now on, no crash note is left. The handlers stay and only pass on.
pub fn leave_no_crash_notes() {
    PLACE.store(std::ptr::null_mut(), Ordering::Release);
}

/// Installs the handlers and returns those that were there. A signal that comes before they are kept ends the process
/// without them.
fn install() -> io::Result<[libc::sigaction; FATAL.len()]> {
    // SAFETY: an all-zero `sigaction` is a valid one: default action, empty mask, no flags.
    let [mut action, mut old] = unsafe { [std::mem::zeroed::<libc::sigaction>(); 2] };
    action.sa_sigaction = on_crash as *const () as libc::sighandler_t;
    // On the alternate stack, so that an overflow of the stack can be noted too.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    let mut earlier = [old; FATAL.len()];
    for (signal, place) in FATAL.into_iter().zip(&mut earlier) {
        // SAFETY: both pointers are to live `sigaction`s. The handler does nothing that a signal handler may not:
        // it loads and stores atomics, calls the earlier handler, `sigaction` and `raise`.
        if unsafe { libc::sigaction(signal, &action, &mut old) } != 0 {
            return Err(io::Error::last_os_error());
        }
        *place = old;
    }
    Ok(earlier)
}

extern "C" fn on_crash(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a valid `siginfo_t` to a handler installed with SA_SIGINFO, and these signals carry
    // an address, or nothing of which the bits would be invalid as a number.
    let (address, code) = unsafe { ((*info).si_addr() as u64, (*info).si_code) };
    let sent = code <= 0;
    if signal == libc::SIGBUS && !sent && guard::replace(address as usize) {
        return;
    }
    let noted = note(signal, address);
    pass_on(signal, info, context);
    match disposition(signal) {
        // The earlier handler repaired what was wrong: there was no crash.
        handler if handler == on_crash as *const () as libc::sighandler_t => {
            if let Some(number) = noted {
                number.store(0, Ordering::Release);
            }
        }
        // It gave up, for the fault to end the process when it comes back. One that was sent does not come back.
        libc::SIG_DFL if sent => {
            // SAFETY: `raise` may be called in a handler. The signal is delivered when this one returns.
            unsafe { libc::raise(signal) };
        }
        _ => {}
    }
}

/// Leaves the note, and returns the word that tells if this is the first. Only loads and stores of atomics.
fn note(signal: c_int, address: u64) -> Option<&'static AtomicU64> {
    // SAFETY: null, or a `Place` that was leaked by `leave_crash_notes` and is never freed or changed.
    let place: &'static Place = unsafe { PLACE.load(Ordering::Acquire).as_ref() }?;
    let [number, at] = &place.mapping.words()?[place.first..][..CRASH_NOTE_WORDS] else { return None };
    (number.load(Ordering::Relaxed) == 0).then(|| {
        at.store(address, Ordering::Relaxed);
        number.store(signal as u64, Ordering::Release);
        number
    })
}

/// What handles a signal now.
fn disposition(signal: c_int) -> libc::sighandler_t {
    // SAFETY: an all-zero `sigaction` is a valid one, and `sigaction` may be called in a handler.
    unsafe {
        let mut now = std::mem::zeroed::<libc::sigaction>();
        libc::sigaction(signal, std::ptr::null(), &mut now);
        now.sa_sigaction
    }
}

/// Hands the signal to whoever had it before.
fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let index = FATAL.iter().position(|fatal| *fatal == signal);
    let earlier = index.and_then(|index| Some(EARLIER.get()?[index]));
    match earlier {
        Some(old) if old.sa_sigaction != libc::SIG_DFL && old.sa_sigaction != libc::SIG_IGN => {
            if old.sa_flags & libc::SA_SIGINFO != 0 {
                // SAFETY: the kernel returned this address as that of a handler with three arguments, and it is
                // called as the kernel would have: with the arguments of this very signal.
                let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
                    unsafe { std::mem::transmute(old.sa_sigaction) };
                handler(signal, info, context);
            } else {
                // SAFETY: the same, for a handler with one argument.
                let handler: extern "C" fn(c_int) = unsafe { std::mem::transmute(old.sa_sigaction) };
                handler(signal);
            }
        }
        // A fault that is ignored would come back for ever, so it ends the process like one by default.
        _ => {
            // SAFETY: an all-zero `sigaction` is the default action; both functions may be called in a handler.
            // The signal is blocked while its handler runs, so it is delivered when this one returns.
            unsafe {
                libc::sigaction(signal, &std::mem::zeroed(), std::ptr::null_mut());
                libc::raise(signal);
            }
        }
    }
}
