//! The processor's counter of time.

/// The processor's time stamp counter, on a machine where Linux keeps its own time by it: there it counts at one rate,
/// also while the processor is idle, and the same on all processors.
///
/// What is read is ordered with nothing: a reading may be some tens of nanoseconds older than the load before it. After
/// the machine was suspended it may start anew.
#[derive(Clone, Copy, Debug)]
pub struct TimeStampCounter(());

impl TimeStampCounter {
    /// The counter, if there is one to rely on: x86-64, Linux, and `tsc` as the clock source.
    #[must_use]
    pub fn find() -> Option<Self> {
        let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
        let kept_by = std::fs::read_to_string(source).ok()?;
        (cfg!(target_arch = "x86_64") && kept_by.trim() == "tsc").then_some(Self(()))
    }

    /// Counts so far, some two to four thousand millions a second.
    #[inline]
    #[must_use]
    pub fn read(self) -> u64 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the instruction reads a register and has no other effect. A process may be forbidden it (prctl
        // PR_SET_TSC), and then Linux ends it with a signal; nothing is corrupted.
        return unsafe { core::arch::x86_64::_rdtsc() };
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("there is no such counter to be found")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_on() {
        let Some(counter) = TimeStampCounter::find() else { return };
        let before = counter.read();
        std::thread::sleep(std::time::Duration::from_millis(1));
        assert!(counter.read() > before);
    }
}
