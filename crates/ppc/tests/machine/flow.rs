//! Branches, traps, stops, faults, and how many instructions were retired.

use crate::common::{DATA, Machine, TEXT, d_form, x_form};
use ppc::{Access, Code, EXIT_SENTINEL, Fault, FaultCause, MemoryFault, Stop, Thunk, run};

const NOP: u32 = 0x6000_0000;
const BLR: u32 = 0x4E80_0020;
const SC_2: u32 = 0x4400_0042;

fn bc(bo: u32, bi: u32, offset: i32) -> u32 {
    16 << 26 | bo << 21 | bi << 16 | offset as u32 & 0xFFFC
}

#[test]
fn a_budget_is_spent_exactly() {
    let mut machine = Machine::new();
    let code = Code::new(TEXT, &[NOP, NOP, 0x4BFF_FFF8]); // b -8
    machine.cpu.pc = TEXT;
    for budget in [0, 1, 2, 1000] {
        let before = machine.cpu.retired;
        assert_eq!(run(&mut machine.cpu, &code, &machine.memory, budget), Stop::Budget);
        assert_eq!(machine.cpu.retired - before, budget.into());
    }
    assert_eq!(machine.cpu.pc, TEXT + 4, "1003 steps around a loop of 3");
}

#[test]
fn returning_to_the_sentinel_ends_the_run() {
    let mut machine = Machine::new();
    machine.cpu.lr = EXIT_SENTINEL;
    assert_eq!(machine.run(&[NOP, BLR]), Stop::Returned);
    assert_eq!((machine.cpu.pc, machine.cpu.retired), (EXIT_SENTINEL, 2));
}

#[test]
fn a_thunk_traps_and_returns_through_its_blr() {
    let words = [SC_2, BLR, 0x0100_00F6, NOP];
    let code = Code::new(TEXT, &words);
    assert_eq!(code.thunk_at(TEXT), Some(Thunk { address: TEXT, module: 1, ordinal: 0xF6 }));
    assert_eq!(code.thunk_at(TEXT + 4), None);
    let mut machine = Machine::new();
    machine.cpu.lr = EXIT_SENTINEL;
    assert_eq!(machine.run(&words), Stop::Trap { pc: TEXT });
    assert_eq!((machine.cpu.pc, machine.cpu.retired), (TEXT, 1));
    machine.cpu.pc += 4;
    assert_eq!(run(&mut machine.cpu, &code, &machine.memory, 10), Stop::Returned);
}

#[test]
fn other_system_calls_are_illegal() {
    for word in [0x4400_0002, 0x4400_0022, 0x4400_0062] {
        let fault = Fault { pc: TEXT, word: Some(word), cause: FaultCause::Illegal };
        assert_eq!(Machine::new().run(&[word]), Stop::Fault(fault));
    }
}

#[test]
fn a_faulting_instruction_is_not_retired_and_changes_nothing() {
    let mut machine = Machine::with(&[(3, 5), (4, 0x10)]);
    let words = [NOP, d_form(33, 3, 4, 4)]; // lwzu r3, 4(r4)
    let fault = MemoryFault { address: 0x14, access: Access::Read, size: 4 };
    let stop = Stop::Fault(Fault { pc: TEXT + 4, word: Some(words[1]), cause: fault.into() });
    assert_eq!(machine.run(&words), stop);
    assert_eq!((machine.cpu.pc, machine.cpu.retired), (TEXT + 4, 1));
    assert_eq!((machine.gpr(3), machine.gpr(4)), (5, 0x10));
}

#[test]
fn a_fault_reads_well() {
    let Stop::Fault(fault) = Machine::new().run(&[d_form(36, 3, 0, 0x20)]) else { panic!("a store to 0x20") };
    assert_eq!(
        fault.to_string(),
        "write of 4 bytes at 0x00000020, where nothing is mapped (at 0x82000000, word 0x90600020)"
    );
}

#[test]
fn a_jump_out_of_the_text_is_a_fault_at_its_target() {
    let mut machine = Machine::new();
    machine.cpu.lr = DATA;
    let fault = Fault { pc: DATA, word: None, cause: FaultCause::Execute { address: DATA } };
    assert_eq!(machine.run(&[BLR]), Stop::Fault(fault), "data is not code");
    let end = TEXT + 4;
    let fault = Fault { pc: end, word: None, cause: FaultCause::Execute { address: end } };
    assert_eq!(machine.run(&[NOP]), Stop::Fault(fault), "nor is what lies behind the text");
}

#[test]
fn two_texts_call_each_other() {
    let mut code = Code::new(TEXT, &[0x4800_1001, BLR]); // bl +0x1000
    code.add(TEXT + 0x1000, &[d_form(14, 3, 0, 9), BLR]);
    let mut machine = Machine::new();
    machine.cpu.pc = TEXT;
    assert!(matches!(run(&mut machine.cpu, &code, &machine.memory, 3), Stop::Budget));
    assert_eq!((machine.gpr(3), machine.cpu.pc, machine.cpu.lr), (9, TEXT + 4, TEXT + 4));
}

#[test]
fn supervisor_instructions_and_traps_fault() {
    let cases = [
        (x_form(31, 3, 0, 0, 83), FaultCause::Privileged), // mfmsr
        (0x4C00_0024, FaultCause::Privileged),             // rfid
        (0x7C7F_42A6, FaultCause::Privileged),             // mfpvr
        (0x7FE0_0008, FaultCause::Trap),                   // trap
        (d_form(3, 4, 0, 0), FaultCause::Trap),            // tweqi r0, 0
    ];
    for (word, cause) in cases {
        let fault = Fault { pc: TEXT, word: Some(word), cause };
        assert_eq!(Machine::new().run(&[word]), Stop::Fault(fault), "word 0x{word:08x}");
    }
}

#[test]
fn invalid_forms_are_illegal() {
    let forms = [
        0,
        0x0400_0000,
        d_form(33, 3, 0, 4),       // lwzu r3, 4(0)
        d_form(33, 3, 3, 4),       // lwzu r3, 4(r3)
        d_form(37, 3, 0, 4),       // stwu r3, 4(0)
        x_form(19, 16, 0, 0, 528), // bcctr that counts
        x_form(4, 1, 2, 3, 0),     // vaddubm: there is no vector unit
    ];
    for word in forms {
        let fault = Fault { pc: TEXT, word: Some(word), cause: FaultCause::Illegal };
        assert_eq!(Machine::new().run(&[word]), Stop::Fault(fault), "word 0x{word:08x}");
    }
}

#[test]
fn ctr_is_counted_in_32_bits() {
    let mut machine = Machine::with(&[(4, 0x1_0000_0001)]);
    machine.step(x_form(31, 4, 9, 0, 467)); // mtctr r4
    machine.step(bc(16, 0, -4)); // bdnz
    assert_eq!((machine.cpu.ctr, machine.cpu.pc), (0, TEXT + 4), "1 was counted down, the high half is gone");
    machine.step(bc(18, 0, -4)); // bdz, from 0 to 2^32 - 1
    assert_eq!((machine.cpu.ctr, machine.cpu.pc), (u32::MAX, TEXT + 4));
}

#[test]
fn a_branch_that_links_links_also_when_not_taken() {
    let mut machine = Machine::new();
    machine.step(bc(12, 2, 64) | 1); // beql
    assert_eq!((machine.cpu.lr, machine.cpu.pc), (TEXT + 4, TEXT + 4));
    machine.cpu.lr = TEXT + 0x103;
    machine.step(BLR | 1); // blrl: to where LR was, aligned
    assert_eq!((machine.cpu.lr, machine.cpu.pc), (TEXT + 4, TEXT + 0x100));
}

#[test]
fn absolute_branches_reach_both_ends() {
    let mut machine = Machine::new();
    machine.step(0x4800_0102); // ba 0x100
    assert_eq!(machine.cpu.pc, 0x100);
    machine.step(0x4BFF_FF02); // ba -0x100
    assert_eq!(machine.cpu.pc, 0xFFFF_FF00);
}

#[test]
fn the_timebase_is_the_hosts() {
    let mut machine = Machine::new();
    machine.cpu.timebase = 0x1_2345_6789;
    machine.step(0x7C6C_42E6).step(0x7C8D_42E6).step(0x7CAC_42A6); // mftb r3, mftbu r4, mfspr r5, 268
    assert_eq!((machine.gpr(3), machine.gpr(4), machine.gpr(5)), (0x1_2345_6789, 1, 0x1_2345_6789));
}

#[test]
fn mtocrf_and_its_kin_move_their_fields_only() {
    let mut machine = Machine::with(&[(3, 0x1234_5678)]);
    machine.step(x_form(31, 3, 0, 0, 144) | 1 << 20 | 0x20 << 12); // mtocrf cr2
    assert_eq!(machine.cpu.cr, 0x0030_0000);
    machine.step(x_form(31, 3, 0, 0, 144) | 0x81 << 12); // mtcrf cr0, cr7
    assert_eq!(machine.cpu.cr, 0x1030_0008);
    machine.step(x_form(31, 4, 0, 0, 19) | 1 << 20 | 0x20 << 12); // mfocrf cr2
    assert_eq!(machine.gpr(4), 0x0030_0000);
}
