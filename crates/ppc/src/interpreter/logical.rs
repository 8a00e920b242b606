//! Logic, extension, shifts and rotates.
//!
//! A rotate of 32 bits rotates both halves of the doubleword alike. Its mask covers the low half only, unless it wraps
//! (MB > ME): then it covers the whole high half too. `WRAP` tells the two apart.

use crate::cpu::Cpu;
use crate::op::{Logical, LogicalImmediate, Rotate, Rotate64, RotateBy, RotateBy64, ShiftImmediate};

/// ori rA,rS,UIMM; oris
#[inline(always)]
pub(crate) fn ori(cpu: &mut Cpu, op: LogicalImmediate) {
    cpu.gpr[op.a.index()] = cpu.gpr[op.s.index()] | u64::from(op.imm);
}

/// xori rA,rS,UIMM; xoris
#[inline(always)]
pub(crate) fn xori(cpu: &mut Cpu, op: LogicalImmediate) {
    cpu.gpr[op.a.index()] = cpu.gpr[op.s.index()] ^ u64::from(op.imm);
}

/// andi. rA,rS,UIMM; andis.
#[inline(always)]
pub(crate) fn andi(cpu: &mut Cpu, op: LogicalImmediate) {
    cpu.set(op.a, cpu.gpr[op.s.index()] & u64::from(op.imm), true);
}

/// and rA,rS,rB
#[inline(always)]
pub(crate) fn and(cpu: &mut Cpu, op: Logical) {
    binary(cpu, op, |s, b| s & b);
}

/// andc rA,rS,rB
#[inline(always)]
pub(crate) fn andc(cpu: &mut Cpu, op: Logical) {
    binary(cpu, op, |s, b| s & !b);
}

/// or rA,rS,rB
#[inline(always)]
pub(crate) fn or(cpu: &mut Cpu, op: Logical) {
    binary(cpu, op, |s, b| s | b);
}

/// orc rA,rS,rB
#[inline(always)]
pub(crate) fn orc(cpu: &mut Cpu, op: Logical) {
    binary(cpu, op, |s, b| s | !b);
}

/// xor rA,rS,rB
#[inline(always)]
pub(crate) fn xor(cpu: &mut Cpu, op: Logical) {
    binary(cpu, op, |s, b| s ^ b);
}

/// eqv rA,rS,rB
#[inline(always)]
pub(crate) fn eqv(cpu: &mut Cpu, op: Logical) {
    binary(cpu, op, |s, b| !(s ^ b));
}

/// nand rA,rS,rB
#[inline(always)]
pub(crate) fn nand(cpu: &mut Cpu, op: Logical) {
    binary(cpu, op, |s, b| !(s & b));
}

/// nor rA,rS,rB
#[inline(always)]
pub(crate) fn nor(cpu: &mut Cpu, op: Logical) {
    binary(cpu, op, |s, b| !(s | b));
}

/// extsb rA,rS
#[inline(always)]
pub(crate) fn extsb(cpu: &mut Cpu, op: Logical) {
    binary(cpu, op, |s, _| s as i8 as u64);
}

/// extsh rA,rS
#[inline(always)]
pub(crate) fn extsh(cpu: &mut Cpu, op: Logical) {
    binary(cpu, op, |s, _| s as i16 as u64);
}

/// extsw rA,rS
#[inline(always)]
pub(crate) fn extsw(cpu: &mut Cpu, op: Logical) {
    binary(cpu, op, |s, _| s as i32 as u64);
}

/// cntlzw rA,rS
#[inline(always)]
pub(crate) fn cntlzw(cpu: &mut Cpu, op: Logical) {
    binary(cpu, op, |s, _| (s as u32).leading_zeros().into());
}

/// cntlzd rA,rS
#[inline(always)]
pub(crate) fn cntlzd(cpu: &mut Cpu, op: Logical) {
    binary(cpu, op, |s, _| s.leading_zeros().into());
}

/// slw rA,rS,rB
#[inline(always)]
pub(crate) fn slw(cpu: &mut Cpu, op: Logical) {
    binary(cpu, op, |s, b| (s as u32).checked_shl(b as u32 & 63).unwrap_or(0).into());
}

/// srw rA,rS,rB
#[inline(always)]
pub(crate) fn srw(cpu: &mut Cpu, op: Logical) {
    binary(cpu, op, |s, b| (s as u32).checked_shr(b as u32 & 63).unwrap_or(0).into());
}

/// sld rA,rS,rB
#[inline(always)]
pub(crate) fn sld(cpu: &mut Cpu, op: Logical) {
    binary(cpu, op, |s, b| s.checked_shl(b as u32 & 127).unwrap_or(0));
}

/// srd rA,rS,rB
#[inline(always)]
pub(crate) fn srd(cpu: &mut Cpu, op: Logical) {
    binary(cpu, op, |s, b| s.checked_shr(b as u32 & 127).unwrap_or(0));
}

/// sraw rA,rS,rB
#[inline(always)]
pub(crate) fn sraw(cpu: &mut Cpu, op: Logical) {
    let (s, b) = (cpu.gpr[op.s.index()], cpu.gpr[op.b.index()]);
    let result = shift_right_algebraic(cpu, i64::from(s as i32), b as u32 & 63);
    cpu.set(op.a, result, op.rc);
}

/// srawi rA,rS,SH
#[inline(always)]
pub(crate) fn srawi(cpu: &mut Cpu, op: ShiftImmediate) {
    let result = shift_right_algebraic(cpu, i64::from(cpu.gpr[op.s.index()] as i32), op.sh.into());
    cpu.set(op.a, result, op.rc);
}

/// srad rA,rS,rB
#[inline(always)]
pub(crate) fn srad(cpu: &mut Cpu, op: Logical) {
    let (s, b) = (cpu.gpr[op.s.index()], cpu.gpr[op.b.index()]);
    let result = shift_right_algebraic(cpu, s as i64, b as u32 & 127);
    cpu.set(op.a, result, op.rc);
}

/// sradi rA,rS,SH
#[inline(always)]
pub(crate) fn sradi(cpu: &mut Cpu, op: ShiftImmediate) {
    let result = shift_right_algebraic(cpu, cpu.gpr[op.s.index()] as i64, op.sh.into());
    cpu.set(op.a, result, op.rc);
}

/// rlwinm rA,rS,SH,MB,ME
#[inline(always)]
pub(crate) fn rlwinm<const WRAP: bool>(cpu: &mut Cpu, op: Rotate) {
    let rotated = (cpu.gpr[op.s.index()] as u32).rotate_left(op.sh.into());
    cpu.set(op.a, masked::<WRAP>(rotated, op.mask), op.rc);
}

/// rlwnm rA,rS,rB,MB,ME
#[inline(always)]
pub(crate) fn rlwnm<const WRAP: bool>(cpu: &mut Cpu, op: RotateBy) {
    let rotated = (cpu.gpr[op.s.index()] as u32).rotate_left(cpu.gpr[op.b.index()] as u32 & 31);
    cpu.set(op.a, masked::<WRAP>(rotated, op.mask), op.rc);
}

/// rlwimi rA,rS,SH,MB,ME
#[inline(always)]
pub(crate) fn rlwimi<const WRAP: bool>(cpu: &mut Cpu, op: Rotate) {
    let rotated = (cpu.gpr[op.s.index()] as u32).rotate_left(op.sh.into());
    let kept = cpu.gpr[op.a.index()] & !masked::<WRAP>(u32::MAX, op.mask);
    cpu.set(op.a, kept | masked::<WRAP>(rotated, op.mask), op.rc);
}

/// rldicl rA,rS,SH,MB; rldicr rA,rS,SH,ME; rldic rA,rS,SH,MB
#[inline(always)]
pub(crate) fn rldi(cpu: &mut Cpu, op: Rotate64) {
    let rotated = cpu.gpr[op.s.index()].rotate_left(op.sh.into());
    cpu.set(op.a, rotated & mask64(op.mb, op.me), op.rc);
}

/// rldimi rA,rS,SH,MB
#[inline(always)]
pub(crate) fn rldimi(cpu: &mut Cpu, op: Rotate64) {
    let rotated = cpu.gpr[op.s.index()].rotate_left(op.sh.into());
    let mask = mask64(op.mb, op.me);
    cpu.set(op.a, cpu.gpr[op.a.index()] & !mask | rotated & mask, op.rc);
}

/// rldcl rA,rS,rB,MB; rldcr rA,rS,rB,ME
#[inline(always)]
pub(crate) fn rldc(cpu: &mut Cpu, op: RotateBy64) {
    let rotated = cpu.gpr[op.s.index()].rotate_left(cpu.gpr[op.b.index()] as u32 & 63);
    cpu.set(op.a, rotated & mask64(op.mb, op.me), op.rc);
}

#[inline(always)]
fn binary(cpu: &mut Cpu, op: Logical, f: impl Fn(u64, u64) -> u64) {
    let result = f(cpu.gpr[op.s.index()], cpu.gpr[op.b.index()]);
    cpu.set(op.a, result, op.rc);
}

/// CA tells whether a negative number lost one bits, so that an `addze` makes the shift a division towards zero.
#[inline(always)]
fn shift_right_algebraic(cpu: &mut Cpu, value: i64, by: u32) -> u64 {
    let result = value >> by.min(63);
    let lost = if by > 63 { value != 0 } else { result << by != value };
    cpu.set_carry(value < 0 && lost);
    result as u64
}

#[inline(always)]
fn masked<const WRAP: bool>(rotated: u32, mask: u32) -> u64 {
    let low = u64::from(rotated & mask);
    if WRAP { u64::from(rotated) << 32 | low } else { low }
}

/// One bits from bit `mb` to bit `me`, numbered from the left, around the end if `mb > me`.
#[inline(always)]
fn mask64(mb: u8, me: u8) -> u64 {
    let from = u64::MAX >> (mb & 63);
    let to = u64::MAX << (63 - (me & 63));
    if mb <= me { from & to } else { from | to }
}
