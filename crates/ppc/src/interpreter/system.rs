//! The condition register, moves to and from special registers, traps, barriers, and what the machine refuses.

use std::sync::atomic::{Ordering, fence};

use crate::cpu::Cpu;
use crate::interpreter::{Exit, FaultCause};
use crate::op::{CrBits, CrFields, Move, Plain, Trap, TrapImmediate};

/// crand crbD,crbA,crbB
pub(crate) fn crand(cpu: &mut Cpu, op: CrBits) {
    combine(cpu, op, |a, b| a & b);
}

/// crandc crbD,crbA,crbB
pub(crate) fn crandc(cpu: &mut Cpu, op: CrBits) {
    combine(cpu, op, |a, b| a & !b);
}

/// creqv crbD,crbA,crbB
pub(crate) fn creqv(cpu: &mut Cpu, op: CrBits) {
    combine(cpu, op, |a, b| !(a ^ b));
}

/// crnand crbD,crbA,crbB
pub(crate) fn crnand(cpu: &mut Cpu, op: CrBits) {
    combine(cpu, op, |a, b| !(a & b));
}

/// crnor crbD,crbA,crbB
pub(crate) fn crnor(cpu: &mut Cpu, op: CrBits) {
    combine(cpu, op, |a, b| !(a | b));
}

/// cror crbD,crbA,crbB
pub(crate) fn cror(cpu: &mut Cpu, op: CrBits) {
    combine(cpu, op, |a, b| a | b);
}

/// crorc crbD,crbA,crbB
pub(crate) fn crorc(cpu: &mut Cpu, op: CrBits) {
    combine(cpu, op, |a, b| a | !b);
}

/// crxor crbD,crbA,crbB
pub(crate) fn crxor(cpu: &mut Cpu, op: CrBits) {
    combine(cpu, op, |a, b| a ^ b);
}

fn combine(cpu: &mut Cpu, op: CrBits, f: impl Fn(u32, u32) -> u32) {
    let bit = f(cpu.cr >> (op.a & 31), cpu.cr >> (op.b & 31)) & 1;
    cpu.cr = cpu.cr & !(1 << (op.d & 31)) | bit << (op.d & 31);
}

/// mcrf crfD,crfS
pub(crate) fn mcrf(cpu: &mut Cpu, op: CrFields) {
    cpu.set_cr_field(op.d, cpu.cr >> (op.s & 31) & 0xF);
}

/// mcrxr crfD
pub(crate) fn mcrxr(cpu: &mut Cpu, op: CrFields) {
    cpu.set_cr_field(op.d, cpu.xer >> 28);
    cpu.xer &= 0x0FFF_FFFF;
}

/// mfcr rD; mfocrf rD,CRM, whose other fields read as 0
pub(crate) fn mfcr(cpu: &mut Cpu, op: Move) {
    cpu.gpr[op.r.index()] = (cpu.cr & op.mask).into();
}

/// mtcrf CRM,rS; mtocrf CRM,rS
pub(crate) fn mtcrf(cpu: &mut Cpu, op: Move) {
    cpu.cr = cpu.cr & !op.mask | cpu.gpr[op.r.index()] as u32 & op.mask;
}

/// mfspr rD,XER
pub(crate) fn mfxer(cpu: &mut Cpu, op: Move) {
    cpu.gpr[op.r.index()] = cpu.xer.into();
}

/// mtspr XER,rS; the reserved bits stay 0
pub(crate) fn mtxer(cpu: &mut Cpu, op: Move) {
    cpu.xer = cpu.gpr[op.r.index()] as u32 & op.mask;
}

/// mflr rD
#[inline(always)]
pub(crate) fn mflr(cpu: &mut Cpu, op: Move) {
    cpu.gpr[op.r.index()] = cpu.lr.into();
}

/// mtlr rS
#[inline(always)]
pub(crate) fn mtlr(cpu: &mut Cpu, op: Move) {
    cpu.lr = cpu.gpr[op.r.index()] as u32;
}

/// mfctr rD
pub(crate) fn mfctr(cpu: &mut Cpu, op: Move) {
    cpu.gpr[op.r.index()] = cpu.ctr.into();
}

/// mtctr rS
#[inline(always)]
pub(crate) fn mtctr(cpu: &mut Cpu, op: Move) {
    cpu.ctr = cpu.gpr[op.r.index()] as u32;
}

/// mftb rD: all 64 bits, as the wide machine does
pub(crate) fn mftb(cpu: &mut Cpu, op: Move) {
    cpu.gpr[op.r.index()] = cpu.timebase;
}

/// mftbu rD
pub(crate) fn mftbu(cpu: &mut Cpu, op: Move) {
    cpu.gpr[op.r.index()] = cpu.timebase >> 32;
}

/// tw TO,rA,rB
pub(crate) fn tw(cpu: &mut Cpu, op: Trap) -> Result<(), Exit> {
    let (a, b) = (cpu.gpr[op.a.index()] as i32, cpu.gpr[op.b.index()] as i32);
    trap_if(op.to, a.into(), b.into())
}

/// twi TO,rA,SIMM
pub(crate) fn twi(cpu: &mut Cpu, op: TrapImmediate) -> Result<(), Exit> {
    trap_if(op.to, (cpu.gpr[op.a.index()] as i32).into(), op.imm.into())
}

/// td TO,rA,rB
pub(crate) fn td(cpu: &mut Cpu, op: Trap) -> Result<(), Exit> {
    trap_if(op.to, cpu.gpr[op.a.index()] as i64, cpu.gpr[op.b.index()] as i64)
}

/// tdi TO,rA,SIMM
pub(crate) fn tdi(cpu: &mut Cpu, op: TrapImmediate) -> Result<(), Exit> {
    trap_if(op.to, cpu.gpr[op.a.index()] as i64, op.imm.into())
}

/// The TO field, from its high bit: less, greater, equal, unsigned less, unsigned greater. Words come here with their
/// sign extended, which keeps both orders.
fn trap_if(to: u8, a: i64, b: i64) -> Result<(), Exit> {
    let (low, high) = ((a as u64) < b as u64, a as u64 > b as u64);
    let conditions = u8::from(a < b) << 4
        | u8::from(a > b) << 3
        | u8::from(a == b) << 2
        | u8::from(low) << 1
        | u8::from(high);
    if to & conditions != 0 { Err(FaultCause::Trap.into()) } else { Ok(()) }
}

/// sync: orders everything, also a store before a later load
pub(crate) fn sync(_: &mut Cpu, _: Plain) {
    fence(Ordering::SeqCst);
}

/// lwsync; eieio
pub(crate) fn lwsync(_: &mut Cpu, _: Plain) {
    fence(Ordering::AcqRel);
}

/// isync: code does not change, so only the loads before it matter
pub(crate) fn isync(_: &mut Cpu, _: Plain) {
    fence(Ordering::Acquire);
}

/// dcbt, dcbtst, dcbst, dcbf, icbi: there is no cache to tell
#[inline(always)]
pub(crate) fn hint(_: &mut Cpu, _: Plain) {}

/// sc 2
#[inline(always)]
pub(crate) fn host_call(_: &mut Cpu, _: Plain) -> Result<(), Exit> {
    Err(Exit::HostCall)
}

/// An instruction of the supervisor's.
#[cold]
pub(crate) fn privileged(_: &mut Cpu, _: Plain) -> Result<(), Exit> {
    Err(FaultCause::Privileged.into())
}

/// No instruction of this machine.
#[cold]
pub(crate) fn illegal(_: &mut Cpu, _: Plain) -> Result<(), Exit> {
    Err(FaultCause::Illegal.into())
}
