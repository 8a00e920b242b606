//! Floating-point moves, conversions and comparisons.

use crate::cpu::Cpu;
use crate::interpreter::format::{is_signalling, quieted};
use crate::interpreter::fpscr::{OX, VXCVI, VXSNAN, VXVC};
use crate::op::{Compare, Float};

const SIGN: u64 = 1 << 63;

/// fmr frD,frB
#[inline(always)]
pub(crate) fn fmr(cpu: &mut Cpu, op: Float) {
    unary(cpu, op, |b| b);
}

/// fneg frD,frB
#[inline(always)]
pub(crate) fn fneg(cpu: &mut Cpu, op: Float) {
    unary(cpu, op, |b| b ^ SIGN);
}

/// fabs frD,frB
#[inline(always)]
pub(crate) fn fabs(cpu: &mut Cpu, op: Float) {
    unary(cpu, op, |b| b & !SIGN);
}

/// fnabs frD,frB
#[inline(always)]
pub(crate) fn fnabs(cpu: &mut Cpu, op: Float) {
    unary(cpu, op, |b| b | SIGN);
}

/// A copy of bits, which looks at no NaN.
#[inline(always)]
fn unary(cpu: &mut Cpu, op: Float, f: impl Fn(u64) -> u64) {
    cpu.fpr[op.d.index()] = f(cpu.fpr[op.b.index()]);
    cpu.record_exceptions(op.rc);
}

/// fsel frD,frA,frC,frB: C if A is at least zero, of either sign, else B, also if A is a NaN
pub(crate) fn fsel(cpu: &mut Cpu, op: Float) {
    let chosen = if cpu.double(op.a) >= 0.0 { op.c } else { op.b };
    cpu.fpr[op.d.index()] = cpu.fpr[chosen.index()];
    cpu.record_exceptions(op.rc);
}

/// frsp frD,frB
pub(crate) fn frsp(cpu: &mut Cpu, op: Float) {
    let b = cpu.double(op.b);
    let bits = if b.is_nan() {
        raise_if_signalling(cpu, b);
        quieted::<true>(b.to_bits())
    } else {
        let rounded = f64::from(b as f32);
        if rounded.is_infinite() && b.is_finite() {
            cpu.raise(OX);
        }
        rounded.to_bits()
    };
    cpu.set_double::<true>(op.d, bits);
    cpu.record_exceptions(op.rc);
}

/// fctiw frD,frB: rounded as FPSCR says
pub(crate) fn fctiw(cpu: &mut Cpu, op: Float) {
    to_word(cpu, op, rounded_by_mode(cpu, op));
}

/// fctiwz frD,frB: rounded towards zero
pub(crate) fn fctiwz(cpu: &mut Cpu, op: Float) {
    to_word(cpu, op, cpu.double(op.b).trunc());
}

/// fctid frD,frB: rounded as FPSCR says
pub(crate) fn fctid(cpu: &mut Cpu, op: Float) {
    to_doubleword(cpu, op, rounded_by_mode(cpu, op));
}

/// fctidz frD,frB: rounded towards zero
pub(crate) fn fctidz(cpu: &mut Cpu, op: Float) {
    to_doubleword(cpu, op, cpu.double(op.b).trunc());
}

/// fcfid frD,frB
pub(crate) fn fcfid(cpu: &mut Cpu, op: Float) {
    let bits = (cpu.fpr[op.b.index()] as i64 as f64).to_bits();
    cpu.set_double::<false>(op.d, bits);
    cpu.record_exceptions(op.rc);
}

/// The RN field: nearest, towards zero, up, down.
fn rounded_by_mode(cpu: &Cpu, op: Float) -> f64 {
    let b = cpu.double(op.b);
    match cpu.fpscr & 3 {
        0 => b.round_ties_even(),
        1 => b.trunc(),
        2 => b.ceil(),
        _ => b.floor(),
    }
}

/// The manual leaves the high word undefined; here it is what the older machines write.
fn to_word(cpu: &mut Cpu, op: Float, rounded: f64) {
    let fits = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&rounded);
    let integer = if rounded.is_nan() { i32::MIN } else { rounded as i32 };
    write_integer(cpu, op, fits, 0xFFF8_0000 << 32 | u64::from(integer as u32));
}

fn to_doubleword(cpu: &mut Cpu, op: Float, rounded: f64) {
    // The largest double below 2^63 is far below i64::MAX, so the upper bound is exclusive.
    let fits = (i64::MIN as f64..-(i64::MIN as f64)).contains(&rounded);
    let integer = if rounded.is_nan() { i64::MIN } else { rounded as i64 };
    write_integer(cpu, op, fits, integer as u64);
}

fn write_integer(cpu: &mut Cpu, op: Float, fits: bool, bits: u64) {
    if !fits {
        raise_if_signalling(cpu, cpu.double(op.b));
        cpu.raise(VXCVI);
    }
    cpu.fpr[op.d.index()] = bits;
    cpu.record_exceptions(op.rc);
}

/// fcmpu crfD,frA,frB
#[inline(always)]
pub(crate) fn fcmpu(cpu: &mut Cpu, op: Compare) {
    compare(cpu, op, 0);
}

/// fcmpo crfD,frA,frB
#[inline(always)]
pub(crate) fn fcmpo(cpu: &mut Cpu, op: Compare) {
    compare(cpu, op, VXVC);
}

/// `unordered` is raised if an operand is a NaN.
#[inline(always)]
fn compare(cpu: &mut Cpu, op: Compare, unordered: u32) {
    let (a, b) = (cpu.double(op.a), cpu.double(op.b));
    let order = u32::from(a < b) << 3 | u32::from(a > b) << 2 | u32::from(a == b) << 1;
    let order = if order == 0 { 1 } else { order };
    if order == 1 {
        raise_if_signalling(cpu, a);
        raise_if_signalling(cpu, b);
        cpu.raise(unordered);
    }
    cpu.set_condition_code(order);
    cpu.set_cr_field(op.field, order);
}

#[cold]
fn raise_if_signalling(cpu: &mut Cpu, x: f64) {
    if is_signalling(x.to_bits()) {
        cpu.raise(VXSNAN);
    }
}
