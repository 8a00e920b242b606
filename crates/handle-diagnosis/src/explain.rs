//! What each verdict means: for `explain`.

use crate::text::{Layout, explained};
use crate::verdict::VerdictId;

/// What a reader of a verdict may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What was seen, and why it is a verdict.
    pub means: &'static str,
    /// A short run that gets it.
    pub example: &'static str,
    /// The usual causes in a high-level-emulated kernel.
    pub causes: &'static [&'static str],
    /// What to do.
    pub next: &'static str,
}

/// The text of `explain ID`.
#[must_use]
pub fn explain(id: VerdictId, layout: &Layout) -> String {
    explained(id, &explanation(id), layout)
}

/// What a verdict means.
#[must_use]
pub const fn explanation(id: VerdictId) -> Explanation {
    match id {
        VerdictId::PromiseBroken => PROMISE_BROKEN,
        VerdictId::NeverSignalled => NEVER_SIGNALLED,
        VerdictId::SignalledNotWoken => SIGNALLED_NOT_WOKEN,
        VerdictId::LostPulse => LOST_PULSE,
        VerdictId::CreditStolen => CREDIT_STOLEN,
        VerdictId::WrongTwin => WRONG_TWIN,
        VerdictId::Ghost => GHOST,
        VerdictId::UseAfterClose => USE_AFTER_CLOSE,
        VerdictId::OwnerDead => OWNER_DEAD,
        VerdictId::Deadlock => DEADLOCK,
        VerdictId::Victim => VICTIM,
        VerdictId::LostResume => LOST_RESUME,
        VerdictId::DeadTimer => DEAD_TIMER,
        VerdictId::ApcStarved => APC_STARVED,
        VerdictId::WaitAllPartial => WAIT_ALL_PARTIAL,
        VerdictId::BusyPoll => BUSY_POLL,
        VerdictId::HeartbeatStopped => HEARTBEAT_STOPPED,
        VerdictId::Coalesced => COALESCED,
        VerdictId::IdleByDesign => IDLE_BY_DESIGN,
        VerdictId::NoSyncGap => NO_SYNC_GAP,
        VerdictId::InsufficientEvidence => INSUFFICIENT_EVIDENCE,
    }
}

const PROMISE_BROKEN: Explanation = Explanation {
    means: "A handle was passed to an export as its completion object: the event of a read, the event of an overlapped \
            call. The export returned success or pending, so the guest counts on a signal. None has come since, and a \
            thread waits for it.",
    example: "NtReadFile takes event 0x1014 and returns pending; the main thread waits for 0x1014; nobody sets it.",
    causes: &[
        "The export is a stub that returns success or pending.",
        "The request is completed on a path that forgets the event: an error, a short read, an unknown device.",
        "The event is set before the export returns, and the guest resets it afterwards.",
        "The call queues work for a thread that does not run.",
        "Several calls share the event, and one of them is not completed: then it is LIKELY.",
    ],
    next: "Implement the export, or let it fail. If it is implemented, follow one request from the call id of the \
           promise to its completion and see where the event is dropped.",
};

const NEVER_SIGNALLED: Explanation = Explanation {
    means: "An object was created, a thread waits on it for ever, and in all its life nobody signalled it. No export was \
            given it to signal either. This is the last resort: it says what is missing, not who should have acted. A \
            stub that the creator called in between is named as the first suspect.",
    example: "load_level makes event 0x1004, calls an unimplemented XamContentOpen, and waits for 0x1004.",
    causes: &[
        "A stub that takes no handle, but should have started what signals the object.",
        "A callback that the kernel never calls: a timer routine, an APC, a notification.",
        "A thread that should signal is blocked, or never came that far.",
        "A semaphore that serves as a lock, taken twice by one thread.",
    ],
    next: "Read the function that created the object and find the code that signals it. Then see why it does not run.",
};

const SIGNALLED_NOT_WOKEN: Explanation = Explanation {
    means: "The object was signalled after the wait began, nobody else took the signal, and the waiter was not let go. \
            The kernel's own rules say that it must be. Setting an event that was set already has no effect and does not \
            count.",
    example: "Thread 1 waits for auto event 0x1004; thread 2 calls NtSetEvent, which finds it clear; thread 1 sleeps on.",
    causes: &[
        "The waiter parks after it looked at the object and before the signaller looked for waiters: no common lock.",
        "A wait-any links the thread to one of its objects only.",
        "A manual event is cleared by the first waiter that it lets go.",
        "A thread exits and its object is not signalled.",
    ],
    next: "Put the look at the state and the parking of the waiter under one lock with the signal, then walk all waiters.",
};

const LOST_PULSE: Explanation = Explanation {
    means: "The signal was gone before the waiter could use it: a pulse that met no waiter, a pulse that passed a waiter \
            by, or an event that was set and cleared again before the wait.",
    example: "KePulseEvent on 0x1004 wakes nobody; a moment later thread 1 waits for 0x1004, for ever.",
    causes: &[
        "Timing: the waiter comes later on the emulator than on the console, where its thread ran first.",
        "A pulse that is made of a set and a reset, with a gap in between or with no waiter seen in it.",
        "A reset that is meant for the round before and comes too late.",
    ],
    next: "See why the waiter is late: priorities, affinity, a slow call before the wait. If the pulse met a waiter, make \
           it wake under the same lock as the clearing.",
};

const CREDIT_STOLEN: Explanation = Explanation {
    means: "The initial count and every signal of the object were taken by other threads. The ledger shows who took how \
            many.",
    example: "Semaphore 0x1004 is released twice; thread 2 takes both; thread 1 waits for its one.",
    causes: &[
        "Waiters are not served first come, first served.",
        "A wait that fails or times out still takes the signal.",
        "A thread waits twice where it should wait once: a wait that returned the wrong status.",
    ],
    next: "Compare the ledger with what each thread should take, and look at the statuses of the waits of the one that \
           took too many.",
};

const WRONG_TWIN: Explanation = Explanation {
    means: "The object has a waiter and no signals. Exactly one other object, made at the same place, has signals and no \
            waiter. One of the two calls uses the wrong handle.",
    example: "make_event is called twice; decode_done sets the second event; the main thread waits for the first.",
    causes: &[
        "A create call that writes its handle to the wrong place, or twice.",
        "A duplicate that the guest takes for the original, or the other way round.",
        "A structure of the guest that the emulator lays out differently.",
    ],
    next: "See where each of the two handles is stored, and which of them the signaller reads.",
};

const GHOST: Explanation = Explanation {
    means: "The handle or object was used and no call created it: the value is garbage, the object was initialised by the \
            guest itself, or it is older than the recording. Also: a signal went to such a handle while a thread waits \
            for an object that nobody signals.",
    example: "A title writes the dispatcher header of a KEVENT by hand and passes its address to KeWaitForSingleObject.",
    causes: &[
        "Static kernel objects of the guest that the emulator does not adopt at their first use.",
        "A create call that failed, or that did not store its handle.",
        "A pointer where the export expects a handle.",
    ],
    next: "For an address: let the kernel adopt the object at its first use and record a create there. For a handle: find \
           where the guest read the value. Put it in focus with --trace-handles=HANDLE to keep its signals.",
};

const USE_AFTER_CLOSE: Explanation = Explanation {
    means: "The handle was closed while it was still in use: a thread is parked on it, perhaps on an object whose handle \
            value was reissued since, or a signal went to it afterwards.",
    example: "Thread 1 waits for event 0x1004; cleanup closes 0x1004; nobody can set it any more.",
    causes: &[
        "A handle value that is reissued while a thread is parked on it.",
        "A reference that the kernel does not count, so that a close frees too early.",
        "A guest that ends a subsystem before its threads.",
    ],
    next: "See who closes, and whether the guest would do that on the console at that moment.",
};

const OWNER_DEAD: Explanation = Explanation {
    means: "A mutant or a critical section is owned by a thread that has ended. Nobody can release it.",
    example: "Thread 2 enters a critical section in stream_chunk and exits; thread 1 waits to enter it.",
    causes: &[
        "The thread was terminated in the middle of its work.",
        "A mutant is not abandoned when its owner ends, though the kernel should.",
        "The release is on a path that a failed call skips.",
    ],
    next: "Follow the owner from its acquisition to its exit. For a mutant, make the exit of a thread abandon what it owns.",
};

const DEADLOCK: Explanation = Explanation {
    means: "Threads wait for each other in a circle, through mutants and critical sections that they own, or through \
            threads whose end they wait for. No wait in the circle can give up.",
    example: "Thread 2 owns A and waits for B; thread 3 owns B and waits for A.",
    causes: &[
        "Locks that are taken in different orders: a bug of the guest that timing hides on the console.",
        "A release that the kernel lost, or credited to the wrong thread.",
        "A recursive lock that is not counted.",
    ],
    next: "Compare the places where each lock is taken. If the guest's order is sound, check that each release before \
           the circle was folded: htrail show HANDLE FILE.htrail lists them.",
};

const VICTIM: Explanation = Explanation {
    means: "The thread is blocked only because the one that usually signals, or that owns what it waits for, is blocked \
            itself. Victims are folded under their root. Standing alone, it says that threads wait for each other by \
            habit, and none of their objects tells who broke it.",
    example: "The renderer waits for the loader's event; the loader waits for a read that never ends.",
    causes: &["Whatever blocks the root.", "A thread that came back to its wait without signalling first."],
    next: "Look at the root. If there is none, see what the thread that is needed did before it came to its wait.",
};

const LOST_RESUME: Explanation = Explanation {
    means: "A thread was created suspended and never ran, whether or not somebody resumed it, and another thread waits \
            for it or for something that it should do.",
    example: "ExCreateThread with the flag 1, NtResumeThread returns success, and the thread stays suspended.",
    causes: &[
        "A resume that changes a count of its own instead of the thread's.",
        "NtResumeThread or KeResumeThread is a stub.",
        "A failed call on the creator's path before the resume.",
    ],
    next: "Make the resume lower the suspend count, and make the thread ready when it reaches zero.",
};

const DEAD_TIMER: Explanation = Explanation {
    means: "A thread waits for a timer that was never armed, was cancelled, or whose time has come without its firing. Also: \
            one that fired once and was not armed again, which is LIKELY.",
    example: "NtSetTimerEx arms 0x1004 for 20 ms; half a second later it has not fired.",
    causes: &[
        "NtSetTimerEx is a stub.",
        "An absolute due time that is read as a relative one, or in other units.",
        "A periodic timer that is armed once.",
    ],
    next: "Check the due time of the arm record against the timebase of the guest, then the host's queue of timers.",
};

const APC_STARVED: Explanation = Explanation {
    means: "An APC is queued for a thread that waits, and it is not delivered: the wait is not alertable, or it is and \
            the kernel does not deliver.",
    example: "A read completes by APC; the thread that started it waits without the alertable flag.",
    causes: &[
        "The alertable flag of the wait is dropped between the export and the wait.",
        "APCs are delivered when a wait begins, and not to a thread that is parked already.",
        "A kernel APC is treated as a user APC, which needs an alertable wait.",
    ],
    next: "Check the flag in the record of the wait. If it is set, deliver to parked threads and let the wait return 0xc0.",
};

const WAIT_ALL_PARTIAL: Explanation = Explanation {
    means: "A thread waits for all of several objects. Some can be had, others cannot; the unmet ones are to be explained, \
            the met ones are not.",
    example: "Three loaders, three events; two are set.",
    causes: &[
        "The one loader that is unmet did not finish: look at its own calls.",
        "A wait for all that takes single members as they come, so that they are gone when the last one is ready.",
    ],
    next: "Look at the unmet members, each for itself: htrail show HANDLE FILE.htrail.",
};

const BUSY_POLL: Explanation = Explanation {
    means: "A thread polls with short timeouts, every time in vain, while another thread waits for it.",
    example: "poll_gpu waits 1 ms for an interrupt event, for ever; the main thread waits for the end of poll_gpu.",
    causes: &[
        "An interrupt or a fence that the emulator never raises.",
        "A status word in memory that the guest looks at between two polls and that never changes.",
    ],
    next: "Read the loop at the place of the poll: what ends it, and who is to bring that about.",
};

const HEARTBEAT_STOPPED: Explanation = Explanation {
    means: "A source that signalled with a steady period has been silent for ten periods or more, or the thread that \
            signalled has ended, and a thread waits for the next signal.",
    example: "An event is set every 16 ms for five seconds, then never again.",
    causes: &[
        "The vertical blank, the audio callback or a periodic timer stopped.",
        "The thread behind it computes for ever, or left its loop.",
    ],
    next: "See what the source did after its last signal.",
};

const COALESCED: Explanation = Explanation {
    means: "A signal came while the one before had not been taken. An auto event holds one; a semaphore at its limit holds \
            no more. Who counts on both waits for ever.",
    example: "deliver sets an auto event twice before receive waits for it twice.",
    causes: &[
        "The receiver is slower than on the console, where it ran between the two signals.",
        "A release beyond the limit of a semaphore that returns success.",
    ],
    next: "See whether the guest counts signals of an event. If a semaphore is over its limit, refuse the release.",
};

const IDLE_BY_DESIGN: Explanation = Explanation {
    means: "A thread is parked where it has been parked and let go many times before, nothing was promised to it, and \
            nobody waits for it. It is shown folded, and is not a finding.",
    example: "Eight workers wait for the next job of a finished program.",
    causes: &["None: this is how a pool looks."],
    next: "Nothing, unless you know that there was work. Then ask why nobody signalled its object: htrail show HANDLE FILE.htrail.",
};

const NO_SYNC_GAP: Explanation = Explanation {
    means: "The run did not finish, and no open wait explains it. The cause is not a missing signal: a thread computes, or \
            the run was simply cut short.",
    example: "A limit of instructions ends a guest that decompresses.",
    causes: &[
        "A loop on a memory location that no kernel call touches.",
        "A slow guest.",
        "A limit that is too low.",
    ],
    next: "Look at the runnable threads: their counters and stacks are in the list.",
};

const INSUFFICIENT_EVIDENCE: Explanation = Explanation {
    means: "Something looks like a verdict, but records are missing in its window, or recording began too late, so an \
            absence proves nothing. It names the gap and the verdict that it might have been.",
    example: "A ring was full for 2 ms; the signal that seems missing may have been among the records it rejected.",
    causes: &[
        "Rings too small for a burst.",
        "Recording switched on late, or off in between.",
        "Recording not switched on.",
    ],
    next: "Run again with the option that it names.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_is_explained_in_its_own_words() {
        let mut seen = std::collections::BTreeSet::new();
        for id in VerdictId::ALL {
            let explanation = explanation(*id);
            assert!(seen.insert(explanation.means), "{id}");
            assert!(!explanation.causes.is_empty() && !explanation.next.is_empty());
            let text = explain(*id, &Layout::new(60));
            assert!(text.contains(id.code()) && text.contains(id.name()), "{text}");
        }
    }
}
