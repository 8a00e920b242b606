//! Waits: testing, taking, parking, letting go.
//!
//! Whoever ends a wait holds the locks of all its objects, so that a wait ends once, leaves every queue in one step, and
//! all its records are made under the lock of the object that they are about.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use handle_audit::Label;
use handle_audit::aux::WaitAux;

use crate::clock::Timeout;
use crate::context::{By, Context};
use crate::dispatch::{Dispatch, Packet};
use crate::fault::{FaultKind, Faults};
use crate::handle_table::{Pin, Pinned};
use crate::locked::Locked;
use crate::object::Object;
use crate::status::Status;
use crate::sync::Lock;
use crate::thread::Thread;
use crate::timeline::{Due, Key};

/// No outcome yet.
const OPEN: u64 = u64::MAX;

/// One parked wait.
#[derive(Debug)]
pub(crate) struct WaitBlock {
    pub(crate) thread: Arc<Thread>,
    /// The distinct objects, in the order in which the call names them. Empty for a delay.
    pub(crate) members: Vec<Member>,
    all: bool,
    pub(crate) alertable: bool,
    /// The waiter's return address, for the record of its wake.
    lr: u32,
    /// The status, once the wait has ended. Written under the locks of all members, read by the waiter.
    outcome: AtomicU64,
    /// When it ends by itself. Set before anybody else can see the block.
    deadline: OnceLock<Key>,
    /// It takes a packet off the completion port that it waits for.
    removes_packet: bool,
    /// What a completion port gave it.
    packet: Mutex<Packet>,
}

/// One object that a wait is for.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) object: Arc<Object>,
    /// Its lowest index in the call.
    index: u32,
    /// The name under which the wait was recorded; its end is recorded under the same.
    name: u32,
    /// Hold back the handle that the call used, and the name if that is another one.
    _pins: [Option<Pin>; 2],
}

/// A wait as an export asks for it.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) targets: Vec<Pinned>,
    pub(crate) all: bool,
    pub(crate) alertable: bool,
    pub(crate) timeout: Timeout,
    pub(crate) finish: Finish,
}

/// What is left to do in the waiting thread when its wait has ended.
#[derive(Debug)]
pub(crate) enum Finish {
    /// Return the status.
    Status,
    /// Return the status; a timeout is success.
    Delay,
    /// Own the critical section at this address.
    Section(u32),
    /// Write what a completion port gave: key, context, status block.
    Packet { key: u32, context: u32, io: u32 },
    /// Reset the event, and return success: the second half of a pulse with a gap.
    EndOfPulse { event: Pinned, lr: u32, source: Label },
}

/// A wait that was parked, and how to complete it.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) block: Arc<WaitBlock>,
    pub(crate) finish: Finish,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) status: Status,
    pub(crate) packet: Packet,
}

/// What [`Context::begin_wait`] came to.
#[derive(Debug)]
pub(crate) enum Begun {
    Over(Finish, Ended),
    Parked(Pending),
}

/// Which members satisfy a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// The one at this place.
    One(usize),
    All,
    /// Those that are signalled: the fault `wait-all-partial`.
    Some,
}

impl WaitBlock {
    /// The status, if the wait has ended.
    pub(crate) fn outcome(&self) -> Option<Ended> {
        let bits = self.outcome.load(Ordering::Acquire);
        (bits != OPEN).then(|| Ended { status: Status(bits as u32), packet: *self.packet.locked() })
    }

    /// Ends the wait, unless it has ended.
    fn close(&self, ended: Ended) -> bool {
        *self.packet.locked() = ended.packet;
        let bits = u64::from(ended.status.0);
        self.outcome.compare_exchange(OPEN, bits, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// For reports: whether it waits for all of several objects.
    pub(crate) fn waits_for_all(&self) -> bool {
        self.all && self.members.len() > 1
    }

    /// The cycle at which it ends by itself.
    pub(crate) fn deadline(&self) -> Option<u64> {
        Some(self.deadline.get()?.0)
    }

    /// The names under which it was recorded.
    pub(crate) fn names(&self) -> Vec<u32> {
        self.members.iter().map(|member| member.name).collect()
    }
}

impl Ended {
    pub(crate) fn with(status: Status) -> Self {
        Self { status, packet: Packet::default() }
    }
}

/// Which members satisfy a wait of thread `tid` now.
fn choose(
    locked: &mut Locked<'_>,
    members: &[Member],
    all: bool,
    tid: u32,
    faults: &Faults,
) -> Option<Choice> {
    let mut ready = |member: &Member| locked.get(&member.object).dispatch().is_ready_for(tid);
    if !all {
        return members.iter().position(ready).map(Choice::One);
    }
    let count = members.iter().filter(|member| ready(member)).count();
    if count == members.len() && count > 0 {
        Some(Choice::All)
    } else if count > 0 && faults.strikes(FaultKind::WaitAllPartial) {
        Some(Choice::Some)
    } else {
        None
    }
}

/// Takes from the members what `choice` says, on behalf of `thread`.
fn take(
    locked: &mut Locked<'_>,
    members: &[Member],
    choice: Choice,
    thread: &Thread,
    faults: &Faults,
) -> Ended {
    let mut ended = Ended::with(Status::SUCCESS);
    for (place, member) in members.iter().enumerate() {
        let state = locked.get(&member.object);
        let chosen = match choice {
            Choice::One(chosen) => place == chosen,
            Choice::All => true,
            Choice::Some => state.dispatch().is_ready_for(thread.tid),
        };
        let abandoned = state.satisfy(thread.tid, chosen, faults);
        if !chosen {
            continue;
        }
        if let Dispatch::Mutant { depth: 1, .. } = state.dispatch() {
            thread.owned.locked().push(member.object.clone());
        }
        if choice == Choice::One(place) {
            ended.status.0 += member.index;
        }
        if abandoned {
            ended.status.0 |= Status::ABANDONED.0;
        }
    }
    ended
}

/// The distinct objects among `targets`, each with its lowest index.
fn distinct(targets: Vec<Pinned>) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::with_capacity(targets.len());
    for (index, Pinned { object, pin }) in (0..).zip(targets) {
        if !members.iter().any(|member| Arc::ptr_eq(&member.object, &object)) {
            members.push(Member { object, index, name: 0, _pins: [pin, None] });
        }
    }
    members
}

impl Context<'_> {
    /// Begins a wait of `by.thread` under the locks of all its targets: takes and returns, or parks. A wait that is
    /// parked is not published yet: its thread does that when it has put its processor state away.
    pub(crate) fn begin_wait(
        &mut self,
        locked: &mut Locked<'_>,
        thread: &Arc<Thread>,
        by: By<'_>,
        wish: Wish,
    ) -> Begun {
        let Wish { targets, all, alertable, timeout, finish } = wish;
        let mut members = distinct(targets);
        let removes = matches!(finish, Finish::Packet { .. });
        let is_exhausted =
            |member: &Member| locked.get(&member.object).dispatch().is_exhausted_for(thread.tid);
        let ended = if members.iter().any(is_exhausted) {
            Some(Ended::with(Status::MUTANT_LIMIT_EXCEEDED))
        } else {
            self.end_at_once(locked, &members, thread, (all, alertable, timeout), removes)
        };
        self.record_waits(locked, &mut members, by, (all, alertable, timeout), ended.is_none());
        if let Some(ended) = ended {
            for member in &members {
                self.satisfied(locked.get(&member.object), by, ended.status);
            }
            return Begun::Over(finish, ended);
        }
        let block = Arc::new(WaitBlock {
            thread: thread.clone(),
            members,
            all,
            alertable,
            lr: by.lr,
            outcome: AtomicU64::new(OPEN),
            deadline: OnceLock::new(),
            removes_packet: removes,
            packet: Mutex::default(),
        });
        for member in &block.members {
            locked.get(&member.object).park(&block);
        }
        if let Timeout::At(cycle) = timeout {
            let key = self.kernel.timeline.insert(cycle, Due::Expire(block.clone()));
            block.deadline.get_or_init(|| key);
        }
        Begun::Parked(Pending { block, finish })
    }

    /// How a wait ends that need not park, if it does.
    fn end_at_once(
        &self,
        locked: &mut Locked<'_>,
        members: &[Member],
        thread: &Arc<Thread>,
        (all, alertable, timeout): (bool, bool, Timeout),
        removes: bool,
    ) -> Option<Ended> {
        let faults = &self.kernel.faults;
        if let Some(choice) = choose(locked, members, all, thread.tid, faults) {
            let mut ended = take(locked, members, choice, thread, faults);
            ended.packet = take_packet(locked, members, removes);
            Some(ended)
        } else if alertable && thread.has_user_apc() {
            Some(Ended::with(Status::USER_APC))
        } else {
            (timeout == Timeout::Poll).then(|| Ended::with(Status::TIMEOUT))
        }
    }

    fn record_waits(
        &mut self,
        locked: &mut Locked<'_>,
        members: &mut [Member],
        by: By<'_>,
        (all, alertable, timeout): (bool, bool, Timeout),
        parks: bool,
    ) {
        let several = members.len() > 1;
        let timeout = timeout.remaining_ticks(|| self.kernel.clock.now());
        let aux = WaitAux { alertable, all: all && several, any: !all && several, timeout }.encode();
        for member in members {
            let state = locked.get(&member.object);
            member.name = state.name();
            // The thread stays parked on the name in whose trail its wait stands open.
            let used = member._pins[0].as_ref().map(Pin::value);
            if parks && used != Some(state.name()) && state.is_named_by_handle() {
                member._pins[1] = self.kernel.handles.pin(state.name());
            }
            self.wait(state, by, aux);
        }
    }

    /// Lets go, first come first served, every waiter of `object` whose wait is satisfied now. The locks of all that its
    /// waiters wait for are held.
    pub(crate) fn wake_eligible_waiters(
        &mut self,
        locked: &mut Locked<'_>,
        object: &Arc<Object>,
        by: By<'_>,
    ) {
        let faults = &self.kernel.faults;
        let mut place = 0;
        loop {
            let state = locked.get(object);
            if state.dispatch().signal_state() <= 0 {
                return;
            }
            let Some(block) = state.waiters().get(place).cloned() else { return };
            let Some(choice) = choose(locked, &block.members, block.all, block.thread.tid, faults) else {
                place += 1;
                continue;
            };
            if faults.strikes(FaultKind::WakeLost) {
                return;
            }
            let mut ended = take(locked, &block.members, choice, &block.thread, faults);
            ended.packet = take_packet(locked, &block.members, block.removes_packet);
            self.give_to_wrong_owner(locked, object, by);
            self.let_go(locked, &block, ended, by.source);
        }
    }

    /// Ends a wait: off every queue, a record on every member, and ready to run once the locks are released.
    fn let_go(
        &mut self,
        locked: &mut Locked<'_>,
        block: &Arc<WaitBlock>,
        ended: Ended,
        source: Label,
    ) -> bool {
        if !block.close(ended) {
            return false;
        }
        let by = By { thread: Some(&block.thread), lr: block.lr, source };
        for member in &block.members {
            let state = locked.get(&member.object);
            state.unpark(block);
            self.wake(state, member.name, by, ended.status);
            if !state.is_named() && state.waiters().is_empty() {
                self.disarm(state, by);
            }
        }
        if let Some(key) = block.deadline.get() {
            self.kernel.timeline.remove(*key);
        }
        locked.release(block.clone());
        true
    }

    /// Ends a wait for another reason than its objects: a timeout, an APC, the end of its thread. Says whether it was
    /// still open.
    pub(crate) fn end_wait(&mut self, block: &Arc<WaitBlock>, status: Status, source: Label) -> bool {
        let objects = block.members.iter().map(|member| member.object.clone());
        self.with_locked(objects, |cx, locked| cx.let_go(locked, block, Ended::with(status), source))
    }

    /// The fault `mutant-wrong-owner`: who released the mutant still has it, and the waiter only thinks so.
    fn give_to_wrong_owner(&self, locked: &mut Locked<'_>, object: &Arc<Object>, by: By<'_>) {
        let state = locked.get(object);
        if let (Dispatch::Mutant { .. }, Some(wrong)) = (state.dispatch(), by.thread)
            && self.kernel.faults.strikes(FaultKind::MutantWrongOwner)
        {
            state.misattribute_mutant(wrong.tid);
        }
    }
}

/// Takes the oldest packet off the port that a wait is for, if it removes one.
fn take_packet(locked: &mut Locked<'_>, members: &[Member], removes: bool) -> Packet {
    match members {
        [member] if removes => locked.get(&member.object).remove_packet(),
        _ => Packet::default(),
    }
}
