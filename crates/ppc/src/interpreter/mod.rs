//! Executes decoded instructions.

mod atomic;
mod branch;
mod float;
mod float_move;
mod format;
mod fpscr;
mod integer;
mod load_store;
mod logical;
mod string;
mod system;

use crate::code::{Code, Region, index_of};
use crate::cpu::{Cpu, EXIT_SENTINEL};
use crate::memory::{Memory, MemoryFault};
use crate::op::{Op, for_each_instruction};

/// Why [`run`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The budget is used up; the next call goes on where this one stopped.
    Budget,
    /// `sc 2`, a call into the host. `cpu.pc` is left at it: the host sets r3 and adds 4, so that the `blr` behind it
    /// is next.
    Trap {
        /// Address of the `sc`.
        pc: u32,
    },
    /// The thread's first function returned: `cpu.pc` is [`EXIT_SENTINEL`].
    Returned,
    /// The thread cannot go on; `cpu` is as it was before the instruction.
    Fault(Fault),
}

/// An instruction that cannot be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause} (at 0x{pc:08x}{})", word_suffix(.word))]
pub struct Fault {
    /// Its address.
    pub pc: u32,
    /// The instruction word, if there is one.
    pub word: Option<u32>,
    /// What is wrong.
    pub cause: FaultCause,
}

/// What makes an instruction a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultCause {
    /// No instruction of this processor, an invalid form of one, a vector instruction, or `sc` with a level that is
    /// not 2.
    #[error("illegal instruction")]
    Illegal,
    /// An instruction that needs the supervisor.
    #[error("privileged instruction")]
    Privileged,
    /// `tw`, `twi`, `td` or `tdi`, whose condition held.
    #[error("trap instruction")]
    Trap,
    /// A load or store outside mapped memory.
    #[error(transparent)]
    Memory(#[from] MemoryFault),
    /// `lwarx`, `stwcx.` and their doubleword forms at an address that is not a multiple of the size.
    #[error("reservation at 0x{address:08x}, which is not aligned")]
    Alignment {
        /// The address.
        address: u32,
    },
    /// A jump to an address that is not text.
    #[error("jump to 0x{address:08x}, which is not code")]
    Execute {
        /// Where it went.
        address: u32,
    },
}

fn word_suffix(word: &Option<u32>) -> String {
    word.map(|word| format!(", word 0x{word:08x}")).unwrap_or_default()
}

/// What ends a run from within an instruction.
pub(crate) enum Exit {
    Budget,
    Returned,
    HostCall,
    Fault(FaultCause),
}

impl From<FaultCause> for Exit {
    fn from(cause: FaultCause) -> Self {
        Self::Fault(cause)
    }
}

impl From<MemoryFault> for Exit {
    fn from(fault: MemoryFault) -> Self {
        Self::Fault(fault.into())
    }
}

/// The `match` over all operations: executes `$op`, the instruction before address `$following`, and gives the address
/// of the next. A macro and not a function, because each arm is to go on by itself: through the `Result` of a function
/// all arms would meet first, which was measured to cost a quarter of the speed.
macro_rules! dispatch {
    (
        ($cpu:ident, $memory:ident, $op:ident, $following:ident)
        registers { $($register:ident($register_form:ty) => $register_function:path,)* }
        traps { $($trap:ident($trap_form:ty) => $trap_function:path,)* }
        memory { $($access:ident($access_form:ty) => $access_function:path,)* }
        branches { $($branch:ident($branch_form:ty) => $branch_function:path,)* }
    ) => {
        match $op {
            $(Op::$register(form) => {
                $register_function($cpu, *form);
                $following
            })*
            $(Op::$trap(form) => {
                $trap_function($cpu, *form)?;
                $following
            })*
            $(Op::$access(form) => {
                $access_function($cpu, $memory, *form)?;
                $following
            })*
            $(Op::$branch(form) => $branch_function($cpu, $following, *form),)*
        }
    };
}

/// How far a run has come.
struct Progress {
    /// The next instruction.
    pc: u32,
    /// Instructions that may still be executed.
    left: u32,
}

/// Runs `cpu` until it stops, for `budget` instructions at most.
///
/// The instructions that completed are added to `cpu.retired`. Neither the code nor the registers can make this panic.
pub fn run(cpu: &mut Cpu, code: &Code, memory: &Memory, budget: u32) -> Stop {
    let mut progress = Progress { pc: cpu.pc & !3, left: budget };
    let exit = loop {
        let pc = progress.pc;
        let Some(region) = code.region(pc) else {
            break if pc == EXIT_SENTINEL {
                Exit::Returned
            } else {
                FaultCause::Execute { address: pc }.into()
            };
        };
        if let Err(exit) = run_region(cpu, region, memory, &mut progress) {
            break exit;
        }
    };
    let pc = progress.pc;
    cpu.pc = pc;
    cpu.retired += u64::from(budget - progress.left);
    match exit {
        Exit::Budget => Stop::Budget,
        Exit::Returned => Stop::Returned,
        Exit::HostCall => {
            cpu.retired += 1;
            Stop::Trap { pc }
        }
        Exit::Fault(cause) => Stop::Fault(Fault { pc, word: code.word(pc), cause }),
    }
}

/// Runs until the next instruction lies outside `region`.
#[inline(always)]
fn run_region(cpu: &mut Cpu, region: &Region, memory: &Memory, progress: &mut Progress) -> Result<(), Exit> {
    let (start, ops) = (region.start, &*region.ops);
    // A jump out of the region and running off its end both end this loop; there is no other check of `pc`.
    while let Some(op) = ops.get(index_of(start, progress.pc)) {
        let Some(left) = progress.left.checked_sub(1) else { return Err(Exit::Budget) };
        let following = progress.pc.wrapping_add(4);
        progress.pc = for_each_instruction!(dispatch, cpu, memory, op, following);
        progress.left = left;
    }
    Ok(())
}
