//! Byte-reversed, multiple and string accesses, and clearing a cache block.
//!
//! A load reads all of its bytes before it writes a register, so a fault leaves the registers as they were.

use crate::cpu::Cpu;
use crate::interpreter::load_store::Addressed;
use crate::memory::{Memory, MemoryFault};
use crate::op::{Immediate, Reg, StringImmediate, Triple};

type Done = Result<(), MemoryFault>;

/// lhbrx rD,rA,rB
pub(crate) fn lhbrx(cpu: &mut Cpu, memory: &Memory, op: Triple) -> Done {
    cpu.gpr[op.d.index()] = memory.read_u16(op.address(cpu))?.swap_bytes().into();
    Ok(())
}

/// lwbrx rD,rA,rB
pub(crate) fn lwbrx(cpu: &mut Cpu, memory: &Memory, op: Triple) -> Done {
    cpu.gpr[op.d.index()] = memory.read_u32(op.address(cpu))?.swap_bytes().into();
    Ok(())
}

/// ldbrx rD,rA,rB
pub(crate) fn ldbrx(cpu: &mut Cpu, memory: &Memory, op: Triple) -> Done {
    cpu.gpr[op.d.index()] = memory.read_u64(op.address(cpu))?.swap_bytes();
    Ok(())
}

/// sthbrx rS,rA,rB
pub(crate) fn sthbrx(cpu: &mut Cpu, memory: &Memory, op: Triple) -> Done {
    memory.write_u16(op.address(cpu), (cpu.gpr[op.d.index()] as u16).swap_bytes())
}

/// stwbrx rS,rA,rB
pub(crate) fn stwbrx(cpu: &mut Cpu, memory: &Memory, op: Triple) -> Done {
    memory.write_u32(op.address(cpu), (cpu.gpr[op.d.index()] as u32).swap_bytes())
}

/// stdbrx rS,rA,rB
pub(crate) fn stdbrx(cpu: &mut Cpu, memory: &Memory, op: Triple) -> Done {
    memory.write_u64(op.address(cpu), cpu.gpr[op.d.index()].swap_bytes())
}

/// lmw rD,d(rA): rD to r31
pub(crate) fn lmw(cpu: &mut Cpu, memory: &Memory, op: Immediate) -> Done {
    let address = op.address(cpu);
    let mut loaded = cpu.gpr;
    for (offset, register) in (0u32..).step_by(4).zip(&mut loaded[op.d.index()..]) {
        *register = memory.read_u32(address.wrapping_add(offset))?.into();
    }
    cpu.gpr = loaded;
    Ok(())
}

/// stmw rS,d(rA): rS to r31
pub(crate) fn stmw(cpu: &mut Cpu, memory: &Memory, op: Immediate) -> Done {
    let address = op.address(cpu);
    for (offset, &register) in (0u32..).step_by(4).zip(&cpu.gpr[op.d.index()..]) {
        memory.write_u32(address.wrapping_add(offset), register as u32)?;
    }
    Ok(())
}

/// lswi rD,rA,NB
pub(crate) fn lswi(cpu: &mut Cpu, memory: &Memory, op: StringImmediate) -> Done {
    load_string(cpu, memory, op.d, cpu.base(op.a) as u32, op.bytes.into())
}

/// lswx rD,rA,rB: as many bytes as XER says
pub(crate) fn lswx(cpu: &mut Cpu, memory: &Memory, op: Triple) -> Done {
    load_string(cpu, memory, op.d, op.address(cpu), cpu.xer & 0x7F)
}

/// stswi rS,rA,NB
pub(crate) fn stswi(cpu: &mut Cpu, memory: &Memory, op: StringImmediate) -> Done {
    store_string(cpu, memory, op.d, cpu.base(op.a) as u32, op.bytes.into())
}

/// stswx rS,rA,rB
pub(crate) fn stswx(cpu: &mut Cpu, memory: &Memory, op: Triple) -> Done {
    store_string(cpu, memory, op.d, op.address(cpu), cpu.xer & 0x7F)
}

/// Four bytes a register, from the left, r0 after r31; the rest of the last register is 0.
fn load_string(cpu: &mut Cpu, memory: &Memory, first: Reg, address: u32, bytes: u32) -> Done {
    let mut loaded = cpu.gpr;
    for offset in 0..bytes {
        let byte = memory.read_u8(address.wrapping_add(offset))?;
        let register = &mut loaded[(first.index() + offset as usize / 4) % 32];
        if offset % 4 == 0 {
            *register = 0;
        }
        *register |= u64::from(byte) << (24 - 8 * (offset % 4));
    }
    cpu.gpr = loaded;
    Ok(())
}

fn store_string(cpu: &Cpu, memory: &Memory, first: Reg, address: u32, bytes: u32) -> Done {
    for offset in 0..bytes {
        let register = cpu.gpr[(first.index() + offset as usize / 4) % 32];
        memory.write_u8(address.wrapping_add(offset), (register >> (24 - 8 * (offset % 4))) as u8)?;
    }
    Ok(())
}

/// dcbz rA,rB: 32 bytes on the console, whatever the line of the cache; dcbzl (dcbz128): a whole line of 128
pub(crate) fn dcbz<const BYTES: u32>(cpu: &mut Cpu, memory: &Memory, op: Triple) -> Done {
    let start = op.address(cpu) & !(BYTES - 1);
    for offset in (0..BYTES).step_by(4) {
        memory.write_u32(start | offset, 0)?;
    }
    Ok(())
}
