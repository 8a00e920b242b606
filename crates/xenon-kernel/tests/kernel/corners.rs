//! Corners of the kernel that no healthy guest goes into, each with what NT does there.

use xenon_kernel::{Ended, FaultSpec, MachineConfig};

use crate::assembler::{Arg, Function, Program};
use crate::harness::{Run, Trace, run_image};

use Arg::{At, CurrentThread, Value};

const NONE: Arg = Value(0);
const STACK: Arg = Value(0x4000);
const MILLISECOND: i64 = -10_000;

/// A guest that prints what its calls return.
struct Script {
    program: Program,
    main: Function,
    format: u32,
}

impl Script {
    fn new() -> Self {
        let mut program = Program::new();
        let main = program.function();
        let format = program.text("%x\n");
        Self { program, main, format }
    }

    fn call(&mut self, export: &str, arguments: &[Arg]) {
        self.program.call(self.main, export, arguments);
    }

    /// Calls, and prints what is returned.
    fn show(&mut self, export: &str, arguments: &[Arg]) {
        self.call(export, arguments);
        let result = self.program.room(1);
        self.program.store(self.main, result);
        self.print(At(result));
    }

    fn print(&mut self, value: Arg) {
        self.call("DbgPrint", &[Value(self.format), value]);
    }

    fn event(&mut self, kind: u32, set: u32) -> u32 {
        let handle = self.program.room(1);
        self.call("NtCreateEvent", &[Value(handle), NONE, Value(kind), Value(set)]);
        handle
    }

    fn poll(&mut self, handle: u32) {
        let nothing = self.program.doubleword(0);
        self.show("NtWaitForSingleObjectEx", &[At(handle), Value(1), NONE, Value(nothing)]);
    }

    fn sleep(&mut self, milliseconds: i64) {
        let interval = self.program.doubleword(milliseconds * MILLISECOND);
        self.call("KeDelayExecutionThread", &[Value(1), NONE, Value(interval)]);
    }

    /// A thread that runs what `write` writes. Gives where its handle is.
    fn thread(&mut self, write: impl FnOnce(&mut Program, Function)) -> u32 {
        let (handle, start) = (self.program.room(1), self.program.room(1));
        let function = self.program.function();
        write(&mut self.program, function);
        self.program.end(function);
        self.program.store_address_of(self.main, function, start);
        self.call("ExCreateThread", &[Value(handle), STACK, NONE, NONE, At(start), NONE, NONE]);
        handle
    }

    /// Where the address of a routine that adds 1 to the word at `counter` stands.
    fn counting_routine(&mut self, counter: u32) -> u32 {
        let (routine, one) = (self.program.room(1), self.program.room(1));
        self.program.load_value(self.main, 1);
        self.program.store(self.main, one);
        let function = self.program.function();
        self.program.load_word(function, counter);
        self.program.add_word(function, one);
        self.program.store(function, counter);
        self.program.end(function);
        self.program.store_address_of(self.main, function, routine);
        routine
    }

    fn run(mut self, deterministic: bool) -> Run {
        self.program.load_value(self.main, 0);
        self.program.end(self.main);
        let config = MachineConfig { deterministic, self_check: true, ..MachineConfig::default() };
        let run = run_image(&self.program.image(), config, Trace::on());
        assert_eq!(run.outcome.unrecorded, []);
        run
    }

    /// Runs both ways, and compares what was printed.
    fn prints(self, expected: &[&str]) {
        let Self { program, main, format } = self;
        let again = Self { program: program.clone(), main, format };
        for (script, deterministic) in [(Self { program, main, format }, true), (again, false)] {
            let run = script.run(deterministic);
            assert_eq!(run.lines, expected, "deterministic: {deterministic}, {:?}", run.outcome.ended);
            assert_eq!(run.exit(), Some(0), "deterministic: {deterministic}");
        }
    }
}

#[test]
fn a_wait_is_for_1_to_64_objects() {
    let mut script = Script::new();
    let (event, nothing) = (script.event(0, 1), script.program.doubleword(0));
    let array = script.program.room(65);
    for slot in (array..).step_by(4).take(65) {
        script.program.load_word(script.main, event);
        script.program.store(script.main, slot);
    }
    for (count, kind) in [(0, 1), (64, 1), (65, 1), (u32::MAX, 0), (1, 0), (2, 0), (2, 2)] {
        let arguments = [Value(count), Value(array), Value(kind), Value(1), NONE, Value(nothing)];
        script.show("NtWaitForMultipleObjectsEx", &arguments);
    }
    script.prints(&["c00000ef", "0", "c00000ef", "c00000ef", "0", "c0000030", "c00000f1"]);
}

#[test]
fn a_thread_of_high_priority_that_spins_does_not_keep_the_others_out() {
    let mut script = Script::new();
    let flag = script.program.room(1);
    script.call("KeSetBasePriorityThread", &[CurrentThread, Value(16)]);
    script.thread(|program, function| {
        program.load_value(function, 7);
        program.store(function, flag);
    });
    let start = script.program.here(script.main);
    script.program.load_word(script.main, flag);
    script.program.jump_back_if_zero(script.main, start);
    script.print(At(flag));
    script.prints(&["7"]);
}

#[test]
fn a_timer_whose_handle_was_closed_fires_for_who_waits_for_it() {
    let mut script = Script::new();
    let (timer, due) = (script.program.room(1), script.program.doubleword(5 * MILLISECOND));
    script.call("NtCreateTimer", &[Value(timer), NONE, Value(1)]);
    script.call("NtSetTimerEx", &[At(timer), Value(due), NONE, NONE, NONE, NONE, Value(1), NONE]);
    let waiter = script.thread(|program, function| {
        program.call(function, "NtWaitForSingleObjectEx", &[At(timer), Value(1), NONE, NONE]);
    });
    script.sleep(1);
    script.show("NtClose", &[At(timer)]);
    script.show("NtWaitForSingleObjectEx", &[At(waiter), Value(1), NONE, NONE]);
    // It is periodic, and goes on for nobody: else this would never end.
    let never = script.event(1, 0);
    script.thread(|program, function| {
        program.call(function, "NtWaitForSingleObjectEx", &[At(never), Value(1), NONE, NONE]);
    });
    script.prints(&["0", "0"]);
}

#[test]
fn a_timer_that_nobody_names_or_awaits_does_not_keep_a_run_alive() {
    for deterministic in [true, false] {
        let mut script = Script::new();
        let (timer, due) = (script.program.room(1), script.program.doubleword(MILLISECOND));
        let never = script.event(1, 0);
        script.call("NtCreateTimer", &[Value(timer), NONE, Value(1)]);
        script.call("NtSetTimerEx", &[At(timer), Value(due), NONE, NONE, NONE, NONE, Value(1), NONE]);
        script.thread(|program, function| {
            program.call(function, "NtWaitForSingleObjectEx", &[At(timer), Value(1), NONE, NONE]);
        });
        script.sleep(2);
        script.call("NtClose", &[At(timer)]);
        script.call("NtWaitForSingleObjectEx", &[At(never), Value(1), NONE, NONE]);
        assert_eq!(script.run(deterministic).outcome.ended, Ended::Deadlock);
    }
}

#[test]
fn an_event_that_is_initialised_anew_owes_nothing_to_who_waited_before() {
    let mut script = Script::new();
    let (event, other) = (script.program.room(4), script.event(1, 0));
    let (pointers, status) = (script.program.room(2), script.program.room(1));
    script.call("KeInitializeEvent", &[Value(event), Value(1), NONE]);
    script.call("ObReferenceObjectByHandle", &[At(other), NONE, Value(pointers + 4)]);
    script.program.load_value(script.main, event);
    script.program.store(script.main, pointers);
    let waiter = script.thread(|program, function| {
        let arguments = [Value(2), Value(pointers), Value(1), NONE, NONE, NONE, NONE, NONE];
        program.call(function, "KeWaitForMultipleObjects", &arguments);
        program.store(function, status);
    });
    script.sleep(1);
    script.call("KeInitializeEvent", &[Value(event), Value(1), Value(1)]);
    script.call("NtSetEvent", &[At(other), NONE]);
    script.call("NtWaitForSingleObjectEx", &[At(waiter), Value(1), NONE, NONE]);
    script.print(At(status));
    script.print(At(event + 4));
    script.prints(&["1", "1"]);
}

#[test]
fn an_apc_without_a_routine_runs_nothing() {
    let mut script = Script::new();
    let (event, apc) = (script.event(1, 0), script.program.room(10));
    script.show("NtQueueApcThread", &[Value(u32::MAX - 1), NONE, NONE, NONE, NONE]);
    script.show("NtWaitForSingleObjectEx", &[At(event), Value(1), Value(1), NONE]);
    // Without a normal routine it is a kernel APC, and ends no wait.
    let initialise = [Value(apc), CurrentThread, NONE, NONE, NONE, Value(1), NONE];
    script.call("KeInitializeApc", &initialise);
    script.show("KeInsertQueueApc", &[Value(apc), NONE, NONE, NONE]);
    let short = script.program.doubleword(MILLISECOND);
    script.show("NtWaitForSingleObjectEx", &[At(event), Value(1), Value(1), Value(short)]);
    script.prints(&["0", "c0", "1", "102"]);
}

/// Its stack never runs out, because each call takes back what it was given.
#[test]
fn apcs_that_interrupt_each_other_without_end_are_a_fault() {
    let mut program = Program::new();
    let (main, routine) = (program.function(), program.function());
    let (event, address) = (program.room(1), program.room(1));
    program.store_address_of(main, routine, address);
    program.call(main, "NtCreateEvent", &[Value(event), NONE, NONE, NONE]);
    let add_two_frames_to_r1 = 14 << 26 | 1 << 21 | 1 << 16 | 0xC0;
    program.raw(routine, add_two_frames_to_r1);
    for function in [main, routine] {
        program.call(function, "NtQueueApcThread", &[Value(u32::MAX - 1), At(address), NONE, NONE, NONE]);
        program.call(function, "NtWaitForSingleObjectEx", &[At(event), Value(1), Value(1), NONE]);
        program.end(function);
    }
    let config =
        MachineConfig { deterministic: true, max_instructions: Some(1_000_000), ..MachineConfig::default() };
    let run = run_image(&program.image(), config, Trace::on());
    assert!(matches!(run.outcome.ended, Ended::Fault(_)), "{:?}", run.outcome.ended);
}

#[test]
fn a_kapc_is_in_one_queue_at_a_time() {
    let mut script = Script::new();
    let (apc, counter) = (script.program.room(10), script.program.room(1));
    let routine = script.counting_routine(counter);
    let event = script.event(1, 0);
    script.call("KeInitializeApc", &[Value(apc), CurrentThread, NONE, NONE, At(routine), Value(1), NONE]);
    for _ in 0..2 {
        script.show("KeInsertQueueApc", &[Value(apc), NONE, NONE, NONE]);
    }
    script.show("NtWaitForSingleObjectEx", &[At(event), Value(1), Value(1), NONE]);
    script.print(At(counter));
    script.show("KeInsertQueueApc", &[Value(apc), NONE, NONE, NONE]);
    script.show("KeInsertQueueApc", &[Value(4), NONE, NONE, NONE]);
    script.prints(&["1", "0", "c0", "1", "1", "0"]);
}

#[test]
fn a_timer_has_one_apc_however_often_it_fires() {
    let mut script = Script::new();
    let (timer, counter) = (script.program.room(1), script.program.room(1));
    let due = script.program.doubleword(MILLISECOND);
    let routine = script.counting_routine(counter);
    let event = script.event(1, 0);
    script.call("NtCreateTimer", &[Value(timer), NONE, Value(1)]);
    let arguments = [At(timer), Value(due), At(routine), Value(1), NONE, NONE, Value(1), NONE];
    script.call("NtSetTimerEx", &arguments);
    script.sleep(6);
    script.call("NtCancelTimer", &[At(timer), NONE]);
    script.show("NtWaitForSingleObjectEx", &[At(event), Value(1), Value(1), NONE]);
    script.print(At(counter));
    script.prints(&["c0", "1"]);
}

#[test]
fn a_timer_can_be_armed_anew_by_its_own_apc() {
    let mut script = Script::new();
    let (timer, again) = (script.program.room(1), script.program.room(1));
    let due = script.program.doubleword(MILLISECOND);
    let event = script.event(1, 0);
    script.call("NtCreateTimer", &[Value(timer), NONE, Value(1)]);
    let routine = script.program.function();
    let rearm = [At(timer), Value(due), At(again), Value(1), NONE, NONE, NONE, NONE];
    script.program.call(routine, "NtSetTimerEx", &rearm);
    script.program.end(routine);
    script.program.store_address_of(script.main, routine, again);
    script.call("NtSetTimerEx", &rearm);
    for _ in 0..3 {
        script.show("NtWaitForSingleObjectEx", &[At(event), Value(1), Value(1), NONE]);
    }
    script.prints(&["c0", "c0", "c0"]);
}

#[test]
fn a_kernel_apc_leaves_a_wait_for_all_as_it_is() {
    let mut script = Script::new();
    let (handles, status, counter) = (script.program.room(2), script.program.room(1), script.program.room(1));
    let (apc, kthread) = (script.program.room(10), script.program.room(1));
    let routine = script.counting_routine(counter);
    for slot in [handles, handles + 4] {
        script.call("NtCreateEvent", &[Value(slot), NONE, Value(1), NONE]);
    }
    let waiter = script.thread(|program, function| {
        let arguments = [Value(2), Value(handles), NONE, Value(1), NONE, NONE];
        program.call(function, "NtWaitForMultipleObjectsEx", &arguments);
        program.store(function, status);
    });
    script.call("ObReferenceObjectByHandle", &[At(waiter), NONE, Value(kthread)]);
    script.sleep(1);
    script.call("NtSetEvent", &[At(handles), NONE]);
    script.call("KeInitializeApc", &[Value(apc), At(kthread), NONE, NONE, At(routine), NONE, NONE]);
    script.show("KeInsertQueueApc", &[Value(apc), NONE, NONE, NONE]);
    script.sleep(1);
    script.print(At(counter));
    script.poll(handles + 4);
    script.call("NtSetEvent", &[At(handles + 4), NONE]);
    script.call("NtWaitForSingleObjectEx", &[At(waiter), Value(1), NONE, NONE]);
    script.print(At(status));
    script.poll(handles);
    script.prints(&["1", "1", "102", "0", "102"]);
}

#[test]
fn a_pseudo_handle_is_duplicated_and_not_closed() {
    let mut script = Script::new();
    let twin = script.program.room(1);
    script.show("NtDuplicateObject", &[Value(u32::MAX - 1), Value(twin), Value(1)]);
    script.show("NtSuspendThread", &[At(twin), NONE]);
    script.show("NtClose", &[Value(u32::MAX - 1)]);
    script.show("NtClose", &[At(twin)]);
    script.show("NtClose", &[At(twin)]);
    let Script { program, main, format } = script;
    // Nobody is there to resume it.
    let run = Script { program, main, format }.run(true);
    assert_eq!((run.outcome.ended, run.lines), (Ended::Deadlock, vec!["0".to_owned()]));
}

#[test]
fn a_dropped_packet_is_as_lost_as_a_dropped_signal() {
    let mut script = Script::new();
    let (port, nothing) = (script.program.room(1), script.program.doubleword(0));
    script.call("NtCreateIoCompletion", &[Value(port), NONE, NONE, NONE]);
    for key in 1..=3 {
        script.show("NtSetIoCompletion", &[At(port), Value(key), NONE, NONE, NONE]);
    }
    for _ in 0..3 {
        script.show("NtRemoveIoCompletion", &[At(port), NONE, NONE, NONE, Value(nothing)]);
    }
    script.program.end(script.main);
    let fault: FaultSpec = "drop-signal:3".parse().expect("the fault exists");
    let config = MachineConfig { deterministic: true, faults: vec![fault], ..MachineConfig::default() };
    let run = run_image(&script.program.image(), config, Trace::on());
    assert_eq!(run.lines, ["0", "0", "0", "0", "0", "102"]);
}
