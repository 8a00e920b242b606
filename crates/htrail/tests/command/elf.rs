//! Guests that are broken on purpose, made from one that is not.

use crate::support::guest;

const PROGRAM_HEADERS: usize = 0x1C;
const ENTRY: usize = 0x18;
const VIRTUAL_ADDRESS: usize = 0x08;

/// A healthy guest's bytes.
pub(crate) fn healthy() -> Vec<u8> {
    std::fs::read(guest("pingpong")).expect("guests/bin is committed")
}

/// The same with bytes replaced from `offset` on.
pub(crate) fn patched(offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut elf = healthy();
    elf[offset..offset + bytes.len()].copy_from_slice(bytes);
    elf
}

/// The same with its first segment at `address`.
pub(crate) fn first_segment_at(address: u32) -> Vec<u8> {
    patched(word(&healthy(), PROGRAM_HEADERS) as usize + VIRTUAL_ADDRESS, &address.to_be_bytes())
}

/// The same with its first instructions replaced.
pub(crate) fn beginning_with(instructions: &[u32]) -> Vec<u8> {
    let elf = healthy();
    let header = word(&elf, PROGRAM_HEADERS) as usize;
    let (offset, address) = (word(&elf, header + 4), word(&elf, header + VIRTUAL_ADDRESS));
    let entry = word(&elf, ENTRY) - address + offset;
    let code: Vec<u8> = instructions.iter().flat_map(|instruction| instruction.to_be_bytes()).collect();
    patched(entry as usize, &code)
}

fn word(elf: &[u8], offset: usize) -> u32 {
    u32::from_be_bytes(elf[offset..offset + 4].try_into().expect("four bytes"))
}
