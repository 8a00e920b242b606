//! Loads and stores.

use powerpc::{Ins, Opcode};

use crate::op::{Immediate, Op, Plain, Reg, StringImmediate, Triple};

pub(super) fn decode(ins: Ins) -> Option<Op> {
    let op = decode_displaced(ins).or_else(|| decode_indexed(ins)).or_else(|| decode_other(ins))?;
    Some(if is_invalid_update(ins) { Op::Illegal(Plain) } else { op })
}

/// An update needs a base register to write, and for a load of a general register one that is not the target.
fn is_invalid_update(ins: Ins) -> bool {
    let general_load = matches!(
        ins.op,
        Opcode::Lbzu
            | Opcode::Lbzux
            | Opcode::Lhzu
            | Opcode::Lhzux
            | Opcode::Lhau
            | Opcode::Lhaux
            | Opcode::Lwzu
            | Opcode::Lwzux
            | Opcode::Lwaux
            | Opcode::Ldu
            | Opcode::Ldux
    );
    let other = matches!(
        ins.op,
        Opcode::Stbu
            | Opcode::Stbux
            | Opcode::Sthu
            | Opcode::Sthux
            | Opcode::Stwu
            | Opcode::Stwux
            | Opcode::Stdu
            | Opcode::Stdux
            | Opcode::Lfsu
            | Opcode::Lfsux
            | Opcode::Lfdu
            | Opcode::Lfdux
            | Opcode::Stfsu
            | Opcode::Stfsux
            | Opcode::Stfdu
            | Opcode::Stfdux
    );
    (general_load || other) && ins.field_ra() == 0 || general_load && ins.field_ra() == ins.field_rd()
}

fn decode_displaced(ins: Ins) -> Option<Op> {
    let displaced =
        Immediate { d: Reg::new(ins.field_rd()), a: Reg::new(ins.field_ra()), imm: ins.field_simm().into() };
    // The low two bits of a doubleword's displacement belong to the opcode.
    let doubleword = Immediate { imm: ins.field_ds().into(), ..displaced };
    Some(match ins.op {
        Opcode::Lbz => Op::Lbz(displaced),
        Opcode::Lbzu => Op::Lbzu(displaced),
        Opcode::Lhz => Op::Lhz(displaced),
        Opcode::Lhzu => Op::Lhzu(displaced),
        Opcode::Lha => Op::Lha(displaced),
        Opcode::Lhau => Op::Lhau(displaced),
        Opcode::Lwz => Op::Lwz(displaced),
        Opcode::Lwzu => Op::Lwzu(displaced),
        Opcode::Lwa => Op::Lwa(doubleword),
        Opcode::Ld => Op::Ld(doubleword),
        Opcode::Ldu => Op::Ldu(doubleword),
        Opcode::Stb => Op::Stb(displaced),
        Opcode::Stbu => Op::Stbu(displaced),
        Opcode::Sth => Op::Sth(displaced),
        Opcode::Sthu => Op::Sthu(displaced),
        Opcode::Stw => Op::Stw(displaced),
        Opcode::Stwu => Op::Stwu(displaced),
        Opcode::Std => Op::Std(doubleword),
        Opcode::Stdu => Op::Stdu(doubleword),
        Opcode::Lfs => Op::Lfs(displaced),
        Opcode::Lfsu => Op::Lfsu(displaced),
        Opcode::Lfd => Op::Lfd(displaced),
        Opcode::Lfdu => Op::Lfdu(displaced),
        Opcode::Stfs => Op::Stfs(displaced),
        Opcode::Stfsu => Op::Stfsu(displaced),
        Opcode::Stfd => Op::Stfd(displaced),
        Opcode::Stfdu => Op::Stfdu(displaced),
        Opcode::Lmw => Op::Lmw(displaced),
        Opcode::Stmw => Op::Stmw(displaced),
        _ => return None,
    })
}

pub(super) fn indexed(ins: Ins) -> Triple {
    let [d, a, b] = [ins.field_rd(), ins.field_ra(), ins.field_rb()].map(Reg::new);
    Triple { d, a, b, rc: false }
}

fn decode_indexed(ins: Ins) -> Option<Op> {
    let operands = indexed(ins);
    Some(match ins.op {
        Opcode::Lbzx => Op::Lbzx(operands),
        Opcode::Lbzux => Op::Lbzux(operands),
        Opcode::Lhzx => Op::Lhzx(operands),
        Opcode::Lhzux => Op::Lhzux(operands),
        Opcode::Lhax => Op::Lhax(operands),
        Opcode::Lhaux => Op::Lhaux(operands),
        Opcode::Lwzx => Op::Lwzx(operands),
        Opcode::Lwzux => Op::Lwzux(operands),
        Opcode::Lwax => Op::Lwax(operands),
        Opcode::Lwaux => Op::Lwaux(operands),
        Opcode::Ldx => Op::Ldx(operands),
        Opcode::Ldux => Op::Ldux(operands),
        Opcode::Stbx => Op::Stbx(operands),
        Opcode::Stbux => Op::Stbux(operands),
        Opcode::Sthx => Op::Sthx(operands),
        Opcode::Sthux => Op::Sthux(operands),
        Opcode::Stwx => Op::Stwx(operands),
        Opcode::Stwux => Op::Stwux(operands),
        Opcode::Stdx => Op::Stdx(operands),
        Opcode::Stdux => Op::Stdux(operands),
        Opcode::Lfsx => Op::Lfsx(operands),
        Opcode::Lfsux => Op::Lfsux(operands),
        Opcode::Lfdx => Op::Lfdx(operands),
        Opcode::Lfdux => Op::Lfdux(operands),
        Opcode::Stfsx => Op::Stfsx(operands),
        Opcode::Stfsux => Op::Stfsux(operands),
        Opcode::Stfdx => Op::Stfdx(operands),
        Opcode::Stfdux => Op::Stfdux(operands),
        Opcode::Stfiwx => Op::Stfiwx(operands),
        _ => return None,
    })
}

fn decode_other(ins: Ins) -> Option<Op> {
    let operands = indexed(ins);
    Some(match ins.op {
        Opcode::Lhbrx => Op::Lhbrx(operands),
        Opcode::Lwbrx => Op::Lwbrx(operands),
        Opcode::Sthbrx => Op::Sthbrx(operands),
        Opcode::Stwbrx => Op::Stwbrx(operands),
        Opcode::Lswi => Op::Lswi(string(ins)),
        Opcode::Lswx => Op::Lswx(operands),
        Opcode::Stswi => Op::Stswi(string(ins)),
        Opcode::Stswx => Op::Stswx(operands),
        Opcode::Dcbz => Op::Dcbz(operands),
        Opcode::Dcbzl => Op::Dcbzl(operands),
        Opcode::Lwarx => Op::Lwarx(operands),
        Opcode::Ldarx => Op::Ldarx(operands),
        Opcode::Stwcx_ => Op::Stwcx(operands),
        Opcode::Stdcx_ => Op::Stdcx(operands),
        _ => return None,
    })
}

/// A count of 0 means 32 bytes.
fn string(ins: Ins) -> StringImmediate {
    let bytes = if ins.field_nb() == 0 { 32 } else { ins.field_nb() };
    StringImmediate { d: Reg::new(ins.field_rd()), a: Reg::new(ins.field_ra()), bytes }
}
