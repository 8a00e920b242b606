//! A deterministic run: one OS thread plays all hardware threads, the I/O worker and the timers, in an order that
//! depends on the seed alone.

use crate::context::Context;
use crate::kernel::{HOST_RING, IO_RING, Kernel};
use crate::rng::Rng;
use crate::scheduler::HARDWARE_THREADS;
use crate::timeline::Due;
use crate::watchdog::{Halfway, Watchdog};

/// Slices are cut to 1, 1/2, ... 1/64 of the configured length, so that interleavings of every grain come up.
const GRAINS: u32 = 7;

/// Runs until the run ends.
pub(crate) fn run(kernel: &Kernel, contexts: &mut [Context<'_>], halfway: Halfway<'_>) {
    let mut watchdog = Watchdog::new(kernel, halfway);
    let mut rng = Rng::new(kernel.config.seed);
    while !kernel.is_stopped() {
        deal_with_what_is_due(kernel, contexts);
        if !run_one_round(kernel, contexts, &mut rng) {
            match kernel.timeline.next() {
                Some(cycle) => kernel.clock.jump_to(watchdog.alarm().map_or(cycle, |alarm| alarm.min(cycle))),
                None => kernel.end(kernel.quiet_end()),
            }
        }
        watchdog.check();
    }
}

fn deal_with_what_is_due(kernel: &Kernel, contexts: &mut [Context<'_>]) {
    while let Some((key, due)) = kernel.timeline.take_due(kernel.clock.now()) {
        let ring = if matches!(due, Due::Complete(_)) { IO_RING } else { HOST_RING };
        contexts[ring].deal_with(key, due);
        contexts[ring].pump_if_due();
        kernel.outstanding.subtract();
    }
}

/// Gives each hardware thread a slice, from a random one on, of up to a random number of them. Who has had a slice stands
/// aside until the round is over, as if it were still running: so six threads of a high priority that never sleep keep
/// others out, as on the console, and one does not. Says whether anybody ran.
fn run_one_round(kernel: &Kernel, contexts: &mut [Context<'_>], rng: &mut Rng) -> bool {
    let first = rng.below(HARDWARE_THREADS as u32) as usize;
    let count = 1 + rng.below(HARDWARE_THREADS as u32) as usize;
    let mut aside = Vec::new();
    let mut ran = 0;
    for hardware_thread in (0..HARDWARE_THREADS).map(|offset| (first + offset) % HARDWARE_THREADS) {
        let Some(thread) = kernel.scheduler.poll(hardware_thread as u8) else { continue };
        let budget = (kernel.config.slice >> rng.below(GRAINS)).max(1);
        if contexts[hardware_thread].run_slice(&thread, budget) {
            aside.push(thread);
        }
        deal_with_what_is_due(kernel, contexts);
        ran += 1;
        if ran == count || kernel.is_stopped() {
            break;
        }
    }
    aside.iter().for_each(|thread| kernel.scheduler.make_ready(thread));
    ran > 0
}
