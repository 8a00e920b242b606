//! Words from fields, and a machine to run them on.

use ppc::{Code, Cpu, Memory, Stop, run};

/// Where the text of a test begins.
pub(crate) const TEXT: u32 = 0x8200_0000;
/// A page of data, and nothing mapped on either side.
pub(crate) const DATA: u32 = 0x8301_0000;

/// `op d,a,imm`: the primary opcode, two registers, 16 bits.
pub(crate) fn d_form(op: u32, d: u32, a: u32, imm: i32) -> u32 {
    op << 26 | d << 21 | a << 16 | imm as u32 & 0xFFFF
}

/// `op d,a,b` with an extended opcode above the record bit.
pub(crate) fn x_form(op: u32, d: u32, a: u32, b: u32, extended: u32) -> u32 {
    op << 26 | d << 21 | a << 16 | b << 11 | extended << 1
}

/// The record bit.
pub(crate) const RC: u32 = 1;
/// The overflow-enable bit.
pub(crate) const OE: u32 = 1 << 10;

pub(crate) struct Machine {
    pub(crate) cpu: Cpu,
    pub(crate) memory: Memory,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let memory = Memory::new();
        memory.map(DATA, 0x1_0000).unwrap();
        Self { cpu: Cpu::default(), memory }
    }

    /// With general registers set: `[(3, 7)]` is r3 = 7.
    pub(crate) fn with(registers: &[(usize, u64)]) -> Self {
        let mut machine = Self::new();
        for &(register, value) in registers {
            machine.cpu.gpr[register] = value;
        }
        machine
    }

    /// Runs `words` from their start until they stop or their end is reached.
    pub(crate) fn run(&mut self, words: &[u32]) -> Stop {
        let code = Code::new(TEXT, words);
        self.cpu.pc = TEXT;
        run(&mut self.cpu, &code, &self.memory, 1000)
    }

    /// Runs one word, which must be completed, wherever it goes then.
    pub(crate) fn step(&mut self, word: u32) -> &mut Self {
        let code = Code::new(TEXT, &[word]);
        let before = self.cpu.retired;
        self.cpu.pc = TEXT;
        let stop = run(&mut self.cpu, &code, &self.memory, 1);
        assert_eq!(self.cpu.retired, before + 1, "word 0x{word:08x}: {stop:?}");
        self
    }

    pub(crate) fn gpr(&self, register: usize) -> u64 {
        self.cpu.gpr[register]
    }

    /// cr0 to cr7: less 8, greater 4, equal 2, summary overflow 1.
    pub(crate) fn cr(&self, field: u32) -> u32 {
        self.cpu.cr >> (28 - 4 * field) & 0xF
    }

    pub(crate) fn carry(&self) -> bool {
        self.cpu.xer & 1 << 29 != 0
    }
}
