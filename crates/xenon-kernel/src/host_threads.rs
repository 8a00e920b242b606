//! The host threads of a run that is not deterministic: six hardware threads, the I/O worker, the timers.

use std::thread;

use crate::context::Context;
use crate::kernel::{HOST_RING, IO_RING, Kernel};
use crate::outcome::Ended;
use crate::rng::Rng;
use crate::scheduler::Next;
use crate::timeline::Wake;
use crate::watchdog::{Halfway, Watchdog};

/// Runs until the run ends.
pub(crate) fn run(kernel: &Kernel, contexts: Vec<Context<'_>>, halfway: Halfway<'_>) {
    thread::scope(|scope| {
        for mut context in contexts {
            let name = match context.ring {
                IO_RING => "xenon-io".to_owned(),
                HOST_RING => "xenon-timers".to_owned(),
                hardware_thread => format!("xenon-hw{hardware_thread}"),
            };
            let body = move || {
                let _guard = EndOnPanic(context.kernel);
                match context.ring {
                    IO_RING => context.work(),
                    HOST_RING => keep_time(&mut context, halfway),
                    _ => run_hardware_thread(&mut context),
                }
            };
            let spawned = thread::Builder::new().name(name).spawn_scoped(scope, body);
            if let Err(error) = spawned {
                kernel.end(Ended::Interrupted);
                panic!("the operating system gives the machine no thread: {error}");
            }
        }
    });
}

/// A panic in one host thread must not leave the others asleep for ever: the run ends, and the panic is passed on.
struct EndOnPanic<'k>(&'k Kernel);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.end(Ended::Interrupted);
        }
    }
}

fn run_hardware_thread(context: &mut Context<'_>) {
    let kernel = context.kernel;
    let hardware_thread = context.ring as u8;
    let mut rng = Rng::new(kernel.config.seed ^ u64::from(hardware_thread) << 32);
    let mut ran = false;
    loop {
        match kernel.scheduler.next(hardware_thread, ran) {
            Next::Run(thread) => {
                if context.run_slice(&thread, slice(kernel, &mut rng)) {
                    kernel.scheduler.make_ready(&thread);
                }
            }
            Next::Quiet => return kernel.end(kernel.quiet_end()),
            Next::Stopped => return,
        }
        ran = true;
    }
}

/// Half to one and a half of the configured slice, so that threads do not fall into step.
fn slice(kernel: &Kernel, rng: &mut Rng) -> u32 {
    let slice = kernel.config.slice;
    slice / 2 + rng.below(slice) + 1
}

/// The timer thread: deadlines, timers and the watchdog.
fn keep_time(context: &mut Context<'_>, halfway: Halfway<'_>) {
    let kernel = context.kernel;
    let mut watchdog = Watchdog::new(kernel, halfway);
    loop {
        match kernel.timeline.wait_due(|| kernel.clock.now(), watchdog.alarm()) {
            Wake::Due(key, due) => {
                context.deal_with(key, due);
                kernel.settle();
            }
            Wake::Alarm => watchdog.check(),
            Wake::Closed => return,
        }
    }
}
