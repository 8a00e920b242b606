//! Loops of guest code for the interpreter, each with the result that it must have.

use std::time::Instant;

use ppc::{Code, Cpu, EXIT_SENTINEL, Memory, Stop, run};

const TEXT: u32 = 0x8200_0000;
const DATA: u32 = 0x8300_0000;
const ROUNDS: u32 = 20_000;
const SEED: u32 = 2_463_534_242;

/// A loop of guest code, and what it must come to.
#[derive(Clone, Copy, Debug)]
pub struct Loop {
    /// Its name in the charts.
    pub name: &'static str,
    words: &'static [u32],
    /// Instructions in one round.
    length: u32,
    /// r3 before the first round.
    seed: u32,
    /// What r3 must be after [`ROUNDS`] rounds.
    expected: u32,
}

/// The plain loop: `do { sum += i; i++; } while (i < n)`, as GCC writes it without a count register.
pub const PLAIN: Loop = Loop {
    name: "plain loop",
    words: &[
        0x7C63_2214, // add   r3, r3, r4
        0x3884_0001, // addi  r4, r4, 1
        0x7C04_2840, // cmplw r4, r5
        0x4180_FFF4, // blt   -12
        0x4E80_0020, // blr
    ],
    length: 4,
    seed: 0,
    expected: ROUNDS * (ROUNDS - 1) / 2,
};

/// A generator of random numbers: shifts, logic, a multiplication and a count register.
pub const MIX: Loop = Loop {
    name: "xorshift and multiply",
    words: &[
        0x5464_6824, // slwi   r4, r3, 13
        0x7C63_2278, // xor    r3, r3, r4
        0x5464_7C7E, // srwi   r4, r3, 17
        0x7C63_2278, // xor    r3, r3, r4
        0x5464_2834, // slwi   r4, r3, 5
        0x7C63_2278, // xor    r3, r3, r4
        0x7CC6_19D6, // mullw  r6, r6, r3
        0x38C6_0001, // addi   r6, r6, 1
        0x4200_FFE0, // bdnz   -32
        0x7CC3_3378, // mr     r3, r6
        0x4E80_0020, // blr
    ],
    length: 9,
    seed: SEED,
    expected: mix(),
};

/// The same in Rust.
const fn mix() -> u32 {
    let (mut x, mut product, mut round) = (SEED, 0u32, 0);
    while round < ROUNDS {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        product = product.wrapping_mul(x).wrapping_add(1);
        round += 1;
    }
    product
}

/// Copies words and adds them up: a load with update, a store with update.
pub const COPY: Loop = Loop {
    name: "copy and sum of words",
    words: &[
        0x84C7_0004, // lwzu r6, 4(r7)
        0x7C63_3214, // add  r3, r3, r6
        0x94C8_0004, // stwu r6, 4(r8)
        0x4200_FFF4, // bdnz -12
        0x4E80_0020, // blr
    ],
    length: 4,
    seed: 0,
    expected: ROUNDS * (ROUNDS + 1) / 2,
};

/// A loop that is ready to run.
#[derive(Debug)]
pub struct Ready {
    guest: Loop,
    code: Code,
    memory: Memory,
    /// Instructions in one run.
    pub instructions: u64,
}

impl Loop {
    /// Maps it and runs it once, so that a fast wrong interpreter is no result.
    ///
    /// # Panics
    ///
    /// If the result is not what it must be.
    #[must_use]
    pub fn ready(self) -> Ready {
        let memory = Memory::new();
        memory.map(DATA, 8 * ROUNDS + 8).expect("the data fits");
        for i in 0..=ROUNDS {
            memory.write_u32(DATA + 4 * i, i).expect("the data is mapped");
        }
        let mut ready = Ready { guest: self, code: Code::new(TEXT, self.words), memory, instructions: 0 };
        let cpu = ready.run();
        assert_eq!(cpu.gpr[3] as u32, self.expected, "{}", self.name);
        assert!(cpu.retired >= u64::from(self.length * ROUNDS));
        ready.instructions = cpu.retired;
        ready
    }
}

impl Ready {
    /// One run from the beginning.
    ///
    /// # Panics
    ///
    /// If the loop does not return.
    pub fn run(&self) -> Cpu {
        let mut cpu = Cpu { pc: TEXT, lr: EXIT_SENTINEL, ctr: ROUNDS, ..Cpu::default() };
        cpu.gpr[3] = self.guest.seed.into();
        cpu.gpr[5] = ROUNDS.into();
        cpu.gpr[7] = DATA.into();
        cpu.gpr[8] = (DATA + 4 * ROUNDS).into();
        assert_eq!(run(&mut cpu, &self.code, &self.memory, u32::MAX), Stop::Returned);
        cpu
    }

    /// Guest instructions a second, of a number of runs.
    #[must_use]
    pub fn rate(&self, runs: u64) -> f64 {
        let begin = Instant::now();
        for _ in 0..runs {
            std::hint::black_box(self.run());
        }
        (self.instructions * runs) as f64 / begin.elapsed().as_secs_f64()
    }
}
