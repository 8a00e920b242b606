//! What the kernel puts on record: names, ghosts, stubs, promises, stacks.

use handle_audit::aux::WaitAux;
use handle_audit::{Focus, HandleAuditTrail, Operation, Snapshot, TrailEntry};
use xenon_kernel::MachineConfig;

use crate::assembler::{Arg, Function, Program};
use crate::harness::{Trace, run, run_image};
use crate::truth::config;

use Arg::{At, Value};

/// Handle of the main thread; the guest's own follow in steps of 4.
const MAIN: u32 = 0x1000;
const FIRST: u32 = 0x1004;
const SECOND: u32 = 0x1008;

/// Runs a guest whose main function is what `write` writes.
fn trace(focus: Focus, write: impl FnOnce(&mut Program, Function)) -> Snapshot {
    let mut program = Program::new();
    let main = program.function();
    write(&mut program, main);
    program.load_value(main, 0);
    program.end(main);
    let config = MachineConfig { deterministic: true, self_check: true, ..MachineConfig::default() };
    let run = run_image(&program.image(), config, Trace::On(focus));
    assert_eq!((run.exit(), run.outcome.unrecorded), (Some(0), vec![]));
    run.snapshot.expect("traced")
}

fn event(program: &mut Program, main: Function) -> u32 {
    let handle = program.room(1);
    program.call(main, "NtCreateEvent", &[Value(handle), Value(0), Value(1), Value(0)]);
    handle
}

fn poll(program: &mut Program, main: Function, handle: Arg) {
    let nothing = program.doubleword(0);
    program.call(main, "NtWaitForSingleObjectEx", &[handle, Value(1), Value(0), Value(nothing)]);
}

fn trail(snapshot: &Snapshot, handle: u32) -> &HandleAuditTrail {
    let found = snapshot.trails.iter().find(|trail| trail.handle == handle);
    found.unwrap_or_else(|| panic!("{handle:#x} has no trail"))
}

/// The operations of a trail, in order, with their `aux`.
fn story(trail: &HandleAuditTrail) -> Vec<(Operation, u64)> {
    trail.sequence().iter().map(|entry| (entry.operation, entry.entry.aux)).collect()
}

fn only(entries: &[TrailEntry], operation: Operation) -> &TrailEntry {
    let mut found = entries.iter().filter(|entry| entry.operation == operation);
    let first = found.next().unwrap_or_else(|| panic!("no {operation} in {entries:?}"));
    assert!(found.next().is_none(), "more than one {operation} in {entries:?}");
    first
}

fn poll_aux() -> u64 {
    WaitAux { alertable: false, all: false, any: false, timeout: Some(0) }.encode()
}

#[test]
fn the_host_creates_the_main_thread_and_the_main_thread_everything_else() {
    let snapshot = trace(Focus::default(), |program, main| {
        event(program, main);
    });
    let main = trail(&snapshot, MAIN);
    assert_eq!(
        (main.created.entry.source.as_str(), main.created.entry.tid, main.created.entry.aux),
        ("host", 0, 1)
    );
    let event = &trail(&snapshot, FIRST).created;
    assert_eq!((event.entry.source.as_str(), event.entry.tid), ("NtCreateEvent", 1));
}

#[test]
fn a_wait_that_does_not_park_is_a_wait_and_a_satisfied() {
    let snapshot = trace(Focus::default(), |program, main| {
        let event = event(program, main);
        program.call(main, "NtSetEvent", &[At(event), Value(0)]);
        poll(program, main, At(event));
        poll(program, main, At(event));
    });
    use Operation::{Satisfied, Signal, Wait};
    let expected =
        [(Signal, 1 << 32), (Wait, poll_aux()), (Satisfied, 0), (Wait, poll_aux()), (Satisfied, 0x102)];
    assert_eq!(story(trail(&snapshot, FIRST)), expected);
}

#[test]
fn records_follow_the_primary_name() {
    let snapshot = trace(Focus::default(), |program, main| {
        let (event, twin) = (event(program, main), program.room(1));
        program.call(main, "NtDuplicateObject", &[At(event), Value(twin), Value(0)]);
        program.call(main, "NtSetEvent", &[At(twin), Value(0)]);
        program.call(main, "NtClose", &[At(event)]);
        program.call(main, "NtClearEvent", &[At(twin)]);
        program.call(main, "NtClose", &[At(twin)]);
    });
    use Operation::{Alias, Close, Reset, Signal};
    let (old, new) = (u64::from(FIRST), u64::from(SECOND));
    let first = trail(&snapshot, FIRST);
    assert_eq!(story(first), [(Alias, new), (Signal, 1 << 32), (Alias, new), (Close, 0)]);
    assert_eq!(first.aliases, [SECOND]);
    let second = trail(&snapshot, SECOND);
    assert_eq!(story(second), [(Alias, old), (Reset, 1), (Close, 0)]);
    assert_eq!(
        (second.created.entry.source.as_str(), second.created.entry.aux),
        ("NtClose", 1),
        "set when it moved"
    );
}

#[test]
fn a_pointer_is_an_alias_and_becomes_the_name_when_the_handle_goes() {
    let snapshot = trace(Focus::default(), |program, main| {
        let (event, pointer) = (event(program, main), program.room(1));
        program.call(main, "ObReferenceObjectByHandle", &[At(event), Value(0), Value(pointer)]);
        program.call(main, "NtClose", &[At(event)]);
        program.call(main, "KeSetEvent", &[At(pointer), Value(0), Value(0)]);
    });
    let address = trail(&snapshot, FIRST).aliases[0];
    assert_eq!(trail(&snapshot, address).signals.total(), 1);
}

#[test]
fn what_names_nothing_leaves_a_ghost_and_a_lead() {
    const GHOST: u32 = 0xBAD0;
    let focus = Focus::from_iter([GHOST]);
    let snapshot = trace(focus, |program, main| {
        program.call(main, "NtSetEvent", &[Value(GHOST), Value(0)]);
        poll(program, main, Value(0xBAD4));
    });
    assert_eq!(snapshot.ghost(GHOST).map(|ghost| ghost.signals.total()), Some(1));
    let lead = snapshot.leads.iter().find(|lead| lead.handle == 0xBAD4).expect("a wait on it was dropped");
    assert_eq!((lead.totals.get(Operation::Wait), lead.totals.get(Operation::Satisfied)), (1, 1));
}

#[test]
fn a_closed_handle_is_reissued_and_begins_a_new_generation() {
    let snapshot = trace(Focus::default(), |program, main| {
        for _ in 0..3 {
            let event = event(program, main);
            program.call(main, "NtClose", &[At(event)]);
        }
    });
    assert_eq!(trail(&snapshot, FIRST).generation, 3);
}

#[test]
fn a_stub_is_recorded_on_what_its_arguments_name_else_on_the_caller() {
    let snapshot = trace(Focus::default(), |program, main| {
        let event = event(program, main);
        program.call_ordinal(main, (1, 0x3A3), &[Value(7), At(event), At(event), Value(0)]);
        program.call_ordinal(main, (2, 0x123), &[Value(7), Value(0), Value(0), Value(0)]);
    });
    let [on_event, on_caller] = [FIRST, MAIN].map(|handle| trail(&snapshot, handle).sequence());
    assert_eq!(only(&on_event, Operation::Stub).entry.source.as_str(), "xboxkrnl#3A3");
    assert_eq!(only(&on_caller, Operation::Stub).entry.source.as_str(), "xam#123");
}

#[test]
fn a_request_on_an_unimplemented_device_is_promised_and_a_stub() {
    let run = run("boot_hang", config(true, 0), Trace::on());
    let snapshot = run.snapshot.expect("traced");
    let main = run.outcome.threads.iter().find(|thread| thread.main).expect("there is one");
    let records = trail(&snapshot, main.on[0]).sequence();
    let (promise, stub) = (only(&records, Operation::Promise), only(&records, Operation::Stub));
    assert_eq!([promise, stub].map(|entry| entry.entry.source.as_str()), ["NtReadFile"; 2]);
    assert_eq!(stub.entry.aux, 0x103, "pending");
    assert!(promise.seq < stub.seq && promise.entry.lr == stub.entry.lr);
}

#[test]
fn a_refused_release_is_not_recorded() {
    let snapshot = trace(Focus::default(), |program, main| {
        let semaphore = program.room(1);
        program.call(main, "NtCreateSemaphore", &[Value(semaphore), Value(0), Value(1), Value(1)]);
        program.call(main, "NtReleaseSemaphore", &[At(semaphore), Value(1), Value(0)]);
        let mutant = program.room(1);
        program.call(main, "NtCreateMutant", &[Value(mutant), Value(0), Value(0)]);
        program.call(main, "NtReleaseMutant", &[At(mutant), Value(0)]);
    });
    assert_eq!(story(trail(&snapshot, FIRST)), []);
    assert_eq!(story(trail(&snapshot, SECOND)), []);
}

#[test]
fn a_handle_in_focus_has_its_creators_stack() {
    let run = run("boot_hang", config(true, 0), Trace::On(Focus::from_iter([FIRST])));
    let snapshot = run.snapshot.expect("traced");
    let stack = trail(&snapshot, FIRST).created_stack.clone().expect("it is in focus");
    let image = crate::harness::guest("boot_hang");
    let names: Vec<_> =
        stack.iter().filter_map(|frame| image.symbols.lookup(frame.lr)).map(|(name, _)| name).collect();
    assert_eq!(names, ["boot_sequence", "main"]);
    assert_eq!(trail(&snapshot, SECOND).created_stack, None, "it is not");
}

#[test]
fn every_wait_is_closed_once_or_open() {
    for (guest, argument) in [("storm", 150), ("mix", 9), ("waits", 0), ("boot_hang", 0)] {
        for deterministic in [true, false] {
            let run = run(guest, config(deterministic, argument), Trace::on());
            let snapshot = run.snapshot.expect("traced");
            if snapshot.losses.rejected() > 0 {
                continue;
            }
            for trail in &snapshot.trails {
                let count = |operation| trail.totals.get(operation);
                let closed = count(Operation::Satisfied) + count(Operation::Wake);
                let open = trail.open_waits.len() as u64;
                assert_eq!(count(Operation::Wait), closed + open, "{guest}: {trail:?}");
            }
        }
    }
}

#[test]
fn cycles_of_a_thread_rise_through_all_rings() {
    let run = run("storm", config(false, 150), Trace::on());
    for thread in run.snapshot.expect("traced").threads {
        let rising = thread
            .last
            .iter()
            .zip(thread.last.iter().skip(1))
            .all(|(one, next)| one.entry.cycle < next.entry.cycle);
        assert!(rising, "{thread:?}");
    }
}
