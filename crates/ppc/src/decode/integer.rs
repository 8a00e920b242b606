//! Fixed-point arithmetic, logic, shifts and rotates.

use powerpc::{Ins, Opcode};

use super::field_shift;
use crate::op::{
    Compare, CompareImmediate, Immediate, Logical, LogicalImmediate, Op, Reg, Rotate, Rotate64, RotateBy,
    RotateBy64, ShiftImmediate, Triple,
};

pub(super) fn decode_arithmetic(ins: Ins) -> Option<Op> {
    let oe = ins.field_oe();
    let wide = ins.field_l() != 0;
    let operands = triple(ins);
    Some(match ins.op {
        Opcode::Addi => Op::Addi(immediate(ins)),
        Opcode::Addis => Op::Addi(Immediate { imm: i32::from(ins.field_simm()) << 16, ..immediate(ins) }),
        Opcode::Addic => Op::Addic(immediate(ins)),
        Opcode::Addic_ => Op::AddicRecord(immediate(ins)),
        Opcode::Subfic => Op::Subfic(immediate(ins)),
        Opcode::Mulli => Op::Mulli(immediate(ins)),
        Opcode::Add => either(oe, Op::Addo, Op::Add, operands),
        Opcode::Addc => either(oe, Op::Addco, Op::Addc, operands),
        Opcode::Adde => either(oe, Op::Addeo, Op::Adde, operands),
        Opcode::Addme => either(oe, Op::Addmeo, Op::Addme, operands),
        Opcode::Addze => either(oe, Op::Addzeo, Op::Addze, operands),
        Opcode::Subf => either(oe, Op::Subfo, Op::Subf, operands),
        Opcode::Subfc => either(oe, Op::Subfco, Op::Subfc, operands),
        Opcode::Subfe => either(oe, Op::Subfeo, Op::Subfe, operands),
        Opcode::Subfme => either(oe, Op::Subfmeo, Op::Subfme, operands),
        Opcode::Subfze => either(oe, Op::Subfzeo, Op::Subfze, operands),
        Opcode::Neg => either(oe, Op::Nego, Op::Neg, operands),
        Opcode::Mullw => either(oe, Op::Mullwo, Op::Mullw, operands),
        Opcode::Mulhw => Op::Mulhw(operands),
        Opcode::Mulhwu => Op::Mulhwu(operands),
        Opcode::Divw => either(oe, Op::Divwo, Op::Divw, operands),
        Opcode::Divwu => either(oe, Op::Divwuo, Op::Divwu, operands),
        Opcode::Mulld => either(oe, Op::Mulldo, Op::Mulld, operands),
        Opcode::Mulhd => Op::Mulhd(operands),
        Opcode::Mulhdu => Op::Mulhdu(operands),
        Opcode::Divd => either(oe, Op::Divdo, Op::Divd, operands),
        Opcode::Divdu => either(oe, Op::Divduo, Op::Divdu, operands),
        Opcode::Cmp => either(wide, Op::Cmpd, Op::Cmpw, compare(ins)),
        Opcode::Cmpl => either(wide, Op::Cmpld, Op::Cmplw, compare(ins)),
        Opcode::Cmpi => either(wide, Op::Cmpdi, Op::Cmpwi, compare_immediate(ins, ins.field_simm().into())),
        Opcode::Cmpli => {
            either(wide, Op::Cmpldi, Op::Cmplwi, compare_immediate(ins, ins.field_uimm().into()))
        }
        _ => return None,
    })
}

pub(super) fn decode_logical(ins: Ins) -> Option<Op> {
    let operands = logical(ins);
    let low = u32::from(ins.field_uimm());
    Some(match ins.op {
        Opcode::Ori => Op::Ori(logical_immediate(ins, low)),
        Opcode::Oris => Op::Ori(logical_immediate(ins, low << 16)),
        Opcode::Xori => Op::Xori(logical_immediate(ins, low)),
        Opcode::Xoris => Op::Xori(logical_immediate(ins, low << 16)),
        Opcode::Andi_ => Op::Andi(logical_immediate(ins, low)),
        Opcode::Andis_ => Op::Andi(logical_immediate(ins, low << 16)),
        Opcode::And => Op::And(operands),
        Opcode::Andc => Op::Andc(operands),
        Opcode::Or => Op::Or(operands),
        Opcode::Orc => Op::Orc(operands),
        Opcode::Xor => Op::Xor(operands),
        Opcode::Eqv => Op::Eqv(operands),
        Opcode::Nand => Op::Nand(operands),
        Opcode::Nor => Op::Nor(operands),
        Opcode::Extsb => Op::Extsb(operands),
        Opcode::Extsh => Op::Extsh(operands),
        Opcode::Extsw => Op::Extsw(operands),
        Opcode::Cntlzw => Op::Cntlzw(operands),
        Opcode::Cntlzd => Op::Cntlzd(operands),
        _ => return None,
    })
}

pub(super) fn decode_rotate(ins: Ins) -> Option<Op> {
    let operands = logical(ins);
    let sh64 = ins.field_sh64();
    let wraps = ins.field_mb() > ins.field_me();
    Some(match ins.op {
        Opcode::Slw => Op::Slw(operands),
        Opcode::Srw => Op::Srw(operands),
        Opcode::Sraw => Op::Sraw(operands),
        Opcode::Sld => Op::Sld(operands),
        Opcode::Srd => Op::Srd(operands),
        Opcode::Srad => Op::Srad(operands),
        Opcode::Srawi => Op::Srawi(shift_immediate(ins, ins.field_sh())),
        Opcode::Sradi => Op::Sradi(shift_immediate(ins, sh64)),
        Opcode::Rlwinm => either(wraps, Op::RlwinmWrapped, Op::Rlwinm, rotate(ins)),
        Opcode::Rlwimi => either(wraps, Op::RlwimiWrapped, Op::Rlwimi, rotate(ins)),
        Opcode::Rlwnm => either(wraps, Op::RlwnmWrapped, Op::Rlwnm, rotate_by(ins)),
        Opcode::Rldicl => Op::Rldi(rotate64(ins, ins.field_mb64(), 63)),
        Opcode::Rldicr => Op::Rldi(rotate64(ins, 0, ins.field_me64())),
        Opcode::Rldic => Op::Rldi(rotate64(ins, ins.field_mb64(), 63 - sh64)),
        Opcode::Rldimi => Op::Rldimi(rotate64(ins, ins.field_mb64(), 63 - sh64)),
        Opcode::Rldcl => Op::Rldc(rotate_by64(ins, ins.field_mb64(), 63)),
        Opcode::Rldcr => Op::Rldc(rotate_by64(ins, 0, ins.field_me64())),
        _ => return None,
    })
}

fn either<T>(condition: bool, yes: fn(T) -> Op, no: fn(T) -> Op, operands: T) -> Op {
    if condition { yes(operands) } else { no(operands) }
}

fn triple(ins: Ins) -> Triple {
    let [d, a, b] = [ins.field_rd(), ins.field_ra(), ins.field_rb()].map(Reg::new);
    Triple { d, a, b, rc: ins.field_rc() }
}

fn immediate(ins: Ins) -> Immediate {
    Immediate { d: Reg::new(ins.field_rd()), a: Reg::new(ins.field_ra()), imm: ins.field_simm().into() }
}

fn compare(ins: Ins) -> Compare {
    let field = field_shift(ins.field_crfd());
    Compare { field, a: Reg::new(ins.field_ra()), b: Reg::new(ins.field_rb()) }
}

fn compare_immediate(ins: Ins, imm: i32) -> CompareImmediate {
    CompareImmediate { field: field_shift(ins.field_crfd()), a: Reg::new(ins.field_ra()), imm }
}

fn logical(ins: Ins) -> Logical {
    let [a, s, b] = [ins.field_ra(), ins.field_rs(), ins.field_rb()].map(Reg::new);
    Logical { a, s, b, rc: ins.field_rc() }
}

fn logical_immediate(ins: Ins, imm: u32) -> LogicalImmediate {
    LogicalImmediate { a: Reg::new(ins.field_ra()), s: Reg::new(ins.field_rs()), imm }
}

fn shift_immediate(ins: Ins, sh: u8) -> ShiftImmediate {
    let Logical { a, s, rc, .. } = logical(ins);
    ShiftImmediate { a, s, sh, rc }
}

fn rotate(ins: Ins) -> Rotate {
    let Logical { a, s, rc, .. } = logical(ins);
    Rotate { a, s, sh: ins.field_sh(), rc, mask: mask32(ins.field_mb(), ins.field_me()) }
}

fn rotate_by(ins: Ins) -> RotateBy {
    let Logical { a, s, b, rc } = logical(ins);
    RotateBy { a, s, b, rc, mask: mask32(ins.field_mb(), ins.field_me()) }
}

fn rotate64(ins: Ins, mb: u8, me: u8) -> Rotate64 {
    let Logical { a, s, rc, .. } = logical(ins);
    Rotate64 { a, s, sh: ins.field_sh64(), mb, me, rc }
}

fn rotate_by64(ins: Ins, mb: u8, me: u8) -> RotateBy64 {
    let Logical { a, s, b, rc } = logical(ins);
    RotateBy64 { a, s, b, mb, me, rc }
}

/// One bits from bit `mb` to bit `me`, numbered from the left, around the end if `mb > me`.
fn mask32(mb: u8, me: u8) -> u32 {
    let (from, to) = (u32::MAX >> mb, u32::MAX << (31 - me));
    if mb <= me { from & to } else { from | to }
}
