//! A reference model of the console's dispatcher: one thread, plain vectors, no locks and no records. It reads a case as
//! the table of wait semantics has it and says what the guest of that case must print.
//!
//! Written from the semantics of NT, apart from the kernel: what the two have in common is the notation of cases.

use std::collections::VecDeque;

use crate::case_guest::UNTOUCHED;
use crate::wait_semantics::Case;

const TIMEOUT: u32 = 0x102;
const USER_APC: u32 = 0xC0;
const ABANDONED: u32 = 0x80;
const TYPE_MISMATCH: u32 = 0xC000_0024;
const TWICE: u32 = 0xC000_0030;
const NOT_OWNED: u32 = 0xC000_0046;
const OVER_THE_LIMIT: u32 = 0xC000_0047;
const INVALID_PARAMETER: u32 = 0xC000_000D;
const TERMINATING: u32 = 0xC000_004B;

/// Units of 100 ns that the main thread sleeps in a `tick`.
const TICK: u64 = 50_000;
/// Two due times that are closer than this may come in either order: instructions take time, and the model has none.
const NEAR: u64 = 2_000;

const MAIN: usize = 0;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Event { manual: bool, set: bool },
    Semaphore { count: i64, limit: i64 },
    Mutant { owner: Option<usize>, depth: i64, abandoned: bool },
    Timer { manual: bool, set: bool },
}

#[derive(Debug)]
struct Object {
    kind: Kind,
    in_memory: bool,
    /// The first word of its header, if the guest looks at that.
    first_word: Option<u32>,
}

#[derive(Debug, Default)]
struct Thread {
    steps: Vec<String>,
    next: usize,
    statuses: Vec<u32>,
    parked: Option<Wait>,
    /// What its last wait ended with, until it runs and notes it.
    returned: Option<u32>,
    ends: bool,
    over: bool,
    apcs: u32,
    suspended: u32,
    /// Ready, were it not suspended.
    held: bool,
    owned: Vec<usize>,
}

/// A wait: the objects, each once, with its index in the call.
#[derive(Clone, Debug)]
struct Wait {
    members: Vec<(usize, u32)>,
    all: bool,
    alertable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Due {
    Expire(usize),
    Fire(usize),
}

/// The whole console.
#[derive(Debug, Default)]
struct World {
    objects: Vec<Object>,
    threads: Vec<Thread>,
    /// Who is parked, in the order in which they parked.
    queue: Vec<usize>,
    ready: VecDeque<usize>,
    due: Vec<(u64, Due)>,
    now: u64,
}

/// What the guest of `case` prints when it lets its waiters run after each operation. `None` if that depends on how long
/// instructions take.
pub(crate) fn expected(case: &Case<'_>) -> Option<Vec<String>> {
    let mut world = World { threads: vec![Thread::default()], ..World::default() };
    for spec in &case.objects {
        world.make(spec);
    }
    for spec in &case.waiters {
        let steps = spec.split('+').filter(|step| *step != "end").map(str::to_owned).collect::<Vec<_>>();
        let statuses = vec![UNTOUCHED; steps.len()];
        world.ready.push_back(world.threads.len());
        world.threads.push(Thread { steps, statuses, ends: spec.ends_with("+end"), ..Thread::default() });
    }
    world.run();
    let mut results = world.headers();
    for operation in &case.operations {
        results.push(world.operate(operation)?);
        world.run();
        results.extend(world.headers());
    }
    results.extend(world.threads.iter().flat_map(|thread| thread.statuses.clone()));
    for object in 0..world.objects.len() {
        results.push(world.poll(object));
    }
    Some(results.iter().map(|result| format!("{result:x}")).collect())
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is not a number"))
}

impl World {
    fn make(&mut self, spec: &str) {
        let (plain, shown) = (spec.trim_start_matches(['&', '!']), !spec.starts_with(char::is_uppercase));
        let (letter, rest) = plain.split_at(1);
        let kind = match letter.to_uppercase().as_str() {
            "M" => Kind::Event { manual: true, set: rest == "1" },
            "A" => Kind::Event { manual: false, set: rest == "1" },
            "S" => {
                let (count, limit) = rest.split_once('/').expect("count and limit");
                Kind::Semaphore { count: number(count), limit: number(limit) }
            }
            "U" => Kind::Mutant { owner: None, depth: 0, abandoned: false },
            "O" => Kind::Mutant { owner: Some(MAIN), depth: 1, abandoned: false },
            "F" => Kind::Timer { manual: rest == "M", set: false },
            other => panic!("no object {other}"),
        };
        let (header_type, words) = match kind {
            Kind::Event { manual, .. } => (u32::from(!manual), 4),
            Kind::Mutant { .. } => (2, 4),
            Kind::Semaphore { .. } => (5, 5),
            Kind::Timer { manual, .. } => (8 + u32::from(!manual), 4),
        };
        let size = if spec.starts_with('!') { 0 } else { words << 8 };
        let in_memory = plain.starts_with(char::is_lowercase);
        self.objects.push(Object { kind, in_memory, first_word: shown.then_some(header_type << 24 | size) });
    }

    fn headers(&self) -> Vec<u32> {
        let shown = |(place, object): (usize, &Object)| Some([object.first_word?, self.state(place) as u32]);
        self.objects.iter().enumerate().filter_map(shown).flatten().collect()
    }

    fn state(&self, object: usize) -> i64 {
        match self.objects[object].kind {
            Kind::Event { set, .. } | Kind::Timer { set, .. } => i64::from(set),
            Kind::Semaphore { count, .. } => count,
            Kind::Mutant { depth, .. } => 1 - depth,
        }
    }

    fn is_ready(&self, object: usize, who: usize) -> bool {
        match self.objects[object].kind {
            Kind::Mutant { owner, .. } => owner.is_none_or(|owner| owner == who),
            _ => self.state(object) > 0,
        }
    }

    /// Says whether it was abandoned.
    fn take(&mut self, object: usize, who: usize) -> bool {
        match &mut self.objects[object].kind {
            Kind::Event { manual, set } | Kind::Timer { manual, set } => *set = *manual,
            Kind::Semaphore { count, .. } => *count -= 1,
            Kind::Mutant { owner, depth, abandoned } => {
                if *depth == 0 {
                    self.threads[who].owned.push(object);
                }
                *owner = Some(who);
                *depth += 1;
                return std::mem::take(abandoned);
            }
        }
        false
    }

    /// The status of a wait that can be satisfied now, which takes what it is for.
    fn try_wait(&mut self, wait: &Wait, who: usize) -> Option<u32> {
        if wait.all {
            if !wait.members.iter().all(|(object, _)| self.is_ready(*object, who)) {
                return None;
            }
            let abandoned = wait.members.iter().filter(|(object, _)| self.take(*object, who)).count();
            return Some(if abandoned > 0 { ABANDONED } else { 0 });
        }
        let (object, index) = *wait.members.iter().find(|(object, _)| self.is_ready(*object, who))?;
        Some(index | if self.take(object, who) { ABANDONED } else { 0 })
    }

    /// The object has become more signalled: whoever can go goes, in the order in which they parked.
    fn signalled(&mut self, object: usize) {
        for who in self.queue.clone() {
            let wait = self.threads[who].parked.clone();
            let Some(wait) = wait.filter(|wait| wait.members.iter().any(|member| member.0 == object)) else {
                continue;
            };
            if let Some(status) = self.try_wait(&wait, who) {
                self.let_go(who, status);
            }
        }
    }

    fn let_go(&mut self, who: usize, status: u32) {
        self.queue.retain(|other| *other != who);
        self.due.retain(|(_, due)| *due != Due::Expire(who));
        let thread = &mut self.threads[who];
        thread.parked = None;
        thread.returned = Some(status);
        if thread.suspended > 0 {
            thread.held = true;
        } else {
            self.ready.push_back(who);
        }
    }

    /// Everybody who can run does, one after the other, until nobody can.
    fn run(&mut self) {
        while let Some(who) = self.ready.pop_front() {
            let thread = &mut self.threads[who];
            if let Some(status) = thread.returned.take() {
                thread.statuses[thread.next - 1] = status;
                if status == USER_APC {
                    // Those that were queued before it ran are delivered with the one that ended the wait.
                    thread.apcs = 0;
                }
            }
            while self.threads[who].parked.is_none() && !self.threads[who].over {
                let thread = &mut self.threads[who];
                let Some(step) = thread.steps.get(thread.next).cloned() else {
                    self.end(who);
                    break;
                };
                thread.next += 1;
                if let Some(status) = self.step(who, &step) {
                    let thread = &mut self.threads[who];
                    thread.statuses[thread.next - 1] = status;
                }
            }
        }
    }

    fn end(&mut self, who: usize) {
        let thread = &mut self.threads[who];
        thread.over = true;
        if !thread.ends {
            return;
        }
        for mutant in std::mem::take(&mut thread.owned) {
            self.objects[mutant].kind = Kind::Mutant { owner: None, depth: 0, abandoned: true };
            self.signalled(mutant);
        }
    }

    /// One step of a waiter. `None` if it parks.
    fn step(&mut self, who: usize, step: &str) -> Option<u32> {
        let mut flags = step.split('/');
        let (how, which) = flags.next().and_then(|call| call.split_once(':')).expect("how:which");
        let members: Vec<usize> = which.split(',').map(|member| number::<usize>(member) - 1).collect();
        match how {
            "set" => {
                let previous = self.set(members[0]);
                let by_pointer = self.objects[members[0]].in_memory;
                return Some(
                    previous.map_or_else(|status| status, |previous| if by_pointer { previous } else { 0 }),
                );
            }
            "unlock" => return Some(self.unlock(members[0], who).err().unwrap_or(0)),
            _ => {}
        }
        let (all, in_memory) = (how == "all", self.objects[members[0]].in_memory);
        let mut distinct: Vec<(usize, u32)> = Vec::new();
        for (index, object) in (0..).zip(&members) {
            if distinct.iter().all(|(other, _)| other != object) {
                distinct.push((*object, index));
            }
        }
        if all && !in_memory && distinct.len() < members.len() {
            return Some(TWICE);
        }
        let flags: Vec<_> = flags.collect();
        let wait = Wait { members: distinct, all, alertable: flags.contains(&"a") };
        if let Some(status) = self.try_wait(&wait, who) {
            return Some(status);
        }
        if wait.alertable && self.threads[who].apcs > 0 {
            self.threads[who].apcs = 0;
            return Some(USER_APC);
        }
        if flags.contains(&"p") {
            return Some(TIMEOUT);
        }
        if let Some(ticks) = flags.iter().find_map(|flag| flag.parse::<u64>().ok()) {
            self.due.push((self.now + ticks, Due::Expire(who)));
        }
        self.threads[who].parked = Some(wait);
        self.queue.push(who);
        None
    }

    fn set(&mut self, object: usize) -> Result<u32, u32> {
        let Kind::Event { set, .. } = &mut self.objects[object].kind else { return Err(TYPE_MISMATCH) };
        let previous = std::mem::replace(set, true);
        self.signalled(object);
        Ok(u32::from(previous))
    }

    fn clear(&mut self, object: usize) -> Result<u32, u32> {
        let Kind::Event { set, .. } = &mut self.objects[object].kind else { return Err(TYPE_MISMATCH) };
        Ok(u32::from(std::mem::take(set)))
    }

    fn release(&mut self, object: usize, amount: i64) -> Result<u32, u32> {
        let Kind::Semaphore { count, limit } = &mut self.objects[object].kind else {
            return Err(TYPE_MISMATCH);
        };
        if amount <= 0 {
            return Err(INVALID_PARAMETER);
        }
        if *count + amount > *limit {
            return Err(OVER_THE_LIMIT);
        }
        let previous = *count;
        *count += amount;
        self.signalled(object);
        Ok(previous as u32)
    }

    fn unlock(&mut self, object: usize, who: usize) -> Result<u32, u32> {
        let Kind::Mutant { owner, depth, .. } = &mut self.objects[object].kind else {
            return Err(TYPE_MISMATCH);
        };
        if *owner != Some(who) {
            return Err(NOT_OWNED);
        }
        *depth -= 1;
        if *depth == 0 {
            *owner = None;
            self.threads[who].owned.retain(|other| *other != object);
            self.signalled(object);
        }
        Ok(0)
    }

    fn poll(&mut self, object: usize) -> u32 {
        let wait = Wait { members: vec![(object, 0)], all: false, alertable: false };
        self.try_wait(&wait, MAIN).unwrap_or(TIMEOUT)
    }

    /// One operation of the main thread: the status if it is an error, else the previous state.
    fn operate(&mut self, operation: &str) -> Option<u32> {
        let words: Vec<_> = operation.split_whitespace().collect();
        let which = words.get(1).map_or(0, |word| number::<usize>(word));
        let result = match words[0] {
            "tick" => return self.tick(),
            "apc" => self.queue_apc(which),
            "suspend" => self.suspend(which),
            "resume" => Ok(self.resume(which)),
            "set" => self.set(which - 1),
            "reset" => match self.clear(which - 1) {
                // NtClearEvent gives no previous state.
                Ok(_) if !self.objects[which - 1].in_memory => Ok(0),
                other => other,
            },
            "pulse" => self.set(which - 1).inspect(|_| {
                let _ = self.clear(which - 1);
            }),
            "release" => self.release(which - 1, words.get(2).map_or(1, |amount| number(amount))),
            "unlock" => self.unlock(which - 1, MAIN),
            "poll" => Ok(self.poll(which - 1)),
            "arm" => self.arm(which - 1, number(words[2])),
            "cancel" => self.cancel(which - 1),
            "signal-wait" => self.signal_and_poll(which - 1, number::<usize>(words[2]) - 1),
            other => panic!("no operation {other}"),
        };
        Some(result.unwrap_or_else(|status| status))
    }

    fn signal_and_poll(&mut self, signal: usize, wait: usize) -> Result<u32, u32> {
        match self.objects[signal].kind {
            Kind::Event { .. } => self.set(signal)?,
            Kind::Semaphore { .. } => self.release(signal, 1)?,
            Kind::Mutant { .. } => self.unlock(signal, MAIN)?,
            Kind::Timer { .. } => return Err(TYPE_MISMATCH),
        };
        Ok(self.poll(wait))
    }

    fn queue_apc(&mut self, who: usize) -> Result<u32, u32> {
        let thread = &mut self.threads[who];
        if thread.over && thread.ends {
            return Err(TERMINATING);
        }
        thread.apcs += 1;
        if thread.parked.as_ref().is_some_and(|wait| wait.alertable) {
            self.let_go(who, USER_APC);
        }
        Ok(0)
    }

    fn suspend(&mut self, who: usize) -> Result<u32, u32> {
        let thread = &mut self.threads[who];
        if thread.over && thread.ends {
            return Err(TERMINATING);
        }
        thread.suspended += 1;
        Ok(thread.suspended - 1)
    }

    fn resume(&mut self, who: usize) -> u32 {
        let thread = &mut self.threads[who];
        let previous = thread.suspended;
        thread.suspended = previous.saturating_sub(1);
        if thread.suspended == 0 && std::mem::take(&mut thread.held) {
            self.ready.push_back(who);
        }
        previous
    }

    fn arm(&mut self, object: usize, ticks: u64) -> Result<u32, u32> {
        let due = self.now + ticks;
        let Kind::Timer { set, .. } = &mut self.objects[object].kind else { return Err(TYPE_MISMATCH) };
        *set = false;
        self.due.retain(|(_, other)| *other != Due::Fire(object));
        self.due.push((due, Due::Fire(object)));
        Ok(0)
    }

    fn cancel(&mut self, object: usize) -> Result<u32, u32> {
        let Kind::Timer { set, .. } = self.objects[object].kind else { return Err(TYPE_MISMATCH) };
        self.due.retain(|(_, other)| *other != Due::Fire(object));
        Ok(u32::from(set))
    }

    /// Time goes by. `None` if two things happen too close to each other to tell which is first.
    fn tick(&mut self) -> Option<u32> {
        let end = self.now + TICK;
        loop {
            let times: Vec<_> = self.due.iter().map(|(due, _)| *due).chain([end]).collect();
            let near = |one: usize| times[one + 1..].iter().any(|other| times[one].abs_diff(*other) < NEAR);
            if (0..times.len()).any(near) {
                return None;
            }
            let Some(first) = (0..self.due.len()).min_by_key(|place| self.due[*place].0) else { break };
            if self.due[first].0 > end {
                break;
            }
            let (due, what) = self.due.remove(first);
            self.now = due;
            match what {
                Due::Expire(who) => self.let_go(who, TIMEOUT),
                Due::Fire(timer) => {
                    if let Kind::Timer { set, .. } = &mut self.objects[timer].kind {
                        *set = true;
                    }
                    self.signalled(timer);
                }
            }
            self.run();
        }
        self.now = end;
        Some(0)
    }
}
