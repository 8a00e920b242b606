//! Loads, stores and reservations as instructions.

use crate::common::{DATA, Machine, TEXT, d_form, x_form};
use ppc::{Fault, FaultCause, Stop};

#[test]
fn an_effective_address_is_truncated_to_32_bits() {
    let mut machine = Machine::with(&[(4, 0xFFFF_FFFF_0000_0000 | u64::from(DATA)), (5, 0x1_0000_0004)]);
    machine.memory.write_u32(DATA + 4, 0xDEAD_BEEF).unwrap();
    machine.step(x_form(31, 3, 4, 5, 23)); // lwzx
    assert_eq!(machine.gpr(3), 0xDEAD_BEEF);
}

#[test]
fn loads_extend_as_their_names_say() {
    let mut machine = Machine::with(&[(4, DATA.into())]);
    machine.memory.write_u64(DATA, 0xFEDC_BA98_7654_3210).unwrap();
    let cases = [
        (d_form(34, 3, 4, 0), 0xFE),                       // lbz
        (d_form(40, 3, 4, 0), 0xFEDC),                     // lhz
        (d_form(42, 3, 4, 0), 0xFFFF_FFFF_FFFF_FEDC),      // lha
        (d_form(32, 3, 4, 0), 0xFEDC_BA98),                // lwz
        (d_form(58, 3, 4, 2), 0xFFFF_FFFF_FEDC_BA98),      // lwa
        (d_form(58, 3, 4, 0), 0xFEDC_BA98_7654_3210),      // ld
        (x_form(31, 3, 0, 4, 790), 0xDCFE),                // lhbrx
        (x_form(31, 3, 0, 4, 534), 0x98BA_DCFE),           // lwbrx
        (x_form(31, 3, 0, 4, 532), 0x1032_5476_98BA_DCFE), // ldbrx
    ];
    for (word, expected) in cases {
        assert_eq!(machine.step(word).gpr(3), expected, "word 0x{word:08x}");
    }
}

#[test]
fn an_update_writes_the_address_to_the_base() {
    let mut machine = Machine::with(&[(3, 7), (4, u64::from(DATA) + 16)]);
    machine.step(d_form(37, 3, 4, -16)); // stwu
    assert_eq!((machine.gpr(4), machine.memory.read_u32(DATA)), (DATA.into(), Ok(7)));
    machine.step(d_form(62, 3, 4, 8 | 1)); // stdu
    assert_eq!((machine.gpr(4), machine.memory.read_u64(DATA + 8)), (u64::from(DATA) + 8, Ok(7)));
}

#[test]
fn multiples_and_strings_fill_registers_from_the_left() {
    let mut machine = Machine::with(&[(4, DATA.into()), (31, u64::MAX), (0, u64::MAX)]);
    machine.memory.write_bytes(DATA, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    machine.step(d_form(46, 30, 4, 0)); // lmw r30
    assert_eq!((machine.gpr(30), machine.gpr(31)), (0x0102_0304, 0x0506_0708));
    machine.step(x_form(31, 31, 4, 6, 597)); // lswi r31, 6 bytes: r31, then r0
    assert_eq!((machine.gpr(31), machine.gpr(0)), (0x0102_0304, 0x0506_0000));
    machine.cpu.gpr[5] = (DATA + 0x100).into();
    machine.step(x_form(31, 31, 5, 5, 725)); // stswi r31, 5 bytes
    let mut stored = [9; 6];
    machine.memory.read_bytes(DATA + 0x100, &mut stored).unwrap();
    assert_eq!(stored, [1, 2, 3, 4, 5, 0]);
}

#[test]
fn a_multiple_that_faults_half_way_leaves_the_registers() {
    let end = u64::from(DATA) + 0x1_0000;
    let mut machine = Machine::with(&[(30, 1), (31, 2), (4, end - 4)]);
    machine.memory.write_u32(DATA + 0xFFFC, 77).unwrap();
    assert!(matches!(machine.run(&[d_form(46, 30, 4, 0)]), Stop::Fault(_)));
    assert_eq!((machine.gpr(30), machine.gpr(31)), (1, 2));
}

#[test]
fn a_cleared_block_has_32_bytes_or_128() {
    let mut machine = Machine::with(&[(4, u64::from(DATA) + 0xB5)]);
    machine.memory.write_bytes(DATA, &[0xFF; 0x200]).unwrap();
    machine.step(x_form(31, 0, 0, 4, 1014)); // dcbz
    let zeros = |machine: &Machine| {
        let mut bytes = [0; 0x200];
        machine.memory.read_bytes(DATA, &mut bytes).unwrap();
        let first = bytes.iter().position(|&byte| byte == 0).unwrap();
        (first, bytes.iter().filter(|&&byte| byte == 0).count())
    };
    assert_eq!(zeros(&machine), (0xA0, 32));
    machine.step(x_form(31, 1, 0, 4, 1014)); // dcbzl
    assert_eq!(zeros(&machine), (0x80, 128));
}

#[test]
fn a_conditional_store_needs_its_reservation() {
    let (lwarx, stwcx) = (x_form(31, 3, 0, 4, 20), x_form(31, 5, 0, 4, 150) | 1);
    let mut machine = Machine::with(&[(4, DATA.into()), (5, 9)]);
    machine.step(stwcx);
    assert_eq!((machine.cr(0), machine.memory.read_u32(DATA)), (0, Ok(0)), "none was made");
    machine.step(lwarx).step(stwcx);
    assert_eq!((machine.cr(0), machine.memory.read_u32(DATA)), (2, Ok(9)));
    machine.cpu.gpr[5] = 10;
    machine.step(stwcx);
    assert_eq!((machine.cr(0), machine.memory.read_u32(DATA)), (0, Ok(9)), "it was used up");
    machine.step(lwarx);
    machine.memory.write_u32(DATA, 11).unwrap();
    machine.step(stwcx);
    assert_eq!((machine.cr(0), machine.memory.read_u32(DATA)), (0, Ok(11)), "another store came between");
}

#[test]
fn doublewords_are_reserved_whole() {
    let (ldarx, stdcx) = (x_form(31, 3, 0, 4, 84), x_form(31, 5, 0, 4, 214) | 1);
    let mut machine = Machine::with(&[(4, DATA.into()), (5, 0x1_0000_0002)]);
    machine.step(ldarx).step(stdcx);
    assert_eq!((machine.cr(0), machine.memory.read_u64(DATA)), (2, Ok(0x1_0000_0002)));
    machine.step(ldarx);
    machine.memory.write_u32(DATA + 4, 3).unwrap();
    machine.step(stdcx);
    assert_eq!(
        (machine.cr(0), machine.memory.read_u64(DATA)),
        (0, Ok(0x1_0000_0003)),
        "the low half changed"
    );
}

#[test]
fn a_reservation_must_be_aligned() {
    let mut machine = Machine::with(&[(4, u64::from(DATA) + 2)]);
    let word = x_form(31, 3, 0, 4, 20);
    let cause = FaultCause::Alignment { address: DATA + 2 };
    assert_eq!(machine.run(&[word]), Stop::Fault(Fault { pc: TEXT, word: Some(word), cause }));
}
