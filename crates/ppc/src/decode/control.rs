//! Branches, the condition register, special registers, traps and barriers.

use powerpc::{Ins, Opcode};

use super::{cr_move, field_shift};
use crate::op::{
    Condition, ConditionalJump, CrBits, CrFields, Jump, JumpOnBit, Move, Op, Plain, Reg, Trap, TrapImmediate,
};

pub(super) fn decode(ins: Ins, address: u32) -> Option<Op> {
    Some(match ins.op {
        Opcode::B => jump(ins, target(ins, address, ins.field_li())),
        Opcode::Bc => conditional(ins, target(ins, address, ins.field_bd().into())),
        Opcode::Bclr => match condition(ins) {
            Condition { bo, link: false, .. } if always(bo) => Op::Blr(Plain),
            condition => Op::Bclr(condition),
        },
        Opcode::Bcctr => match condition(ins) {
            // CTR cannot be counted and jumped to at once.
            Condition { bo, .. } if bo & 4 == 0 => Op::Illegal(Plain),
            Condition { bo, link: false, .. } if always(bo) => Op::Bctr(Plain),
            Condition { bo, link: true, .. } if always(bo) => Op::Bctrl(Plain),
            condition => Op::Bcctr(condition),
        },
        Opcode::Crand => Op::Crand(bits(ins)),
        Opcode::Crandc => Op::Crandc(bits(ins)),
        Opcode::Creqv => Op::Creqv(bits(ins)),
        Opcode::Crnand => Op::Crnand(bits(ins)),
        Opcode::Crnor => Op::Crnor(bits(ins)),
        Opcode::Cror => Op::Cror(bits(ins)),
        Opcode::Crorc => Op::Crorc(bits(ins)),
        Opcode::Crxor => Op::Crxor(bits(ins)),
        Opcode::Mcrf => Op::Mcrf(fields(ins)),
        Opcode::Mcrxr => Op::Mcrxr(fields(ins)),
        Opcode::Mfcr => Op::Mfcr(Move { r: Reg::new(ins.field_rd()), mask: u32::MAX }),
        Opcode::Mfocrf => Op::Mfcr(cr_move(ins)),
        Opcode::Mtcrf => Op::Mtcrf(cr_move(ins)),
        Opcode::Mfspr | Opcode::Mftb => from_special(ins),
        Opcode::Mtspr => to_special(ins),
        Opcode::Tw => Op::Tw(trap(ins)),
        Opcode::Td => Op::Td(trap(ins)),
        Opcode::Twi => Op::Twi(trap_immediate(ins)),
        Opcode::Tdi => Op::Tdi(trap_immediate(ins)),
        Opcode::Sync if ins.field_sync_l() == 0 => Op::Sync(Plain),
        Opcode::Sync | Opcode::Eieio => Op::Lwsync(Plain),
        Opcode::Isync => Op::Isync(Plain),
        Opcode::Dcbf | Opcode::Dcbst | Opcode::Dcbt | Opcode::Dcbtst | Opcode::Icbi => Op::Hint(Plain),
        op if is_privileged(op) => Op::Privileged(Plain),
        _ => return None,
    })
}

fn is_privileged(op: Opcode) -> bool {
    matches!(
        op,
        Opcode::Dcbi
            | Opcode::Mfmsr
            | Opcode::Mfsr
            | Opcode::Mfsrin
            | Opcode::Mtmsr
            | Opcode::Mtmsrd
            | Opcode::Mtsr
            | Opcode::Mtsrd
            | Opcode::Mtsrdin
            | Opcode::Mtsrin
            | Opcode::Rfi
            | Opcode::Rfid
            | Opcode::Slbia
            | Opcode::Slbie
            | Opcode::Tlbie
            | Opcode::Tlbsync
    )
}

fn target(ins: Ins, address: u32, offset: i32) -> u32 {
    if ins.field_aa() { offset as u32 } else { address.wrapping_add_signed(offset) }
}

fn jump(ins: Ins, target: u32) -> Op {
    if ins.field_lk() { Op::Bl(Jump { target }) } else { Op::B(Jump { target }) }
}

fn condition(ins: Ins) -> Condition {
    Condition { bo: ins.field_bo(), bi: ins.field_bi(), link: ins.field_lk() }
}

/// Neither CR nor CTR is looked at.
fn always(bo: u8) -> bool {
    bo & 0b10100 == 0b10100
}

/// The forms of `bc` that compilers write have operations of their own.
fn conditional(ins: Ins, target: u32) -> Op {
    let condition = condition(ins);
    let mask = 1 << (31 - condition.bi);
    match condition.bo {
        bo if always(bo) => jump(ins, target),
        _ if condition.link => Op::Bc(ConditionalJump { condition, target }),
        bo if bo & 0b11100 == 0b01100 => Op::JumpIfSet(JumpOnBit { mask, target }),
        bo if bo & 0b11100 == 0b00100 => Op::JumpIfClear(JumpOnBit { mask, target }),
        bo if bo & 0b10110 == 0b10000 => Op::Bdnz(Jump { target }),
        _ => Op::Bc(ConditionalJump { condition, target }),
    }
}

fn bits(ins: Ins) -> CrBits {
    CrBits { d: 31 - ins.field_crbd(), a: 31 - ins.field_crba(), b: 31 - ins.field_crbb() }
}

fn fields(ins: Ins) -> CrFields {
    CrFields { d: field_shift(ins.field_crfd()), s: field_shift(ins.field_crfs()) }
}

fn trap(ins: Ins) -> Trap {
    Trap { to: ins.field_to(), a: Reg::new(ins.field_ra()), b: Reg::new(ins.field_rb()) }
}

fn trap_immediate(ins: Ins) -> TrapImmediate {
    TrapImmediate { to: ins.field_to(), a: Reg::new(ins.field_ra()), imm: ins.field_simm().into() }
}

const XER: u16 = 1;
const LR: u16 = 8;
const CTR: u16 = 9;
const TB: u16 = 268;
const TBU: u16 = 269;
/// SO, OV, CA and the length of string instructions.
const XER_BITS: u32 = 0xE000_007F;

fn from_special(ins: Ins) -> Op {
    let to = Move { r: Reg::new(ins.field_rd()), mask: u32::MAX };
    match ins.field_spr() {
        XER => Op::Mfxer(to),
        LR => Op::Mflr(to),
        CTR => Op::Mfctr(to),
        TB => Op::Mftb(to),
        TBU => Op::Mftbu(to),
        other => absent_special(other),
    }
}

fn to_special(ins: Ins) -> Op {
    let from = Move { r: Reg::new(ins.field_rs()), mask: XER_BITS };
    match ins.field_spr() {
        XER => Op::Mtxer(from),
        LR => Op::Mtlr(from),
        CTR => Op::Mtctr(from),
        other => absent_special(other),
    }
}

/// The fifth bit of a special register's number says that it is the supervisor's.
fn absent_special(number: u16) -> Op {
    if number & 0x10 != 0 { Op::Privileged(Plain) } else { Op::Illegal(Plain) }
}
