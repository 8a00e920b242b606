//! The host's readers of foreign bytes: images and code.

use ppc::{Code, Cpu, Memory, Stop};

/// Any bytes as an image: loaded or refused, and what was loaded can be mapped and entered.
pub fn elf_load(data: &[u8]) {
    let Ok(image) = ppc::load(data) else { return };
    let memory = Memory::new();
    if let Ok(code) = image.map_into(&memory) {
        assert!(code.word(image.entry).is_some(), "the entry is code");
    }
}

const TEXT: u32 = 0x8200_0000;
const STACK: u32 = 0x7000_0000;
const STACK_BYTES: u32 = 0x2_0000;
const BUDGET: u32 = 4096;

/// Any words as code with any registers: the run ends within its budget, and never brings the host down.
pub fn interpreter(data: &[u8]) {
    let (registers, text) = data.split_at(data.len().min(32));
    let words: Vec<u32> =
        text.chunks_exact(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect();
    let code = Code::new(TEXT, &words);
    let memory = Memory::new();
    memory.map(STACK, STACK_BYTES).expect("the stack can be mapped");
    memory.map(TEXT, text.len() as u32 + 4).expect("the text can be mapped");
    memory.write_bytes(TEXT, text).expect("the text is mapped");
    let mut cpu = Cpu { pc: TEXT, ..Cpu::default() };
    cpu.gpr[1] = u64::from(STACK + STACK_BYTES / 2);
    for (index, byte) in registers.iter().enumerate().filter(|(index, _)| *index != 1) {
        // Spread a byte over the width that makes edges likely: small, negative, an address, all ones.
        cpu.gpr[index] = match byte % 4 {
            0 => u64::from(*byte),
            1 => (i64::from(*byte) - 256) as u64,
            2 => u64::from(STACK) + u64::from(*byte) * 256,
            _ => u64::MAX << (byte / 4),
        };
        cpu.fpr[index] = (u64::from(*byte) << 52).wrapping_mul(0x0101_0101_0101_0101);
    }
    let before = cpu.retired;
    match ppc::run(&mut cpu, &code, &memory, BUDGET) {
        Stop::Trap { pc } => assert!(code.word(pc).is_some(), "a trap is an instruction"),
        Stop::Budget | Stop::Returned | Stop::Fault(_) => {}
    }
    assert!(cpu.retired - before <= u64::from(BUDGET), "{} instructions retired", cpu.retired - before);
}
