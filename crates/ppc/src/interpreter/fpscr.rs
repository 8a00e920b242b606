//! The floating-point status and control register.
//!
//! Kept: the exceptions of invalid operations, of division by zero and of overflow, with their summaries, the class of
//! the last result, and the control bits. Not kept: underflow, inexact, and the rounded and inexact bits of the last
//! result. No exception traps, also when enabled.

use crate::cpu::Cpu;
use crate::op::{CrFields, Float, FpscrFields, FpscrImmediate};

/// Overflow.
pub(crate) const OX: u32 = 1 << 28;
/// Division of a number by zero.
pub(crate) const ZX: u32 = 1 << 26;
/// A signalling NaN was used.
pub(crate) const VXSNAN: u32 = 1 << 24;
/// Infinity minus infinity.
pub(crate) const VXISI: u32 = 1 << 23;
/// Infinity over infinity.
pub(crate) const VXIDI: u32 = 1 << 22;
/// Zero over zero.
pub(crate) const VXZDZ: u32 = 1 << 21;
/// Infinity times zero.
pub(crate) const VXIMZ: u32 = 1 << 20;
/// An ordered comparison with a NaN.
pub(crate) const VXVC: u32 = 1 << 19;
/// The root of a negative number.
pub(crate) const VXSQRT: u32 = 1 << 9;
/// A number that the integer cannot hold.
pub(crate) const VXCVI: u32 = 1 << 8;

const FX: u32 = 1 << 31;
const FEX: u32 = 1 << 30;
const VX: u32 = 1 << 29;
/// The causes that VX sums up: bits 7 to 12 and 21 to 23 of the manual.
const INVALID: u32 = 0x01F8_0700;
/// All exceptions that FX sums up.
const EXCEPTIONS: u32 = INVALID | 0x1E00_0000;
const RESULT_CLASS_SHIFT: u32 = 12;
const RESERVED: u32 = 1 << 11;

impl Cpu {
    /// Records `exceptions`, and in the summaries that they happened.
    pub(crate) fn raise(&mut self, exceptions: u32) {
        if exceptions & !self.fpscr != 0 {
            self.fpscr |= FX;
        }
        self.set_fpscr(self.fpscr | exceptions);
    }

    /// Writes the register; VX and FEX follow from the other bits.
    pub(crate) fn set_fpscr(&mut self, value: u32) {
        let mut value = value & !(VX | FEX | RESERVED);
        if value & INVALID != 0 {
            value |= VX;
        }
        // VE, OE, UE, ZE and XE stand in the order of VX, OX, UX, ZX and XX.
        if value >> 25 & value >> 3 & 0x1F != 0 {
            value |= FEX;
        }
        self.fpscr = value;
    }

    /// The five bits that tell the class of a result or the outcome of a comparison.
    #[inline(always)]
    pub(crate) fn set_result_class(&mut self, class: u32) {
        self.fpscr = self.fpscr & !(0x1F << RESULT_CLASS_SHIFT) | class << RESULT_CLASS_SHIFT;
    }

    /// A comparison writes the low four of the five bits only.
    #[inline(always)]
    pub(crate) fn set_condition_code(&mut self, code: u32) {
        self.fpscr = self.fpscr & !(0xF << RESULT_CLASS_SHIFT) | code << RESULT_CLASS_SHIFT;
    }

    /// cr1 of a record form: the exception summaries.
    #[inline(always)]
    pub(crate) fn record_exceptions(&mut self, rc: bool) {
        if rc {
            self.set_cr_field(24, self.fpscr >> 28);
        }
    }
}

/// mffs frD
pub(crate) fn mffs(cpu: &mut Cpu, op: Float) {
    cpu.fpr[op.d.index()] = cpu.fpscr.into();
    cpu.record_exceptions(op.rc);
}

/// mcrfs crfD,crfS: the exceptions that it copies are cleared
pub(crate) fn mcrfs(cpu: &mut Cpu, op: CrFields) {
    cpu.set_cr_field(op.d, cpu.fpscr >> (op.s & 31) & 0xF);
    let copied = 0xF << (op.s & 31);
    cpu.set_fpscr(cpu.fpscr & !(copied & (EXCEPTIONS | FX)));
}

/// mtfsf FM,frB
pub(crate) fn mtfsf(cpu: &mut Cpu, op: FpscrFields) {
    let value = cpu.fpr[op.b.index()] as u32;
    cpu.set_fpscr(cpu.fpscr & !op.mask | value & op.mask);
    cpu.record_exceptions(op.rc);
}

/// mtfsfi crfD,IMM; mtfsb0 crbD; mtfsb1 crbD
pub(crate) fn mtfsfi(cpu: &mut Cpu, op: FpscrImmediate) {
    let (mask, value) = (u32::from(op.mask) << (op.field & 31), u32::from(op.value) << (op.field & 31));
    let risen = op.mask.count_ones() == 1 && value & EXCEPTIONS & !cpu.fpscr != 0;
    let summary = if risen { FX } else { 0 };
    cpu.set_fpscr(cpu.fpscr & !mask | value | summary);
    cpu.record_exceptions(op.rc);
}
