//! What belongs to no family.
#![allow(non_snake_case, reason = "guest calls keep their names")]

use ppc::MemoryFault;

use super::{Call, Flow, Reply, ok};
use crate::clock::CYCLES_PER_SECOND;
use crate::format::{Arguments, format};

/// The process of a title.
const PROCESS_TYPE_USER: u32 = 1;

/// KeGetCurrentProcessType ()
pub(super) fn KeGetCurrentProcessType(_: &mut Call<'_, '_>) -> Reply {
    Ok(Flow::Return(PROCESS_TYPE_USER))
}

/// KeQueryPerformanceFrequency ()
pub(super) fn KeQueryPerformanceFrequency(_: &mut Call<'_, '_>) -> Reply {
    Ok(Flow::Return(CYCLES_PER_SECOND as u32))
}

/// DbgPrint (format, ...)
pub(super) fn DbgPrint(call: &mut Call<'_, '_>) -> Reply {
    let text = format(call.memory(), call.reg(0), &mut Variable { call, next: 1 })?;
    call.cx.progress();
    call.cx.kernel.console.print(call.thread.tid, &text);
    ok()
}

/// The arguments behind the format: r4 to r10, then the stack.
struct Variable<'v, 'c, 'k> {
    call: &'v Call<'c, 'k>,
    next: u32,
}

impl Arguments for Variable<'_, '_, '_> {
    fn word(&mut self) -> Result<u32, MemoryFault> {
        let word = self.call.arg(self.next)?;
        self.next += 1;
        Ok(word)
    }

    fn doubleword(&mut self) -> Result<u64, MemoryFault> {
        // r3 is argument 0 and an odd register; 8(r1) is argument 8 and a multiple of 8.
        self.next = self.next.next_multiple_of(2);
        Ok(u64::from(self.word()?) << 32 | u64::from(self.word()?))
    }
}
