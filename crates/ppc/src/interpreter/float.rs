//! Floating-point arithmetic.
//!
//! The host's own arithmetic, rounded to nearest, does the work: it is IEEE 754 as the guest's is. Results that are no
//! finite number go a slow way, in which the NaN rules of this machine hold: the first operand that is a NaN, in the
//! order A, B, C, made quiet; else the default NaN. `SINGLE` forms round to single precision; their operands must be
//! singles, as the manual asks.

use crate::cpu::Cpu;
use crate::interpreter::format::{DEFAULT_NAN, class, is_signalling, quieted};
use crate::interpreter::fpscr::{OX, VXIDI, VXIMZ, VXISI, VXSNAN, VXSQRT, VXZDZ, ZX};
use crate::op::{Float, Reg};

/// fadd frD,frA,frB; fadds
#[inline(always)]
pub(crate) fn fadd<const SINGLE: bool>(cpu: &mut Cpu, op: Float) {
    let (a, b) = (cpu.double(op.a), cpu.double(op.b));
    finish::<SINGLE, 2>(cpu, op, a + b, [a, b], || VXISI);
}

/// fsub frD,frA,frB; fsubs
#[inline(always)]
pub(crate) fn fsub<const SINGLE: bool>(cpu: &mut Cpu, op: Float) {
    let (a, b) = (cpu.double(op.a), cpu.double(op.b));
    finish::<SINGLE, 2>(cpu, op, a - b, [a, b], || VXISI);
}

/// fmul frD,frA,frC; fmuls
#[inline(always)]
pub(crate) fn fmul<const SINGLE: bool>(cpu: &mut Cpu, op: Float) {
    let (a, c) = (cpu.double(op.a), cpu.double(op.c));
    finish::<SINGLE, 2>(cpu, op, a * c, [a, c], || VXIMZ);
}

/// fdiv frD,frA,frB; fdivs
#[inline(always)]
pub(crate) fn fdiv<const SINGLE: bool>(cpu: &mut Cpu, op: Float) {
    let (a, b) = (cpu.double(op.a), cpu.double(op.b));
    finish::<SINGLE, 2>(cpu, op, a / b, [a, b], || match (a, b) {
        (_, 0.0) if a != 0.0 => ZX,
        (_, 0.0) => VXZDZ,
        _ => VXIDI,
    });
}

/// fsqrt frD,frB; fsqrts
#[inline(always)]
pub(crate) fn fsqrt<const SINGLE: bool>(cpu: &mut Cpu, op: Float) {
    let b = cpu.double(op.b);
    finish::<SINGLE, 1>(cpu, op, b.sqrt(), [b], || VXSQRT);
}

/// fres frD,frB: an estimate on the real machine, here the correctly rounded single
pub(crate) fn fres(cpu: &mut Cpu, op: Float) {
    let b = cpu.double(op.b);
    finish::<true, 1>(cpu, op, 1.0 / b, [b], || if b == 0.0 { ZX } else { OX });
}

/// frsqrte frD,frB: an estimate on the real machine, here two correctly rounded steps
pub(crate) fn frsqrte(cpu: &mut Cpu, op: Float) {
    let b = cpu.double(op.b);
    finish::<false, 1>(cpu, op, 1.0 / b.sqrt(), [b], || if b == 0.0 { ZX } else { VXSQRT });
}

/// fmadd frD,frA,frC,frB; fmadds
pub(crate) fn fmadd<const SINGLE: bool>(cpu: &mut Cpu, op: Float) {
    multiply_add::<SINGLE>(cpu, op, |b| b, |result| result);
}

/// fmsub frD,frA,frC,frB; fmsubs
pub(crate) fn fmsub<const SINGLE: bool>(cpu: &mut Cpu, op: Float) {
    multiply_add::<SINGLE>(cpu, op, |b| -b, |result| result);
}

/// fnmadd frD,frA,frC,frB; fnmadds
pub(crate) fn fnmadd<const SINGLE: bool>(cpu: &mut Cpu, op: Float) {
    multiply_add::<SINGLE>(cpu, op, |b| b, |result| -result);
}

/// fnmsub frD,frA,frC,frB; fnmsubs
pub(crate) fn fnmsub<const SINGLE: bool>(cpu: &mut Cpu, op: Float) {
    multiply_add::<SINGLE>(cpu, op, |b| -b, |result| -result);
}

/// `negate(a * c + addend(b))`, rounded once. Signs of NaNs are left alone: they are taken from the operands.
#[inline(always)]
fn multiply_add<const SINGLE: bool>(
    cpu: &mut Cpu,
    op: Float,
    addend: impl Fn(f64) -> f64,
    negate: impl Fn(f64) -> f64,
) {
    let (a, b, c) = (cpu.double(op.a), cpu.double(op.b), cpu.double(op.c));
    // Rounding a double sum to single would round twice, so singles are added as singles.
    let result = if SINGLE && [a, b, c].iter().all(|&x| is_single(x)) {
        f64::from((a as f32).mul_add(c as f32, addend(b) as f32))
    } else {
        a.mul_add(c, addend(b))
    };
    finish::<SINGLE, 3>(cpu, op, negate(result), [a, b, c], || {
        if (a == 0.0 && c.is_infinite()) || (a.is_infinite() && c == 0.0) { VXIMZ } else { VXISI }
    });
}

#[inline(always)]
fn is_single(x: f64) -> bool {
    f64::from(x as f32) == x
}

/// Rounds `result` and writes it. `exception` is what to raise if a result that is not finite came of operands that do
/// not explain it: of finite ones, or of no NaN.
#[inline(always)]
fn finish<const SINGLE: bool, const N: usize>(
    cpu: &mut Cpu,
    op: Float,
    result: f64,
    operands: [f64; N],
    exception: impl FnOnce() -> u32,
) {
    let rounded = if SINGLE { f64::from(result as f32) } else { result };
    let bits = if rounded.is_finite() {
        rounded.to_bits()
    } else {
        special::<SINGLE>(cpu, rounded, &operands, exception())
    };
    cpu.set_double::<SINGLE>(op.d, bits);
    cpu.record_exceptions(op.rc);
}

/// A result that is infinite or not a number: the bits to write. Raises the exceptions.
#[cold]
fn special<const SINGLE: bool>(cpu: &mut Cpu, result: f64, operands: &[f64], exception: u32) -> u64 {
    if result.is_nan() {
        return nan::<SINGLE>(cpu, operands, exception);
    }
    if operands.iter().all(|operand| operand.is_finite()) {
        cpu.raise(if exception == ZX { ZX } else { OX });
    }
    result.to_bits()
}

fn nan<const SINGLE: bool>(cpu: &mut Cpu, operands: &[f64], exception: u32) -> u64 {
    if operands.iter().any(|operand| is_signalling(operand.to_bits())) {
        cpu.raise(VXSNAN);
    }
    match operands.iter().find(|operand| operand.is_nan()) {
        Some(first) => {
            // Infinity times zero is invalid even when a NaN is added to it.
            if exception == VXIMZ && operands.len() == 3 {
                cpu.raise(VXIMZ);
            }
            quieted::<SINGLE>(first.to_bits())
        }
        None => {
            cpu.raise(exception);
            DEFAULT_NAN
        }
    }
}

impl Cpu {
    #[inline(always)]
    pub(crate) fn double(&self, register: Reg) -> f64 {
        f64::from_bits(self.fpr[register.index()])
    }

    /// Writes a result and its class.
    #[inline(always)]
    pub(crate) fn set_double<const SINGLE: bool>(&mut self, register: Reg, bits: u64) {
        self.fpr[register.index()] = bits;
        self.set_result_class(class::<SINGLE>(bits));
    }
}
