//! The PowerPC of the Xbox 360, interpreted: guest images, guest memory, registers, and a machine that runs one on the
//! other. It knows neither the kernel that answers the guest's calls nor that anything is traced.
//!
//! ```text
//! bytes -> load -> Image -> map_into -> Memory (shared)   Code (shared, immutable)
//!                    |                      \               /
//!                 Symbols          Cpu -->  run(cpu, code, memory, budget)  --> Stop
//!                                   ^                                            |
//!                                   +------- the host answers a Trap, goes on ---+
//! ```
//!
//! # What it guarantees
//!
//! - No guest makes the host panic, and no guest makes it undefined: memory is made of atomics, and an instruction that
//!   cannot be executed ends the run as a [`Fault`], with the registers as they were before it.
//! - [`run`] executes at most `budget` instructions, and `cpu.retired` counts them exactly, so slices are reproducible.
//! - Results are those of the architecture to the bit, NaNs included, for fixed point, scalar floating point, the
//!   condition register, branches, strings and reservations. `guests/selftest` compares them with QEMU.
//! - General registers have 64 bits; MSR\[SF\] is 0, so effective addresses, carry, recorded comparisons and CTR have 32.
//!
//! # What it does not
//!
//! - There is no vector unit: AltiVec and VMX128 instructions are illegal. There is no supervisor mode either.
//! - Code is decoded once, when the image is mapped. Code that a guest writes at run time is not executed; text is not
//!   protected from stores.
//! - Floating-point arithmetic rounds to nearest, whatever FPSCR\[RN\] says; conversions to integers obey it. Inexact and
//!   underflow are not recorded, and no floating-point exception traps. `fres` and `frsqrte` give the exact value rounded,
//!   where the real machine gives an estimate.
//! - An aligned word is atomic; a doubleword is two words. A store-conditional compares values, so it does not notice a
//!   word that was changed and changed back.
//! - `mftb` reads what the host last wrote to [`Cpu::timebase`]: time stands still within a slice.
//! - Segments have no protection: a guest may store to its constants.

#![forbid(unsafe_code)]

mod backchain;
mod code;
mod cpu;
mod decode;
mod elf;
mod interpreter;
mod memory;
mod op;
mod symbols;

pub use backchain::{BackChain, Frame, FrameLayout, MAX_FRAMES, back_chain};
pub use code::{Code, Thunk};
pub use cpu::{Cpu, EXIT_SENTINEL, Reservation};
pub use elf::{ElfError, Image, MAX_IMAGE_BYTES, STACK_SPACE, Segment, SegmentProblem, load};
pub use interpreter::{Fault, FaultCause, Stop, run};
pub use memory::{Access, MapError, Memory, MemoryFault, PAGE_SIZE};
pub use symbols::{Symbol, SymbolicAddress, Symbols, SymbolsError, parse_symbols};
