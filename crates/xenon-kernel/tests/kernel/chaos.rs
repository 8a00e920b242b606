//! Threads that do anything to each other's objects at any time: no panic, no unrecorded change, no wait that ends twice.

use handle_audit::{Operation, Snapshot};
use xenon_kernel::{Ended, FaultSpec, MachineConfig, Outcome, faults};

use crate::assembler::{Arg, Function, Program};
use crate::harness::{Trace, run_image};
use crate::linear;

use Arg::{At, Value};

const THREADS: usize = 6;
/// Slots that hold a handle each; every thread uses all of them.
const SLOTS: usize = 8;
/// Calls of one thread before it begins again.
const CALLS: usize = 24;

/// A small generator, so that a seed says everything.
struct Dice(u32);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % bound
    }
}

/// Where the guest's variables lie.
struct Variables {
    handles: u32,
    threads: u32,
    sections: u32,
    event: u32,
    apc: u32,
    routine: u32,
    pointer: u32,
    array: u32,
    nothing: u32,
    short: u32,
    scratch: u32,
}

impl Variables {
    fn slot(&self, dice: &mut Dice) -> Arg {
        At(self.slot_address(dice))
    }

    fn slot_address(&self, dice: &mut Dice) -> u32 {
        self.handles + 4 * dice.below(SLOTS) as u32
    }

    fn thread(&self, dice: &mut Dice) -> Arg {
        At(self.threads + 4 * dice.below(THREADS) as u32)
    }

    fn timeout(&self, dice: &mut Dice) -> Arg {
        Value([self.nothing, self.short][dice.below(2)])
    }
}

fn variables(program: &mut Program) -> Variables {
    Variables {
        handles: program.room(SLOTS),
        threads: program.room(THREADS),
        sections: program.room(16),
        event: program.room(4),
        apc: program.room(10),
        routine: program.room(1),
        pointer: program.room(1),
        array: program.room(4),
        nothing: program.doubleword(0),
        short: program.doubleword(-300),
        scratch: program.room(4),
    }
}

/// One call, of any family, with arguments that mostly fit.
fn call(program: &mut Program, function: Function, variables: &Variables, dice: &mut Dice) {
    let none = Value(0);
    let (slot, thread) = (variables.slot(dice), variables.thread(dice));
    let alertable = Value(dice.below(2) as u32);
    let section = Value(variables.sections + 28 * dice.below(2) as u32);
    let out = Value(variables.slot_address(dice));
    let timeout = variables.timeout(dice);
    let (export, arguments): (&str, Vec<Arg>) = match dice.below(32) {
        0 => ("NtCreateEvent", vec![out, none, Value(dice.below(2) as u32), none]),
        1 => ("NtCreateSemaphore", vec![out, none, none, Value(3)]),
        2 => ("NtCreateMutant", vec![out, none, Value(dice.below(2) as u32)]),
        3 => ("NtCreateTimer", vec![out, none, Value(dice.below(2) as u32)]),
        4 => ("NtCreateIoCompletion", vec![out, none, none, none]),
        5 => ("NtDuplicateObject", vec![slot, out, Value(dice.below(2) as u32)]),
        6 => ("NtClose", vec![slot]),
        7 | 8 => ("NtSetEvent", vec![slot, none]),
        9 => ("NtPulseEvent", vec![slot, none]),
        10 => ("NtClearEvent", vec![slot]),
        11 => ("NtReleaseSemaphore", vec![slot, Value(1 + dice.below(2) as u32), none]),
        12 => ("NtReleaseMutant", vec![slot, none]),
        13 => {
            let routine = [none, At(variables.routine)][dice.below(2)];
            let period = Value(dice.below(2) as u32);
            ("NtSetTimerEx", vec![slot, Value(variables.short), routine, alertable, none, none, period, none])
        }
        14 => ("NtCancelTimer", vec![slot, none]),
        15 => ("NtSuspendThread", vec![thread, none]),
        16..19 => ("NtResumeThread", vec![thread, none]),
        19 => ("NtQueueApcThread", vec![thread, At(variables.routine), none, none, none]),
        20 => ("KeInsertQueueApc", vec![Value(variables.apc), none, none, none]),
        21 => ("NtSetIoCompletion", vec![slot, Value(1), none, none, none]),
        22 => ("NtRemoveIoCompletion", vec![slot, none, none, none, timeout]),
        23 => (
            "NtSignalAndWaitForSingleObjectEx",
            vec![slot, variables.slot(dice), alertable, Value(1), timeout],
        ),
        24 => ("KeSetEvent", vec![Value(variables.event), none, none]),
        25 => ("KeWaitForSingleObject", vec![Value(variables.event), none, none, alertable, timeout]),
        26 => ("KeInitializeEvent", vec![Value(variables.event), Value(dice.below(2) as u32), none]),
        27 => ("ObReferenceObjectByHandle", vec![slot, none, Value(variables.pointer)]),
        28 => ("ObDereferenceObject", vec![At(variables.pointer)]),
        29 => ("RtlTryEnterCriticalSection", vec![section]),
        30 => ("NtWaitForSingleObjectEx", vec![slot, Value(1), alertable, timeout]),
        _ => {
            for place in 0..3 {
                program.load_word(function, variables.slot_address(dice));
                program.store(function, variables.array + 4 * place);
            }
            let kind = Value(dice.below(2) as u32);
            let count = Value(1 + dice.below(3) as u32);
            let arguments = vec![count, Value(variables.array), kind, Value(1), alertable, timeout];
            ("NtWaitForMultipleObjectsEx", arguments)
        }
    };
    program.call(function, export, &arguments);
}

fn chaos(seed: u32) -> ppc::Image {
    let mut dice = Dice(seed);
    let mut program = Program::new();
    let main = program.function();
    let routine = program.function();
    program.end(routine);
    let variables = variables(&mut program);
    for slot in 0..SLOTS as u32 {
        let kind = Value(slot % 2);
        program.call(main, "NtCreateEvent", &[Value(variables.handles + 4 * slot), Value(0), kind, Value(0)]);
    }
    program.call(main, "KeInitializeEvent", &[Value(variables.event), Value(1), Value(0)]);
    for section in 0..2 {
        program.call(main, "RtlInitializeCriticalSection", &[Value(variables.sections + 28 * section)]);
    }
    program.store_address_of(main, routine, variables.routine);
    let initialise = [
        Value(variables.apc),
        Arg::CurrentThread,
        Value(0),
        Value(0),
        At(variables.routine),
        Value(0),
        Value(0),
    ];
    program.call(main, "KeInitializeApc", &initialise);
    for thread in 0..THREADS as u32 {
        let function = program.function();
        let start = program.here(function);
        for _ in 0..CALLS {
            call(&mut program, function, &variables, &mut dice);
        }
        program.jump_back(function, start);
        program.store_address_of(main, function, variables.scratch);
        let arguments = [
            Value(variables.threads + 4 * thread),
            Value(0x4000),
            Value(0),
            Value(0),
            At(variables.scratch),
            Value(0),
            Value(0),
        ];
        program.call(main, "ExCreateThread", &arguments);
    }
    let start = program.here(main);
    for _ in 0..CALLS {
        call(&mut program, main, &variables, &mut dice);
    }
    program.jump_back(main, start);
    program.end(main);
    program.image()
}

/// Each wait was closed once, or somebody is parked on it.
fn every_wait_is_closed_once(snapshot: &Snapshot, outcome: &Outcome, context: &str) {
    let parked: usize = outcome.threads.iter().map(|thread| thread.on.len()).sum();
    let before = |trail: &handle_audit::HandleAuditTrail| {
        trail.previous.as_ref().map_or(0, |previous| previous.open_waits.len())
    };
    let open: usize = snapshot.trails.iter().map(|trail| trail.open_waits.len() + before(trail)).sum();
    assert!(open <= parked + outcome.threads.len() * 3, "{context}: {open} open, {parked} parked");
    // Memory can become another object while somebody still waits for the old one; a handle cannot.
    for trail in snapshot.trails.iter().filter(|trail| trail.handle < linear::MEMORY) {
        let count = |operation| trail.totals.get(operation);
        let closed = count(Operation::Satisfied) + count(Operation::Wake);
        assert!(closed <= count(Operation::Wait), "{context}: {trail:?}");
    }
}

fn survives(seed: u32, deterministic: bool, faults: Vec<FaultSpec>) {
    let context = format!("seed {seed}, deterministic: {deterministic}, {faults:?}");
    let healthy = faults.is_empty();
    let config = MachineConfig {
        deterministic,
        seed: u64::from(seed),
        slice: [20_000, 500, 50][seed as usize % 3],
        max_instructions: Some(200_000),
        watchdog: Some(50_000_000),
        self_check: true,
        faults,
        ..MachineConfig::default()
    };
    let run = run_image(&chaos(seed), config, Trace::on());
    let ended = &run.outcome.ended;
    assert!(matches!(ended, Ended::Limit | Ended::Deadlock | Ended::Watchdog), "{context}: {ended:?}");
    assert_eq!(run.outcome.unrecorded, [], "{context}");
    let snapshot = run.snapshot.expect("traced");
    if healthy && snapshot.losses.rejected() == 0 {
        every_wait_is_closed_once(&snapshot, &run.outcome, &context);
        linear::check(&snapshot, &context);
    }
}

#[test]
fn chaos_is_survived_deterministically() {
    (0..60).for_each(|seed| survives(seed, true, Vec::new()));
}

#[test]
fn chaos_is_survived_on_six_os_threads() {
    (100..160).for_each(|seed| survives(seed, false, Vec::new()));
}

#[test]
fn chaos_is_survived_with_every_fault() {
    for (seed, fault) in (200..).zip(faults()) {
        let what = if fault.name == "stub" { ":NtSetEvent" } else { "" };
        let spec: FaultSpec = format!("{}{what}@2", fault.name).parse().expect("the fault exists");
        for deterministic in [true, false] {
            survives(seed, deterministic, vec![spec.clone()]);
        }
    }
}
