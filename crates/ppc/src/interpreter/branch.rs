//! Branches. Each gives the address of the next instruction; `following` is the one behind the branch.
//!
//! A target has its low two bits clear, as on the real machine.

use crate::cpu::Cpu;
use crate::op::{Condition, ConditionalJump, Jump, JumpOnBit, Plain};

/// b target; ba
#[inline(always)]
pub(crate) fn b(_: &mut Cpu, _: u32, op: Jump) -> u32 {
    op.target
}

/// bl target; bla
#[inline(always)]
pub(crate) fn bl(cpu: &mut Cpu, following: u32, op: Jump) -> u32 {
    cpu.lr = following;
    op.target
}

/// bt BI,target: blt, bgt, beq, bso
#[inline(always)]
pub(crate) fn jump_if_set(cpu: &mut Cpu, following: u32, op: JumpOnBit) -> u32 {
    if cpu.cr & op.mask != 0 { op.target } else { following }
}

/// bf BI,target: bge, ble, bne, bns
#[inline(always)]
pub(crate) fn jump_if_clear(cpu: &mut Cpu, following: u32, op: JumpOnBit) -> u32 {
    if cpu.cr & op.mask == 0 { op.target } else { following }
}

/// bdnz target
#[inline(always)]
pub(crate) fn bdnz(cpu: &mut Cpu, following: u32, op: Jump) -> u32 {
    cpu.ctr = cpu.ctr.wrapping_sub(1);
    if cpu.ctr != 0 { op.target } else { following }
}

/// bc BO,BI,target, with and without link
pub(crate) fn bc(cpu: &mut Cpu, following: u32, op: ConditionalJump) -> u32 {
    go_if(cpu, following, op.condition, op.target)
}

/// blr
#[inline(always)]
pub(crate) fn blr(cpu: &mut Cpu, _: u32, _: Plain) -> u32 {
    cpu.lr & !3
}

/// bclr BO,BI, with and without link
pub(crate) fn bclr(cpu: &mut Cpu, following: u32, op: Condition) -> u32 {
    go_if(cpu, following, op, cpu.lr & !3)
}

/// bctr
#[inline(always)]
pub(crate) fn bctr(cpu: &mut Cpu, _: u32, _: Plain) -> u32 {
    cpu.ctr & !3
}

/// bctrl
#[inline(always)]
pub(crate) fn bctrl(cpu: &mut Cpu, following: u32, _: Plain) -> u32 {
    cpu.lr = following;
    cpu.ctr & !3
}

/// bcctr BO,BI, with and without link
pub(crate) fn bcctr(cpu: &mut Cpu, following: u32, op: Condition) -> u32 {
    go_if(cpu, following, op, cpu.ctr & !3)
}

/// LR is written whether the branch is taken or not.
fn go_if(cpu: &mut Cpu, following: u32, condition: Condition, target: u32) -> u32 {
    if condition.link {
        cpu.lr = following;
    }
    if holds(cpu, condition) { target } else { following }
}

/// The BO field, from its high bit: ignore CR; the value CR must have; ignore CTR; CTR must be zero; a hint.
fn holds(cpu: &mut Cpu, Condition { bo, bi, .. }: Condition) -> bool {
    let counted = bo & 4 != 0 || {
        cpu.ctr = cpu.ctr.wrapping_sub(1);
        (cpu.ctr == 0) == (bo & 2 != 0)
    };
    let bit = cpu.cr << (bi & 31) >> 31 != 0;
    counted && (bo & 16 != 0 || bit == (bo & 8 != 0))
}
