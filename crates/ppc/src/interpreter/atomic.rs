//! Load-and-reserve, store-conditional.
//!
//! The store is a compare-and-swap on the loaded value. It differs from a real reservation in one way: a word that
//! others changed and changed back in between is taken for unchanged.

use crate::cpu::{Cpu, Reservation};
use crate::interpreter::load_store::Addressed;
use crate::interpreter::{Exit, FaultCause};
use crate::memory::Memory;
use crate::op::Triple;

/// lwarx rD,rA,rB
pub(crate) fn lwarx(cpu: &mut Cpu, memory: &Memory, op: Triple) -> Result<(), Exit> {
    let address = aligned(cpu, op, 4)?;
    let value = memory.read_u32(address)?.into();
    reserve(cpu, op, Reservation { address, value, size: 4 });
    Ok(())
}

/// ldarx rD,rA,rB
pub(crate) fn ldarx(cpu: &mut Cpu, memory: &Memory, op: Triple) -> Result<(), Exit> {
    let address = aligned(cpu, op, 8)?;
    let value = memory.read_u64(address)?;
    reserve(cpu, op, Reservation { address, value, size: 8 });
    Ok(())
}

/// stwcx. rS,rA,rB
pub(crate) fn stwcx(cpu: &mut Cpu, memory: &Memory, op: Triple) -> Result<(), Exit> {
    let address = aligned(cpu, op, 4)?;
    let stored = match held(cpu, address, 4) {
        Some(old) => memory.compare_exchange_u32(address, old as u32, cpu.gpr[op.d.index()] as u32)?.is_ok(),
        None => false,
    };
    release(cpu, stored);
    Ok(())
}

/// stdcx. rS,rA,rB
pub(crate) fn stdcx(cpu: &mut Cpu, memory: &Memory, op: Triple) -> Result<(), Exit> {
    let address = aligned(cpu, op, 8)?;
    let stored = match held(cpu, address, 8) {
        Some(old) => memory.compare_exchange_u64(address, old, cpu.gpr[op.d.index()])?.is_ok(),
        None => false,
    };
    release(cpu, stored);
    Ok(())
}

fn aligned(cpu: &Cpu, op: Triple, size: u32) -> Result<u32, Exit> {
    let address = op.address(cpu);
    if address & (size - 1) == 0 { Ok(address) } else { Err(FaultCause::Alignment { address }.into()) }
}

fn reserve(cpu: &mut Cpu, op: Triple, reservation: Reservation) {
    cpu.reservation = Some(reservation);
    cpu.gpr[op.d.index()] = reservation.value;
}

fn held(cpu: &Cpu, address: u32, size: u8) -> Option<u64> {
    let reservation = cpu.reservation?;
    (reservation.address == address && reservation.size == size).then_some(reservation.value)
}

/// Any store-conditional ends the reservation; cr0 is "equal" if it stored.
fn release(cpu: &mut Cpu, stored: bool) {
    cpu.reservation = None;
    cpu.set_cr_field(28, u32::from(stored) << 1 | cpu.xer >> 31);
}
