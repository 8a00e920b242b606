//! The self-test guests against the hashes of the oracle, `guests/selftest/expected`.

use std::fs;
use std::path::{Path, PathBuf};

use ppc::{Cpu, EXIT_SENTINEL, Memory, Stop, Thunk, load, run};

const STACK_TOP: u32 = 0x7010_0000;
const STACK_SIZE: u32 = 0x1_0000;
/// Far more than any self-test needs: about 60 million.
const SLICES: u32 = 20_000;
const SLICE: u32 = 20_000;
const DBG_PRINT: u32 = 3;

fn selftest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/selftest")
}

/// Runs a guest to its end and gives what it printed.
fn output_of(elf: &Path) -> String {
    let image = load(&fs::read(elf).expect("the self-test is committed")).expect("the self-test is a guest");
    let memory = Memory::new();
    let code = image.map_into(&memory).expect("the self-test fits");
    memory.map(STACK_TOP - STACK_SIZE, STACK_SIZE).expect("the stack fits");
    let mut cpu = Cpu { pc: image.entry, lr: EXIT_SENTINEL, ..Cpu::default() };
    cpu.gpr[1] = u64::from(STACK_TOP - 64);

    let mut printed = String::new();
    for _ in 0..SLICES {
        match run(&mut cpu, &code, &memory, SLICE) {
            Stop::Budget => {}
            Stop::Trap { pc } => {
                assert_eq!(code.thunk_at(pc), Some(Thunk { address: pc, module: 1, ordinal: DBG_PRINT }));
                // The guest prints with the format "%s".
                let text = memory.read_c_string(cpu.gpr[4] as u32, 100).expect("r4 is a string");
                printed += &String::from_utf8(text).expect("the string is ASCII");
                cpu.gpr[3] = 0;
                cpu.pc += 4;
            }
            Stop::Returned => {
                assert_eq!(cpu.gpr[3], 0, "the exit value");
                return printed;
            }
            Stop::Fault(fault) => panic!("{}: {fault}\nprinted so far:\n{printed}", elf.display()),
        }
    }
    panic!("{} does not end; printed so far:\n{printed}", elf.display());
}

fn compare_all_levels(cpu: &str) {
    let expected = fs::read_to_string(selftest().join(format!("expected/{cpu}.txt"))).expect("committed");
    assert!(expected.lines().count() >= 15, "the oracle's answer is complete");
    for level in ["O0", "O1", "O2", "O3", "Os"] {
        let printed = output_of(&selftest().join(format!("bin/{cpu}-{level}.elf")));
        for (printed, expected) in printed.lines().zip(expected.lines()) {
            assert_eq!(printed, expected, "{cpu} -{level}: group and hash, ours against the oracle's");
        }
        assert_eq!(printed.lines().count(), expected.lines().count(), "{cpu} -{level}: groups");
    }
}

#[test]
fn powerpc_guests_print_the_hashes_of_qemu() {
    compare_all_levels("powerpc");
}

#[test]
fn cell_guests_print_the_hashes_of_qemu() {
    compare_all_levels("cell");
}
