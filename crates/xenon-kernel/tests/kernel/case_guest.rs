//! The guest of a case of wait semantics.
//!
//! Its waiters run on hardware thread 1 with a high priority, so a thread of lower priority there runs only when all of them
//! are parked or done: its end tells the main thread so, and no case depends on time. Timers and timeouts that must have
//! happened lie before the end of a delay of the main thread; one thread deals with all due times, in their order.

use crate::assembler::{Arg, Function, Program};
use crate::wait_semantics::Case;

use Arg::{At, CurrentThread, Value};

const ON_HARDWARE_THREAD_1: u32 = 1 << 25;
const ON_HARDWARE_THREAD_2: u32 = 1 << 26;
const SUSPENDED: u32 = 1;
const STACK: u32 = 0x4000;
const MILLISECOND: i64 = -10_000;

/// The status of a waiter that is still parked.
pub(crate) const UNTOUCHED: u32 = 0xDEAD;

/// The guest of one case.
pub(crate) struct Builder {
    program: Program,
    main: Function,
    /// Where each object's handle stands; the address of its header, if it is in memory.
    objects: Vec<Object>,
    /// Where each waiter's handle stands.
    waiters: Vec<u32>,
    /// Results, in the order of the expected ones.
    results: Vec<u32>,
    forever: u32,
    witness: Function,
    /// Lets the waiters run after each operation, and looks at the headers.
    settles: bool,
}

#[derive(Clone, Copy)]
struct Object {
    /// Where the handle, or the address of the header, stands.
    name: u32,
    in_memory: bool,
    /// Where the address of the header stands, if the guest knows it; 0 if not.
    header: u32,
    /// Where the handles of what belongs to it stand: a mutant's holder and the event that ends it.
    holder: u32,
    release_holder: u32,
}

impl Builder {
    pub(crate) fn new(settles: bool) -> Self {
        let mut program = Program::new();
        let main = program.function();
        let witness = program.function();
        program.end(witness);
        let forever = program.room(1);
        let mut builder = Self {
            program,
            main,
            objects: vec![],
            waiters: vec![],
            results: vec![],
            forever,
            witness,
            settles,
        };
        builder.create("NtCreateEvent", forever, &[Value(0), Value(0)]);
        builder.program.call(main, "KeSetAffinityThread", &[CurrentThread, Value(1), Value(0)]);
        builder
    }

    fn call(&mut self, export: &str, arguments: &[Arg]) {
        self.program.call(self.main, export, arguments);
    }

    /// Calls an export that writes a handle to `out`: (handle*, attributes, ...).
    fn create(&mut self, export: &str, out: u32, rest: &[Arg]) {
        let arguments: Vec<_> = [Value(out), Value(0)].into_iter().chain(rest.iter().copied()).collect();
        self.call(export, &arguments);
    }

    fn wait_for_ever(&mut self, function: Function, handle: u32) {
        self.program.call(function, "NtWaitForSingleObjectEx", &[At(handle), Value(1), Value(0), Value(0)]);
    }

    fn thread(&mut self, start: Function, flags: u32) -> u32 {
        let (handle, address) = (self.program.room(1), self.program.room(1));
        self.program.store_address_of(self.main, start, address);
        let arguments =
            [Value(handle), Value(STACK), Value(0), Value(0), At(address), Value(0), Value(flags)];
        self.call("ExCreateThread", &arguments);
        handle
    }

    /// Returns when every waiter is parked or done.
    fn let_waiters_run(&mut self) {
        let handle = self.thread(self.witness, ON_HARDWARE_THREAD_1);
        self.wait_for_ever(self.main, handle);
    }

    fn object(&mut self, spec: &str) {
        let name = self.program.room(1);
        let (referenced, spec) = spec.strip_prefix('&').map_or((false, spec), |spec| (true, spec));
        let (by_hand, spec) = spec.strip_prefix('!').map_or((false, spec), |spec| (true, spec));
        let (in_memory, spec_upper) = (spec.starts_with(|c: char| c.is_lowercase()), spec.to_uppercase());
        let mut object = Object { name, in_memory, header: 0, holder: 0, release_holder: 0 };
        let (kind, rest) = spec_upper.split_at(1);
        let number = |text: &str| text.parse::<u32>().expect("a number");
        match kind {
            _ if by_hand => self.write_by_hand(name, kind, rest),
            "M" | "A" => {
                let values = [Value(u32::from(kind == "A")), Value(number(rest))];
                self.make("NtCreateEvent", "KeInitializeEvent", object, &values);
            }
            "S" => {
                let (count, limit) = rest.split_once('/').expect("count and limit");
                let values = [Value(number(count)), Value(number(limit))];
                self.make("NtCreateSemaphore", "KeInitializeSemaphore", object, &values);
            }
            "U" | "O" => self.create("NtCreateMutant", name, &[Value(u32::from(kind == "O"))]),
            "L" => {
                self.create("NtCreateMutant", name, &[Value(0)]);
                (object.holder, object.release_holder) = self.holder(name);
            }
            "F" => self.create("NtCreateTimer", name, &[Value(u32::from(rest == "A"))]),
            "H" => {
                let handle = self.thread(self.witness, ON_HARDWARE_THREAD_2 | SUSPENDED);
                object.name = handle;
            }
            "P" => {
                self.create("NtCreateIoCompletion", name, &[Value(0), Value(0)]);
                for key in 0..number(rest) {
                    self.call("NtSetIoCompletion", &[At(name), Value(key), Value(0), Value(0), Value(0)]);
                }
            }
            _ => panic!("no object {spec}"),
        }
        if in_memory {
            object.header = name;
        } else if referenced {
            object.header = self.program.room(1);
            self.call("ObReferenceObjectByHandle", &[At(name), Value(0), Value(object.header)]);
        }
        self.objects.push(object);
    }

    /// A header that the guest fills in without a call. Its address goes to `name`.
    fn write_by_hand(&mut self, name: u32, kind: &str, rest: &str) {
        let header = self.program.room(5);
        let (state, limit) = rest.split_once('/').unwrap_or((rest, "0"));
        let header_type = match kind {
            "M" => 0,
            "A" => 1,
            _ => 5,
        };
        let number = |text: &str| text.parse::<u32>().expect("a number");
        for (offset, value) in [(0, header_type << 24), (4, number(state)), (16, number(limit))] {
            self.program.load_value(self.main, value);
            self.program.store(self.main, header + offset);
        }
        self.program.load_value(self.main, header);
        self.program.store(self.main, name);
    }

    fn make(&mut self, create: &str, initialise: &str, object: Object, values: &[Arg]) {
        if object.in_memory {
            let header = self.program.room(5);
            let arguments: Vec<_> = [Value(header)].into_iter().chain(values.iter().copied()).collect();
            self.call(initialise, &arguments);
            // `name` holds the address, as it holds the handle of others.
            self.program.load_value(self.main, header);
            self.program.store(self.main, object.name);
        } else {
            self.create(create, object.name, values);
        }
    }

    /// A thread that owns the mutant until it is told to end, without releasing it.
    fn holder(&mut self, mutant: u32) -> (u32, u32) {
        let (held, end) = (self.program.room(1), self.program.room(1));
        for event in [held, end] {
            self.create("NtCreateEvent", event, &[Value(0), Value(0)]);
        }
        let function = self.program.function();
        self.wait_for_ever(function, mutant);
        self.program.call(function, "NtSetEvent", &[At(held), Value(0)]);
        self.wait_for_ever(function, end);
        self.program.end(function);
        let handle = self.thread(function, ON_HARDWARE_THREAD_2);
        self.wait_for_ever(self.main, held);
        (handle, end)
    }

    /// A thread that does the steps of `spec`, joined by `+`, notes the status of each, and then stays, unless it is to
    /// `end`.
    fn waiter(&mut self, spec: &str) {
        let function = self.program.function();
        let steps: Vec<_> = spec.split('+').filter(|step| *step != "end").collect();
        let statuses: Vec<_> = steps.iter().map(|_| self.program.room(1)).collect();
        for status in &statuses {
            self.program.load_value(function, UNTOUCHED);
            self.program.store(function, *status);
        }
        for (step, status) in steps.iter().zip(&statuses) {
            self.wait_as(function, step);
            self.program.store(function, *status);
        }
        if !spec.ends_with("+end") {
            self.wait_for_ever(function, self.forever);
        }
        self.program.end(function);
        let handle = self.thread(function, ON_HARDWARE_THREAD_1 | SUSPENDED);
        let kthread = self.program.room(1);
        self.call("ObReferenceObjectByHandle", &[At(handle), Value(0), Value(kthread)]);
        self.call("KeSetBasePriorityThread", &[At(kthread), Value(5)]);
        self.call("NtResumeThread", &[At(handle), Value(0)]);
        self.waiters.push(handle);
        self.results.extend(statuses);
    }

    /// `w:1`, `any:1,2`, `all:1,2`, `take:1`; behind it `/p` poll, `/t` short timeout, `/T` long one, `/a` alertable.
    fn wait_as(&mut self, function: Function, spec: &str) {
        let mut flags = spec.split('/');
        let (how, which) = flags.next().and_then(|wait| wait.split_once(':')).expect("how:which");
        let (mut timeout, mut alertable) = (Value(0), Value(0));
        for flag in flags {
            match flag {
                "a" => alertable = Value(1),
                "p" => timeout = Value(self.program.doubleword(0)),
                "t" => timeout = Value(self.program.doubleword(MILLISECOND)),
                "T" => timeout = Value(self.program.doubleword(MILLISECOND * 1_000_000)),
                // A number of units of 100 ns.
                ticks => timeout = Value(self.program.doubleword(-ticks.parse::<i64>().expect("a flag"))),
            }
        }
        let members: Vec<_> = which.split(',').map(|number| self.numbered(number)).collect();
        let in_memory = members[0].in_memory;
        match how {
            "w" if in_memory => self.program.call(
                function,
                "KeWaitForSingleObject",
                &[At(members[0].name), Value(0), Value(0), alertable, timeout],
            ),
            "w" => self.program.call(
                function,
                "NtWaitForSingleObjectEx",
                &[At(members[0].name), Value(1), alertable, timeout],
            ),
            "take" => self.program.call(
                function,
                "NtRemoveIoCompletion",
                &[At(members[0].name), Value(0), Value(0), Value(0), timeout],
            ),
            "delay" => self.program.call(function, "KeDelayExecutionThread", &[Value(1), alertable, timeout]),
            "any" | "all" => {
                let array = self.program.room(members.len());
                for (slot, member) in (array..).step_by(4).zip(&members) {
                    self.program.load_word(function, member.name);
                    self.program.store(function, slot);
                }
                let (count, kind) = (Value(members.len() as u32), Value(u32::from(how == "any")));
                if in_memory {
                    let arguments =
                        [count, Value(array), kind, Value(0), Value(0), alertable, timeout, Value(0)];
                    self.program.call(function, "KeWaitForMultipleObjects", &arguments);
                } else {
                    let arguments = [count, Value(array), kind, Value(1), alertable, timeout];
                    self.program.call(function, "NtWaitForMultipleObjectsEx", &arguments);
                }
            }
            "set" if in_memory => {
                self.program.call(function, "KeSetEvent", &[At(members[0].name), Value(0), Value(0)]);
            }
            "set" => self.program.call(function, "NtSetEvent", &[At(members[0].name), Value(0)]),
            "unlock" => self.program.call(function, "NtReleaseMutant", &[At(members[0].name), Value(0)]),
            _ => panic!("no wait {how}"),
        }
    }

    fn numbered(&self, number: &str) -> Object {
        self.objects[number.parse::<usize>().expect("the number of an object") - 1]
    }

    /// One step of the main thread while the waiters are parked. Gives where its result stands, if it is looked at.
    fn operation(&mut self, operation: &str) -> Option<u32> {
        let (words, looked_at) = match operation.split_once("->") {
            Some((words, _)) => (words, true),
            None => (operation, false),
        };
        let words: Vec<_> = words.split_whitespace().collect();
        let previous = self.program.room(1);
        let number = words.get(1).copied().unwrap_or("1");
        match words[0] {
            "tick" => {
                let interval = self.program.doubleword(5 * MILLISECOND);
                self.call("KeDelayExecutionThread", &[Value(1), Value(0), Value(interval)]);
            }
            "apc" => {
                let (waiter, routine) =
                    (self.waiters[number.parse::<usize>().expect("a waiter") - 1], self.program.room(1));
                self.program.store_address_of(self.main, self.witness, routine);
                self.call("NtQueueApcThread", &[At(waiter), At(routine), Value(0), Value(0), Value(0)]);
            }
            "suspend" | "resume" => {
                let waiter = self.waiters[number.parse::<usize>().expect("a waiter") - 1];
                let export = if words[0] == "suspend" { "NtSuspendThread" } else { "NtResumeThread" };
                self.call(export, &[At(waiter), Value(previous)]);
            }
            _ => self.operation_on(&words, self.numbered(number), previous),
        }
        self.note_result(looked_at, previous)
    }

    /// The status if it is an error, else what the call wrote: the two are added, since one of them is 0.
    fn note_result(&mut self, looked_at: bool, previous: u32) -> Option<u32> {
        if !looked_at && !self.settles {
            return None;
        }
        let result = self.program.room(1);
        self.program.add_word(self.main, previous);
        self.program.store(self.main, result);
        Some(result)
    }

    fn operation_on(&mut self, words: &[&str], object: Object, previous: u32) {
        let amount = Value(words.get(2).map_or(1, |amount| amount.parse::<i32>().expect("an amount") as u32));
        let name = At(object.name);
        match (words[0], object.in_memory) {
            ("set", false) => self.call("NtSetEvent", &[name, Value(previous)]),
            ("set", true) => self.call("KeSetEvent", &[name, Value(0), Value(0)]),
            ("pulse", false) => self.call("NtPulseEvent", &[name, Value(previous)]),
            ("pulse", true) => self.call("KePulseEvent", &[name, Value(0), Value(0)]),
            ("reset", false) => self.call("NtClearEvent", &[name]),
            ("reset", true) => self.call("KeResetEvent", &[name]),
            ("release", false) => self.call("NtReleaseSemaphore", &[name, amount, Value(previous)]),
            ("release", true) => self.call("KeReleaseSemaphore", &[name, Value(0), amount, Value(0)]),
            ("unlock", _) => self.call("NtReleaseMutant", &[name, Value(0)]),
            ("poll", _) => self.wait_as(self.main, &format!("w:{}/p", words[1])),
            ("arm" | "every" | "arm-past" | "arm-far", _) => {
                let due = match words[0] {
                    "arm" if words.len() > 2 => -words[2].parse::<i64>().expect("units of 100 ns"),
                    "arm-past" => 1,
                    "arm-far" => MILLISECOND * 1_000_000,
                    _ => MILLISECOND,
                };
                let (due, period) = (self.program.doubleword(due), Value(u32::from(words[0] == "every")));
                let none = Value(0);
                self.call("NtSetTimerEx", &[name, Value(due), none, Value(1), none, none, period, none]);
            }
            ("cancel", _) => self.call("NtCancelTimer", &[name, Value(previous)]),
            ("die", _) => {
                self.call("NtSetEvent", &[At(object.release_holder), Value(0)]);
                self.wait_for_ever(self.main, object.holder);
            }
            ("run", _) => {
                self.call("NtResumeThread", &[name, Value(0)]);
                self.wait_for_ever(self.main, object.name);
            }
            ("send", _) => self.call("NtSetIoCompletion", &[name, Value(1), Value(0), Value(0), Value(0)]),
            ("signal-wait", _) => {
                let other = self.numbered(words[2]);
                let poll = self.program.doubleword(0);
                let arguments = [name, At(other.name), Value(0), Value(1), Value(poll)];
                self.call("NtSignalAndWaitForSingleObjectEx", &arguments);
            }
            (other, _) => panic!("no operation {other}"),
        }
    }

    /// Type and signal state of each header that the guest knows. Gives where they are noted.
    fn look_at_headers(&mut self) -> Vec<u32> {
        let known: Vec<_> =
            self.objects.iter().map(|object| object.header).filter(|header| *header != 0).collect();
        let mut noted = Vec::new();
        for header in known {
            for offset in [0, 4] {
                self.program.load_through(self.main, header, offset);
                let note = self.program.room(1);
                self.program.store(self.main, note);
                noted.push(note);
            }
        }
        noted
    }

    /// Everything, and a line for each result.
    pub(crate) fn build(mut self, case: &Case<'_>) -> Program {
        for spec in &case.objects {
            self.object(spec);
        }
        for spec in &case.waiters {
            self.waiter(spec);
        }
        self.let_waiters_run();
        let mut results = Vec::new();
        if self.settles {
            results.extend(self.look_at_headers());
        }
        for operation in &case.operations {
            results.extend(self.operation(operation));
            if self.settles {
                self.let_waiters_run();
                results.extend(self.look_at_headers());
            }
        }
        self.let_waiters_run();
        results.append(&mut self.results);
        for number in 1..=self.objects.len() {
            let state = self.program.room(1);
            self.wait_as(self.main, &format!("w:{number}/p"));
            self.program.store(self.main, state);
            results.push(state);
        }
        let format = self.program.text("%x\n");
        for result in results {
            self.call("DbgPrint", &[Value(format), At(result)]);
        }
        self.program.load_value(self.main, 0);
        self.program.end(self.main);
        self.program
    }
}
