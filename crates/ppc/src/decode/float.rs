//! Scalar floating point.

use powerpc::{Ins, Opcode};

use super::{field_shift, spread};
use crate::op::{Compare, CrFields, Float, FpscrFields, FpscrImmediate, Op, Reg};

pub(super) fn decode(ins: Ins) -> Option<Op> {
    decode_arithmetic(ins).or_else(|| decode_move(ins))
}

fn operands(ins: Ins) -> Float {
    let [d, a, b, c] = [ins.field_frd(), ins.field_fra(), ins.field_frb(), ins.field_frc()].map(Reg::new);
    Float { d, a, b, c, rc: ins.field_rc() }
}

fn decode_arithmetic(ins: Ins) -> Option<Op> {
    let operands = operands(ins);
    Some(match ins.op {
        Opcode::Fadd => Op::Fadd(operands),
        Opcode::Fadds => Op::Fadds(operands),
        Opcode::Fsub => Op::Fsub(operands),
        Opcode::Fsubs => Op::Fsubs(operands),
        Opcode::Fmul => Op::Fmul(operands),
        Opcode::Fmuls => Op::Fmuls(operands),
        Opcode::Fdiv => Op::Fdiv(operands),
        Opcode::Fdivs => Op::Fdivs(operands),
        Opcode::Fsqrt => Op::Fsqrt(operands),
        Opcode::Fsqrts => Op::Fsqrts(operands),
        Opcode::Fres => Op::Fres(operands),
        Opcode::Frsqrte => Op::Frsqrte(operands),
        Opcode::Fmadd => Op::Fmadd(operands),
        Opcode::Fmadds => Op::Fmadds(operands),
        Opcode::Fmsub => Op::Fmsub(operands),
        Opcode::Fmsubs => Op::Fmsubs(operands),
        Opcode::Fnmadd => Op::Fnmadd(operands),
        Opcode::Fnmadds => Op::Fnmadds(operands),
        Opcode::Fnmsub => Op::Fnmsub(operands),
        Opcode::Fnmsubs => Op::Fnmsubs(operands),
        _ => return None,
    })
}

fn decode_move(ins: Ins) -> Option<Op> {
    let operands = operands(ins);
    Some(match ins.op {
        Opcode::Fmr => Op::Fmr(operands),
        Opcode::Fneg => Op::Fneg(operands),
        Opcode::Fabs => Op::Fabs(operands),
        Opcode::Fnabs => Op::Fnabs(operands),
        Opcode::Fsel => Op::Fsel(operands),
        Opcode::Frsp => Op::Frsp(operands),
        Opcode::Fctiw => Op::Fctiw(operands),
        Opcode::Fctiwz => Op::Fctiwz(operands),
        Opcode::Fctid => Op::Fctid(operands),
        Opcode::Fctidz => Op::Fctidz(operands),
        Opcode::Fcfid => Op::Fcfid(operands),
        Opcode::Fcmpu => Op::Fcmpu(compare(ins)),
        Opcode::Fcmpo => Op::Fcmpo(compare(ins)),
        Opcode::Mffs => Op::Mffs(operands),
        Opcode::Mcrfs => {
            Op::Mcrfs(CrFields { d: field_shift(ins.field_crfd()), s: field_shift(ins.field_crfs()) })
        }
        Opcode::Mtfsf => {
            Op::Mtfsf(FpscrFields { b: operands.b, rc: operands.rc, mask: spread(ins.field_mtfsf_fm()) })
        }
        Opcode::Mtfsfi => Op::Mtfsfi(FpscrImmediate {
            field: field_shift(ins.field_crfd()),
            mask: 0xF,
            value: ins.field_mtfsf_imm(),
            rc: operands.rc,
        }),
        Opcode::Mtfsb0 => Op::Mtfsfi(bit(ins, false)),
        Opcode::Mtfsb1 => Op::Mtfsfi(bit(ins, true)),
        _ => return None,
    })
}

fn compare(ins: Ins) -> Compare {
    let field = field_shift(ins.field_crfd());
    Compare { field, a: Reg::new(ins.field_fra()), b: Reg::new(ins.field_frb()) }
}

/// One bit of FPSCR, as a field of which one bit changes.
fn bit(ins: Ins, value: bool) -> FpscrImmediate {
    let number = ins.field_crbd();
    let mask = 8 >> (number & 3);
    FpscrImmediate {
        field: field_shift(number >> 2),
        mask,
        value: if value { mask } else { 0 },
        rc: ins.field_rc(),
    }
}
