//! From instruction words to operations.
//!
//! The crate `powerpc` says which instruction a word is; this module takes its operands apart and settles at once what
//! does not depend on registers: targets, masks, shifts, invalid forms.

mod control;
mod float;
mod integer;
mod memory;

use powerpc::{Extensions, Ins, Opcode};

use crate::op::{Move, Op, Plain, Reg};

/// Decodes the word at `address`. What this machine does not execute becomes [`Op::Illegal`] or [`Op::Privileged`].
pub(crate) fn decode(address: u32, word: u32) -> Op {
    if let Some(op) = decode_gap(word) {
        return op;
    }
    let ins = Ins::new(word, Extensions::xenon());
    control::decode(ins, address)
        .or_else(|| integer::decode_arithmetic(ins))
        .or_else(|| integer::decode_logical(ins))
        .or_else(|| integer::decode_rotate(ins))
        .or_else(|| memory::decode(ins))
        .or_else(|| float::decode(ins))
        .unwrap_or(Op::Illegal(Plain))
}

/// What the crate takes for illegal: `sc` with a level, `mtocrf`, `dcbt` and `dcbtst` with a hint, `ldbrx` and `stdbrx`.
fn decode_gap(word: u32) -> Option<Op> {
    /// `sc LEV` without the level.
    const SC: u32 = 0x4400_0002;
    const LEVEL_MASK: u32 = 0x7F << 5;
    if word & !LEVEL_MASK == SC {
        return Some(if word == crate::code::SC_2 { Op::HostCall(Plain) } else { Op::Illegal(Plain) });
    }
    match word & 0xFC00_07FF {
        // The bit that tells mtocrf from mtcrf stands where the crate expects a zero.
        0x7C00_0120 if word & 1 << 20 != 0 => {
            let ins = Ins::new(word & !(1 << 20), Extensions::xenon());
            (ins.op == Opcode::Mtcrf).then(|| Op::Mtcrf(cr_move(ins)))
        }
        0x7C00_022C | 0x7C00_01EC => Some(Op::Hint(Plain)),
        0x7C00_0428 => Some(Op::Ldbrx(memory::indexed(Ins { code: word, op: Opcode::Illegal }))),
        0x7C00_0528 => Some(Op::Stdbrx(memory::indexed(Ins { code: word, op: Opcode::Illegal }))),
        _ => None,
    }
}

/// `CRM` as the bits of the fields that it selects.
fn cr_move(ins: Ins) -> Move {
    Move { r: Reg::new(ins.field_rs()), mask: spread(ins.field_crm()) }
}

/// Four bits for each bit.
fn spread(fields: u8) -> u32 {
    (0..8).filter(|field| fields >> field & 1 != 0).map(|field| 0xF << (4 * field)).sum()
}

/// The shift that brings a field of four bits to its place, field 0 being the highest.
fn field_shift(field: u8) -> u8 {
    28 - 4 * (field & 7)
}
