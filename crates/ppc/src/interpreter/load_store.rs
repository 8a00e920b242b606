//! Loads and stores of bytes to doublewords, and of floating-point registers.
//!
//! Each function serves the form with a displacement and the one with an index. The forms with update write the
//! effective address to rA, after a load has written rD: the decoder refuses the forms in which the two are one.

use crate::cpu::Cpu;
use crate::interpreter::format::{double_to_single, single_to_double};
use crate::memory::{Memory, MemoryFault};
use crate::op::{Immediate, Reg, Triple};

type Done = Result<(), MemoryFault>;

/// Operands that make an effective address.
pub(crate) trait Addressed: Copy {
    /// The register that is loaded or stored.
    fn d(self) -> Reg;
    /// The base register, which an update writes.
    fn a(self) -> Reg;
    /// The effective address, truncated to 32 bits.
    fn address(self, cpu: &Cpu) -> u32;
}

impl Addressed for Immediate {
    #[inline(always)]
    fn d(self) -> Reg {
        self.d
    }

    #[inline(always)]
    fn a(self) -> Reg {
        self.a
    }

    #[inline(always)]
    fn address(self, cpu: &Cpu) -> u32 {
        (cpu.base(self.a) as u32).wrapping_add(self.imm as u32)
    }
}

impl Addressed for Triple {
    #[inline(always)]
    fn d(self) -> Reg {
        self.d
    }

    #[inline(always)]
    fn a(self) -> Reg {
        self.a
    }

    #[inline(always)]
    fn address(self, cpu: &Cpu) -> u32 {
        (cpu.base(self.a) as u32).wrapping_add(cpu.gpr[self.b.index()] as u32)
    }
}

#[inline(always)]
fn update(cpu: &mut Cpu, op: impl Addressed, address: u32) {
    cpu.gpr[op.a().index()] = address.into();
}

/// lbz rD,d(rA); lbzx rD,rA,rB
#[inline(always)]
pub(crate) fn lbz(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    cpu.gpr[op.d().index()] = memory.read_u8(address)?.into();
    Ok(())
}

/// lbzu rD,d(rA); lbzux rD,rA,rB
#[inline(always)]
pub(crate) fn lbzu(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    cpu.gpr[op.d().index()] = memory.read_u8(address)?.into();
    update(cpu, op, address);
    Ok(())
}

/// lhz rD,d(rA); lhzx rD,rA,rB
#[inline(always)]
pub(crate) fn lhz(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    cpu.gpr[op.d().index()] = memory.read_u16(address)?.into();
    Ok(())
}

/// lhzu rD,d(rA); lhzux rD,rA,rB
#[inline(always)]
pub(crate) fn lhzu(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    cpu.gpr[op.d().index()] = memory.read_u16(address)?.into();
    update(cpu, op, address);
    Ok(())
}

/// lha rD,d(rA); lhax rD,rA,rB
#[inline(always)]
pub(crate) fn lha(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    cpu.gpr[op.d().index()] = memory.read_u16(address)? as i16 as u64;
    Ok(())
}

/// lhau rD,d(rA); lhaux rD,rA,rB
#[inline(always)]
pub(crate) fn lhau(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    cpu.gpr[op.d().index()] = memory.read_u16(address)? as i16 as u64;
    update(cpu, op, address);
    Ok(())
}

/// lwz rD,d(rA); lwzx rD,rA,rB
#[inline(always)]
pub(crate) fn lwz(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    cpu.gpr[op.d().index()] = memory.read_u32(address)?.into();
    Ok(())
}

/// lwzu rD,d(rA); lwzux rD,rA,rB
#[inline(always)]
pub(crate) fn lwzu(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    cpu.gpr[op.d().index()] = memory.read_u32(address)?.into();
    update(cpu, op, address);
    Ok(())
}

/// lwa rD,d(rA); lwax rD,rA,rB
#[inline(always)]
pub(crate) fn lwa(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    cpu.gpr[op.d().index()] = memory.read_u32(address)? as i32 as u64;
    Ok(())
}

/// lwaux rD,rA,rB
#[inline(always)]
pub(crate) fn lwaux(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    cpu.gpr[op.d().index()] = memory.read_u32(address)? as i32 as u64;
    update(cpu, op, address);
    Ok(())
}

/// ld rD,d(rA); ldx rD,rA,rB
#[inline(always)]
pub(crate) fn ld(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    cpu.gpr[op.d().index()] = memory.read_u64(address)?;
    Ok(())
}

/// ldu rD,d(rA); ldux rD,rA,rB
#[inline(always)]
pub(crate) fn ldu(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    cpu.gpr[op.d().index()] = memory.read_u64(address)?;
    update(cpu, op, address);
    Ok(())
}

/// stb rS,d(rA); stbx rS,rA,rB
#[inline(always)]
pub(crate) fn stb(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    memory.write_u8(op.address(cpu), cpu.gpr[op.d().index()] as u8)
}

/// stbu rS,d(rA); stbux rS,rA,rB
#[inline(always)]
pub(crate) fn stbu(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    stb(cpu, memory, op)?;
    update(cpu, op, address);
    Ok(())
}

/// sth rS,d(rA); sthx rS,rA,rB
#[inline(always)]
pub(crate) fn sth(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    memory.write_u16(op.address(cpu), cpu.gpr[op.d().index()] as u16)
}

/// sthu rS,d(rA); sthux rS,rA,rB
#[inline(always)]
pub(crate) fn sthu(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    sth(cpu, memory, op)?;
    update(cpu, op, address);
    Ok(())
}

/// stw rS,d(rA); stwx rS,rA,rB
#[inline(always)]
pub(crate) fn stw(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    memory.write_u32(op.address(cpu), cpu.gpr[op.d().index()] as u32)
}

/// stwu rS,d(rA); stwux rS,rA,rB
#[inline(always)]
pub(crate) fn stwu(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    stw(cpu, memory, op)?;
    update(cpu, op, address);
    Ok(())
}

/// std rS,d(rA); stdx rS,rA,rB
#[inline(always)]
pub(crate) fn std(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    memory.write_u64(op.address(cpu), cpu.gpr[op.d().index()])
}

/// stdu rS,d(rA); stdux rS,rA,rB
#[inline(always)]
pub(crate) fn stdu(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    std(cpu, memory, op)?;
    update(cpu, op, address);
    Ok(())
}

/// lfs frD,d(rA); lfsx frD,rA,rB
#[inline(always)]
pub(crate) fn lfs(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    cpu.fpr[op.d().index()] = single_to_double(memory.read_u32(address)?);
    Ok(())
}

/// lfsu frD,d(rA); lfsux frD,rA,rB
#[inline(always)]
pub(crate) fn lfsu(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    cpu.fpr[op.d().index()] = single_to_double(memory.read_u32(address)?);
    update(cpu, op, address);
    Ok(())
}

/// lfd frD,d(rA); lfdx frD,rA,rB
#[inline(always)]
pub(crate) fn lfd(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    cpu.fpr[op.d().index()] = memory.read_u64(address)?;
    Ok(())
}

/// lfdu frD,d(rA); lfdux frD,rA,rB
#[inline(always)]
pub(crate) fn lfdu(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    cpu.fpr[op.d().index()] = memory.read_u64(address)?;
    update(cpu, op, address);
    Ok(())
}

/// stfs frS,d(rA); stfsx frS,rA,rB
#[inline(always)]
pub(crate) fn stfs(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    memory.write_u32(op.address(cpu), double_to_single(cpu.fpr[op.d().index()]))
}

/// stfsu frS,d(rA); stfsux frS,rA,rB
#[inline(always)]
pub(crate) fn stfsu(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    stfs(cpu, memory, op)?;
    update(cpu, op, address);
    Ok(())
}

/// stfd frS,d(rA); stfdx frS,rA,rB
#[inline(always)]
pub(crate) fn stfd(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    memory.write_u64(op.address(cpu), cpu.fpr[op.d().index()])
}

/// stfdu frS,d(rA); stfdux frS,rA,rB
#[inline(always)]
pub(crate) fn stfdu(cpu: &mut Cpu, memory: &Memory, op: impl Addressed) -> Done {
    let address = op.address(cpu);
    stfd(cpu, memory, op)?;
    update(cpu, op, address);
    Ok(())
}

/// stfiwx frS,rA,rB
#[inline(always)]
pub(crate) fn stfiwx(cpu: &mut Cpu, memory: &Memory, op: Triple) -> Done {
    memory.write_u32(op.address(cpu), cpu.fpr[op.d.index()] as u32)
}
