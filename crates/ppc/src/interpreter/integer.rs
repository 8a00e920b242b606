//! Fixed-point arithmetic and comparisons.
//!
//! The operands are 64 bits wide; carry, overflow and the recorded comparison are those of the low 32. `OE` is the
//! overflow-enable bit.

use crate::cpu::Cpu;
use crate::op::{Compare, CompareImmediate, Immediate, Reg, Triple};

/// addi rD,rA,SIMM; addis
#[inline(always)]
pub(crate) fn addi(cpu: &mut Cpu, op: Immediate) {
    cpu.gpr[op.d.index()] = cpu.base(op.a).wrapping_add(i64::from(op.imm) as u64);
}

/// addic rD,rA,SIMM; addic.
#[inline(always)]
pub(crate) fn addic<const RC: bool>(cpu: &mut Cpu, op: Immediate) {
    let sum = add_carrying(cpu, cpu.gpr[op.a.index()], i64::from(op.imm) as u64, 0);
    cpu.set(op.d, sum, RC);
}

/// subfic rD,rA,SIMM
#[inline(always)]
pub(crate) fn subfic(cpu: &mut Cpu, op: Immediate) {
    let difference = add_carrying(cpu, !cpu.gpr[op.a.index()], i64::from(op.imm) as u64, 1);
    cpu.set(op.d, difference, false);
}

/// mulli rD,rA,SIMM
#[inline(always)]
pub(crate) fn mulli(cpu: &mut Cpu, op: Immediate) {
    cpu.gpr[op.d.index()] = cpu.gpr[op.a.index()].wrapping_mul(i64::from(op.imm) as u64);
}

/// add rD,rA,rB
#[inline(always)]
pub(crate) fn add<const OE: bool>(cpu: &mut Cpu, op: Triple) {
    let (a, b) = operands(cpu, op);
    finish::<OE>(cpu, op, a.wrapping_add(b), |sum| sum_overflows(a, b, sum));
}

/// addc rD,rA,rB
#[inline(always)]
pub(crate) fn addc<const OE: bool>(cpu: &mut Cpu, op: Triple) {
    let (a, b) = operands(cpu, op);
    let sum = add_carrying(cpu, a, b, 0);
    finish::<OE>(cpu, op, sum, |sum| sum_overflows(a, b, sum));
}

/// adde rD,rA,rB
#[inline(always)]
pub(crate) fn adde<const OE: bool>(cpu: &mut Cpu, op: Triple) {
    let (a, b) = operands(cpu, op);
    add_extended::<OE>(cpu, op, a, b);
}

/// addme rD,rA
#[inline(always)]
pub(crate) fn addme<const OE: bool>(cpu: &mut Cpu, op: Triple) {
    add_extended::<OE>(cpu, op, cpu.gpr[op.a.index()], u64::MAX);
}

/// addze rD,rA
#[inline(always)]
pub(crate) fn addze<const OE: bool>(cpu: &mut Cpu, op: Triple) {
    add_extended::<OE>(cpu, op, cpu.gpr[op.a.index()], 0);
}

/// subf rD,rA,rB
#[inline(always)]
pub(crate) fn subf<const OE: bool>(cpu: &mut Cpu, op: Triple) {
    let (a, b) = operands(cpu, op);
    finish::<OE>(cpu, op, b.wrapping_sub(a), |difference| sum_overflows(!a, b, difference));
}

/// subfc rD,rA,rB
#[inline(always)]
pub(crate) fn subfc<const OE: bool>(cpu: &mut Cpu, op: Triple) {
    let (a, b) = operands(cpu, op);
    let difference = add_carrying(cpu, !a, b, 1);
    finish::<OE>(cpu, op, difference, |difference| sum_overflows(!a, b, difference));
}

/// subfe rD,rA,rB
#[inline(always)]
pub(crate) fn subfe<const OE: bool>(cpu: &mut Cpu, op: Triple) {
    let (a, b) = operands(cpu, op);
    add_extended::<OE>(cpu, op, !a, b);
}

/// subfme rD,rA
#[inline(always)]
pub(crate) fn subfme<const OE: bool>(cpu: &mut Cpu, op: Triple) {
    add_extended::<OE>(cpu, op, !cpu.gpr[op.a.index()], u64::MAX);
}

/// subfze rD,rA
#[inline(always)]
pub(crate) fn subfze<const OE: bool>(cpu: &mut Cpu, op: Triple) {
    add_extended::<OE>(cpu, op, !cpu.gpr[op.a.index()], 0);
}

/// neg rD,rA
#[inline(always)]
pub(crate) fn neg<const OE: bool>(cpu: &mut Cpu, op: Triple) {
    let a = cpu.gpr[op.a.index()];
    finish::<OE>(cpu, op, a.wrapping_neg(), |_| a as u32 == 1 << 31);
}

/// mullw rD,rA,rB
#[inline(always)]
pub(crate) fn mullw<const OE: bool>(cpu: &mut Cpu, op: Triple) {
    let (a, b) = operands(cpu, op);
    let product = i64::from(a as i32) * i64::from(b as i32);
    finish::<OE>(cpu, op, product as u64, |_| i32::try_from(product).is_err());
}

/// mulhw rD,rA,rB; the manual leaves the high half of rD undefined, here it is 0.
#[inline(always)]
pub(crate) fn mulhw(cpu: &mut Cpu, op: Triple) {
    let (a, b) = operands(cpu, op);
    let product = i64::from(a as i32) * i64::from(b as i32);
    cpu.set(op.d, product as u64 >> 32, op.rc);
}

/// mulhwu rD,rA,rB
#[inline(always)]
pub(crate) fn mulhwu(cpu: &mut Cpu, op: Triple) {
    let (a, b) = operands(cpu, op);
    cpu.set(op.d, (u64::from(a as u32) * u64::from(b as u32)) >> 32, op.rc);
}

/// divw rD,rA,rB; a quotient that does not exist is 0, which the manual leaves undefined.
#[inline(always)]
pub(crate) fn divw<const OE: bool>(cpu: &mut Cpu, op: Triple) {
    let (a, b) = operands(cpu, op);
    let quotient = (a as i32).checked_div(b as i32);
    finish::<OE>(cpu, op, u64::from(quotient.unwrap_or(0) as u32), |_| quotient.is_none());
}

/// divwu rD,rA,rB
#[inline(always)]
pub(crate) fn divwu<const OE: bool>(cpu: &mut Cpu, op: Triple) {
    let (a, b) = operands(cpu, op);
    let quotient = (a as u32).checked_div(b as u32);
    finish::<OE>(cpu, op, quotient.unwrap_or(0).into(), |_| quotient.is_none());
}

/// mulld rD,rA,rB
#[inline(always)]
pub(crate) fn mulld<const OE: bool>(cpu: &mut Cpu, op: Triple) {
    let (a, b) = operands(cpu, op);
    finish::<OE>(cpu, op, a.wrapping_mul(b), |_| (a as i64).checked_mul(b as i64).is_none());
}

/// mulhd rD,rA,rB
#[inline(always)]
pub(crate) fn mulhd(cpu: &mut Cpu, op: Triple) {
    let (a, b) = operands(cpu, op);
    let product = i128::from(a as i64) * i128::from(b as i64);
    cpu.set(op.d, (product >> 64) as u64, op.rc);
}

/// mulhdu rD,rA,rB
#[inline(always)]
pub(crate) fn mulhdu(cpu: &mut Cpu, op: Triple) {
    let (a, b) = operands(cpu, op);
    cpu.set(op.d, ((u128::from(a) * u128::from(b)) >> 64) as u64, op.rc);
}

/// divd rD,rA,rB
#[inline(always)]
pub(crate) fn divd<const OE: bool>(cpu: &mut Cpu, op: Triple) {
    let (a, b) = operands(cpu, op);
    let quotient = (a as i64).checked_div(b as i64);
    finish::<OE>(cpu, op, quotient.unwrap_or(0) as u64, |_| quotient.is_none());
}

/// divdu rD,rA,rB
#[inline(always)]
pub(crate) fn divdu<const OE: bool>(cpu: &mut Cpu, op: Triple) {
    let (a, b) = operands(cpu, op);
    let quotient = a.checked_div(b);
    finish::<OE>(cpu, op, quotient.unwrap_or(0), |_| quotient.is_none());
}

/// cmpw crfD,rA,rB
#[inline(always)]
pub(crate) fn cmpw(cpu: &mut Cpu, op: Compare) {
    cpu.compare(op.field, cpu.gpr[op.a.index()] as i32, cpu.gpr[op.b.index()] as i32);
}

/// cmplw crfD,rA,rB
#[inline(always)]
pub(crate) fn cmplw(cpu: &mut Cpu, op: Compare) {
    cpu.compare(op.field, cpu.gpr[op.a.index()] as u32, cpu.gpr[op.b.index()] as u32);
}

/// cmpd crfD,rA,rB
#[inline(always)]
pub(crate) fn cmpd(cpu: &mut Cpu, op: Compare) {
    cpu.compare(op.field, cpu.gpr[op.a.index()] as i64, cpu.gpr[op.b.index()] as i64);
}

/// cmpld crfD,rA,rB
#[inline(always)]
pub(crate) fn cmpld(cpu: &mut Cpu, op: Compare) {
    cpu.compare(op.field, cpu.gpr[op.a.index()], cpu.gpr[op.b.index()]);
}

/// cmpwi crfD,rA,SIMM
#[inline(always)]
pub(crate) fn cmpwi(cpu: &mut Cpu, op: CompareImmediate) {
    cpu.compare(op.field, cpu.gpr[op.a.index()] as i32, op.imm);
}

/// cmplwi crfD,rA,UIMM
#[inline(always)]
pub(crate) fn cmplwi(cpu: &mut Cpu, op: CompareImmediate) {
    cpu.compare(op.field, cpu.gpr[op.a.index()] as u32, op.imm as u32);
}

/// cmpdi crfD,rA,SIMM
#[inline(always)]
pub(crate) fn cmpdi(cpu: &mut Cpu, op: CompareImmediate) {
    cpu.compare(op.field, cpu.gpr[op.a.index()] as i64, op.imm.into());
}

/// cmpldi crfD,rA,UIMM
#[inline(always)]
pub(crate) fn cmpldi(cpu: &mut Cpu, op: CompareImmediate) {
    cpu.compare(op.field, cpu.gpr[op.a.index()], u64::from(op.imm as u32));
}

#[inline(always)]
fn operands(cpu: &Cpu, op: Triple) -> (u64, u64) {
    (cpu.gpr[op.a.index()], cpu.gpr[op.b.index()])
}

/// Writes the result, and what the overflow-enable and record bits ask for.
#[inline(always)]
fn finish<const OE: bool>(cpu: &mut Cpu, op: Triple, result: u64, overflows: impl Fn(u64) -> bool) {
    if OE {
        cpu.set_overflow(overflows(result));
    }
    cpu.set(op.d, result, op.rc);
}

/// `a + b + CA` in 64 bits, with the carry out of the low 32 left in CA.
#[inline(always)]
fn add_extended<const OE: bool>(cpu: &mut Cpu, op: Triple, a: u64, b: u64) {
    let sum = add_carrying(cpu, a, b, cpu.carry());
    finish::<OE>(cpu, op, sum, |sum| sum_overflows(a, b, sum));
}

#[inline(always)]
fn add_carrying(cpu: &mut Cpu, a: u64, b: u64, carry: u64) -> u64 {
    let low = u64::from(a as u32) + u64::from(b as u32) + carry;
    cpu.set_carry(low >> 32 != 0);
    a.wrapping_add(b).wrapping_add(carry)
}

/// Whether the low halves, added as signed numbers, left 32 bits: both differ in sign from the sum.
#[inline(always)]
fn sum_overflows(a: u64, b: u64, sum: u64) -> bool {
    ((a ^ sum) & (b ^ sum)) as u32 >> 31 != 0
}

impl Cpu {
    /// `(rA|0)`.
    #[inline(always)]
    pub(crate) fn base(&self, a: Reg) -> u64 {
        if a.index() == 0 { 0 } else { self.gpr[a.index()] }
    }

    /// Writes a general register, and cr0 if the record bit asks for it.
    #[inline(always)]
    pub(crate) fn set(&mut self, d: Reg, value: u64, rc: bool) {
        self.gpr[d.index()] = value;
        if rc {
            self.compare(28, value as i32, 0);
        }
    }

    #[inline(always)]
    pub(crate) fn compare<T: Ord>(&mut self, field: u8, a: T, b: T) {
        let order = u32::from(a < b) << 3 | u32::from(a > b) << 2 | u32::from(a == b) << 1;
        self.set_cr_field(field, order | self.xer >> 31);
    }

    /// Replaces the four bits of CR at shift `field`.
    #[inline(always)]
    pub(crate) fn set_cr_field(&mut self, field: u8, bits: u32) {
        self.cr = self.cr & !(0xF << (field & 31)) | bits << (field & 31);
    }

    #[inline(always)]
    pub(crate) fn carry(&self) -> u64 {
        u64::from(self.xer & XER_CA != 0)
    }

    #[inline(always)]
    pub(crate) fn set_carry(&mut self, carry: bool) {
        self.xer = self.xer & !XER_CA | if carry { XER_CA } else { 0 };
    }

    fn set_overflow(&mut self, overflow: bool) {
        self.xer = self.xer & !XER_OV | if overflow { XER_SO | XER_OV } else { 0 };
    }
}

const XER_SO: u32 = 1 << 31;
const XER_OV: u32 = 1 << 30;
const XER_CA: u32 = 1 << 29;
