//! How runs end: by a fault, a limit, a watchdog, an interruption.

use std::sync::Mutex;

use xenon_kernel::{
    CYCLES_PER_SECOND, Ended, FaultSpec, Machine, MachineConfig, MachineError, Output, ThreadState,
};

use crate::assembler::{Arg, Function, Program};
use crate::harness::{Trace, guest, run_image};

use Arg::{At, Value};

const BRANCH_TO_ITSELF: u32 = 0x4800_0000;

struct Silent;

impl Output for Silent {
    fn line(&mut self, _: &str) {}

    fn stub(&mut self, _: &str) {}
}

/// A guest that never ends.
fn spinning() -> Program {
    let mut program = Program::new();
    let main: Function = program.function();
    program.raw(main, BRANCH_TO_ITSELF);
    program.end(main);
    program
}

#[test]
fn an_interruption_ends_a_run_at_any_time() {
    for deterministic in [true, false] {
        let config = MachineConfig { deterministic, ..MachineConfig::default() };
        let machine = Machine::new(&spinning().image(), config, None, Box::new(Silent)).expect("it fits");
        let control = machine.control();
        let outcome = std::thread::scope(|scope| {
            let run = scope.spawn(|| machine.run());
            while control.progress().instructions == 0 {
                std::thread::yield_now();
            }
            control.interrupt();
            run.join().expect("a run does not panic")
        });
        assert_eq!(outcome.ended, Ended::Interrupted);
        let state = outcome.threads[0].state;
        assert!(
            matches!(state, ThreadState::Running | ThreadState::Ready),
            "on a slice or between two: {state:?}"
        );
        assert_eq!(control.progress().instructions, outcome.instructions, "exact once it has ended");
    }
}

#[test]
fn what_cannot_run_is_refused_with_a_reason() {
    let refused = |config| match Machine::new(&guest("pingpong"), config, None, Box::new(Silent)) {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error,
    };
    let unknown: FaultSpec = "stub:NtSetEvnt".parse().expect("it is well formed");
    let error = refused(MachineConfig { faults: vec![unknown], ..MachineConfig::default() });
    assert!(error.to_string().contains("no export is called `NtSetEvnt`"), "{error}");
    let error = refused(MachineConfig { slice: 0, ..MachineConfig::default() });
    assert!(matches!(error, MachineError::EmptySlice));
}

#[test]
fn what_a_guest_cannot_do_ends_the_run_as_a_fault() {
    let mut program = Program::new();
    let main = program.function();
    program.load_word(main, 0x44);
    program.end(main);
    for deterministic in [true, false] {
        let config = MachineConfig { deterministic, ..MachineConfig::default() };
        let run = run_image(&program.image(), config, Trace::Off);
        let Ended::Fault(report) = run.outcome.ended else { panic!("{:?}", run.outcome.ended) };
        assert_eq!((report.tid, report.address), (1, Some(0x44)));
        assert_eq!(report.word, Some(0x8063_0000), "lwz r3, 0(r3)");
        assert_eq!(report.registers.gpr[3], 0x44);
        assert!(report.cause.contains("0x00000044"), "{}", report.cause);
    }
}

#[test]
fn a_system_call_that_is_no_import_is_a_fault() {
    let mut program = Program::new();
    let main = program.function();
    program.raw(main, 0x4400_0042);
    program.end(main);
    let run = run_image(&program.image(), MachineConfig::default(), Trace::Off);
    let Ended::Fault(report) = run.outcome.ended else { panic!("{:?}", run.outcome.ended) };
    assert!(report.cause.contains("outside an import thunk"), "{}", report.cause);
}

#[test]
fn a_limit_of_instructions_is_kept() {
    for deterministic in [true, false] {
        let mut program = Program::new();
        let main = program.function();
        program.raw(main, BRANCH_TO_ITSELF);
        program.end(main);
        let config =
            MachineConfig { deterministic, max_instructions: Some(123_456), ..MachineConfig::default() };
        let run = run_image(&spinning().image(), config, Trace::Off);
        assert_eq!(run.outcome.ended, Ended::Limit);
        assert_eq!(run.outcome.instructions, 123_456);
    }
}

#[test]
fn a_deadline_that_was_not_needed_does_not_keep_a_run_alive() {
    const SECOND: i64 = -10_000_000;
    for deterministic in [true, false] {
        let mut program = Program::new();
        let (event, timer) = (program.room(1), program.room(1));
        let (soon, late) = (program.doubleword(SECOND / 1000), program.doubleword(1_000_000 * SECOND));
        let main = program.function();
        let none = Value(0);
        program.call(main, "NtCreateEvent", &[Value(event), none, Value(1), none]);
        program.call(main, "NtCreateTimer", &[Value(timer), none, Value(1)]);
        program.call(main, "NtSetTimerEx", &[At(timer), Value(soon), none, none, none, none, none, none]);
        program.call(main, "NtWaitForSingleObjectEx", &[At(timer), Value(1), none, Value(late)]);
        program.call(main, "NtWaitForSingleObjectEx", &[At(event), Value(1), none, none]);
        program.end(main);
        let config = MachineConfig { deterministic, ..MachineConfig::default() };
        let run = run_image(&program.image(), config, Trace::Off);
        assert_eq!(run.outcome.ended, Ended::Deadlock);
        assert!(run.outcome.cycles < 1000 * CYCLES_PER_SECOND, "{} cycles", run.outcome.cycles);
    }
}

#[test]
fn a_watchdog_ends_a_run_that_only_polls() {
    for deterministic in [true, false] {
        let mut program = Program::new();
        let (event, poll) = (program.room(1), program.doubleword(0));
        let main = program.function();
        program.call(main, "NtCreateEvent", &[Value(event), Value(0), Value(1), Value(0)]);
        let start = program.here(main);
        program.call(main, "NtWaitForSingleObjectEx", &[At(event), Value(1), Value(0), Value(poll)]);
        program.jump_back(main, start);
        // A slice without any kernel call would be progress.
        let config = MachineConfig { deterministic, watchdog: Some(500_000), ..MachineConfig::default() };
        let machine = Machine::new(&program.image(), config, None, Box::new(Silent)).expect("it fits");
        let control = machine.control();
        let looks = Mutex::new(Vec::new());
        let outcome = machine.run_watched(&|| {
            looks
                .lock()
                .expect("nobody panics with it")
                .push((control.progress().cycles, control.threads().len()))
        });
        assert_eq!(outcome.ended, Ended::Watchdog, "deterministic: {deterministic}");
        // The last look came halfway through the silence that ended the run, and saw the one thread.
        let (cycle, threads) = *looks.lock().expect("nobody panics with it").last().expect("a first look");
        assert!(cycle + 250_000 <= outcome.cycles, "{cycle} of {}", outcome.cycles);
        assert_eq!(threads, 1);
    }
}

#[test]
fn a_watchdog_spares_a_run_that_is_only_slow() {
    let mut program = Program::new();
    let (event, pause) = (program.room(1), program.doubleword(-30_000));
    let main = program.function();
    program.call(main, "NtCreateEvent", &[Value(event), Value(0), Value(1), Value(0)]);
    // Each round is a pause of 150 000 cycles and one sign of progress: more in all than the patience.
    for _ in 0..8 {
        program.call(main, "KeDelayExecutionThread", &[Value(1), Value(0), Value(pause)]);
        program.call(main, "NtSetEvent", &[At(event), Value(0)]);
        program.call(main, "NtWaitForSingleObjectEx", &[At(event), Value(1), Value(0), Value(0)]);
    }
    program.end(main);
    let config = MachineConfig { deterministic: true, watchdog: Some(200_000), ..MachineConfig::default() };
    let outcome = run_image(&program.image(), config, Trace::Off).outcome;
    assert!(matches!(outcome.ended, Ended::Finished { .. }), "{:?}", outcome.ended);
    assert!(outcome.cycles >= 8 * 150_000, "{}", outcome.cycles);
}
