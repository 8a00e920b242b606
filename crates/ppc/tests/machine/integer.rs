//! Fixed-point instructions where 64-bit registers and a 32-bit machine meet, and at the edges of the manual. The bulk
//! is compared with an oracle: see `selftest.rs`.

use crate::common::{Machine, OE, RC, d_form, x_form};

const LESS: u32 = 8;
const GREATER: u32 = 4;
const EQUAL: u32 = 2;
const SUMMARY: u32 = 1;

#[test]
fn an_addition_keeps_64_bits() {
    let mut machine = Machine::with(&[(4, 0xFFFF_FFFF), (5, 1)]);
    machine.step(x_form(31, 3, 4, 5, 266)); // add
    assert_eq!(machine.gpr(3), 0x1_0000_0000);
}

#[test]
fn a_record_form_compares_the_low_32_bits() {
    for (a, order) in [(0x1_0000_0000, EQUAL), (0x8000_0000, LESS), (0xFFFF_FFFF_0000_0001, GREATER)] {
        let mut machine = Machine::with(&[(4, a)]);
        machine.step(x_form(31, 3, 4, 5, 266) | RC); // add.
        assert_eq!(machine.cr(0), order, "{a:#x}");
    }
}

#[test]
fn the_carry_is_that_of_bit_32() {
    let mut machine = Machine::with(&[(4, 0xFFFF_FFFF), (5, 1)]);
    machine.step(x_form(31, 3, 4, 5, 10)); // addc
    assert!(machine.carry());
    machine.cpu.gpr[4] = u64::MAX << 32;
    machine.step(x_form(31, 3, 4, 5, 10));
    assert!(!machine.carry(), "the high halves do not take part");
}

#[test]
fn a_long_addition_carries_from_word_to_word() {
    let mut machine = Machine::with(&[(4, 0xFFFF_FFFF), (5, 1), (6, 7), (7, 8)]);
    machine.step(x_form(31, 3, 4, 5, 10)).step(x_form(31, 8, 6, 7, 138)); // addc, adde
    assert_eq!((machine.gpr(3) as u32, machine.gpr(8)), (0, 16));
    machine.step(x_form(31, 3, 5, 4, 8)).step(x_form(31, 8, 7, 6, 136)); // subfc, subfe: r4 - r5, r6 - r7
    assert_eq!((machine.gpr(3) as u32, machine.gpr(8)), (0xFFFF_FFFE, u64::MAX));
    assert!(!machine.carry(), "a borrow is no carry");
}

#[test]
fn overflow_is_sticky_in_the_summary() {
    let mut machine = Machine::with(&[(4, 0x7FFF_FFFF), (5, 1)]);
    machine.step(x_form(31, 3, 4, 5, 266) | OE | RC); // addo.
    assert_eq!(machine.cpu.xer >> 30, 3, "SO and OV");
    assert_eq!(machine.cr(0), LESS | SUMMARY);
    machine.step(x_form(31, 3, 5, 5, 266) | OE); // addo
    assert_eq!(machine.cpu.xer >> 30, 2, "OV is gone, SO stays");
}

#[test]
fn a_division_without_a_quotient_gives_0_and_overflow() {
    for (a, b) in [(1, 0), (0, 0), (0x8000_0000, 0xFFFF_FFFF)] {
        let mut machine = Machine::with(&[(3, 99), (4, a), (5, b)]);
        machine.step(x_form(31, 3, 4, 5, 491) | OE); // divwo
        assert_eq!((machine.gpr(3), machine.cpu.xer >> 30), (0, 3), "{a:#x} / {b:#x}");
    }
    let mut machine = Machine::with(&[(4, 1 << 63), (5, u64::MAX)]);
    machine.step(x_form(31, 3, 4, 5, 489) | OE); // divdo
    assert_eq!((machine.gpr(3), machine.cpu.xer >> 30), (0, 3));
}

#[test]
fn high_products_are_signed_or_not() {
    let mut machine = Machine::with(&[(4, 0xFFFF_FFFF), (5, 2)]);
    machine.step(x_form(31, 3, 4, 5, 75)); // mulhw
    assert_eq!(machine.gpr(3) as u32, 0xFFFF_FFFF);
    machine.step(x_form(31, 3, 4, 5, 11)); // mulhwu
    assert_eq!(machine.gpr(3) as u32, 1);
    machine.cpu.gpr[4] = u64::MAX;
    machine.step(x_form(31, 3, 4, 5, 73)); // mulhd
    assert_eq!(machine.gpr(3), u64::MAX);
    machine.step(x_form(31, 3, 4, 5, 9)); // mulhdu
    assert_eq!(machine.gpr(3), 1);
}

#[test]
fn shifts_by_the_width_and_more() {
    let mut machine = Machine::with(&[(4, 0xFFFF_FFFF_8000_0001), (5, 32)]);
    machine.step(x_form(31, 4, 3, 5, 24)); // slw
    assert_eq!(machine.gpr(3), 0);
    machine.step(x_form(31, 4, 3, 5, 536)); // srw
    assert_eq!(machine.gpr(3), 0);
    machine.step(x_form(31, 4, 3, 5, 792)); // sraw
    assert_eq!(machine.gpr(3), u64::MAX);
    assert!(machine.carry());
    machine.cpu.gpr[5] = 64;
    machine.step(x_form(31, 4, 3, 5, 27)); // sld
    assert_eq!(machine.gpr(3), 0);
    machine.step(x_form(31, 4, 3, 5, 794)); // srad
    assert_eq!(machine.gpr(3), u64::MAX);
}

#[test]
fn an_algebraic_shift_carries_only_if_a_negative_number_loses_bits() {
    for (value, carry) in [(0xFFFF_FFFCu64, false), (0xFFFF_FFFD, true), (5, false)] {
        let mut machine = Machine::with(&[(4, value)]);
        machine.step(x_form(31, 4, 3, 2, 824)); // srawi 2
        assert_eq!(machine.carry(), carry, "{value:#x}");
    }
}

#[test]
fn a_wrapped_rotate_mask_reaches_into_the_high_half() {
    let rlwinm = |mb: u32, me: u32| 21 << 26 | 4 << 21 | 3 << 16 | mb << 6 | me << 1;
    let mut machine = Machine::with(&[(4, 0x1234_5678)]);
    machine.step(rlwinm(0, 31));
    assert_eq!(machine.gpr(3), 0x1234_5678);
    machine.step(rlwinm(16, 15));
    assert_eq!(machine.gpr(3), 0x1234_5678_1234_5678);
}

#[test]
fn doubleword_rotates_insert_and_clear() {
    let md_form = |sh: u32, mb: u32, kind: u32| {
        let (sh, mb) = ((sh & 31) << 11 | sh >> 5 << 1, (mb & 31) << 6 | mb >> 5 << 5);
        30 << 26 | 4 << 21 | 3 << 16 | sh | mb | kind << 2
    };
    let mut machine = Machine::with(&[(4, 0x0123_4567_89AB_CDEF)]);
    machine.step(md_form(16, 48, 0)); // rldicl
    assert_eq!(machine.gpr(3), 0x0123);
    machine.step(md_form(32, 31, 1)); // rldicr
    assert_eq!(machine.gpr(3), 0x89AB_CDEF_0000_0000);
    machine.cpu.gpr[3] = u64::MAX;
    machine.step(md_form(8, 48, 3)); // rldimi: bits 48 to 55
    assert_eq!(machine.gpr(3), 0xFFFF_FFFF_FFFF_EFFF);
}

#[test]
fn register_0_is_no_base_of_an_immediate() {
    let mut machine = Machine::with(&[(0, 50)]);
    machine.step(d_form(14, 3, 0, -1)); // li
    assert_eq!(machine.gpr(3), u64::MAX);
    machine.step(d_form(24, 0, 3, 1)); // ori r3, r0: here it is a register
    assert_eq!(machine.gpr(3), 51);
}

#[test]
fn comparisons_choose_width_sign_and_field() {
    let mut machine = Machine::with(&[(4, 0x1_FFFF_FFFF), (5, 1)]);
    machine.step(x_form(31, 2 << 2, 4, 5, 0)); // cmpw cr2
    assert_eq!(machine.cr(2), LESS);
    machine.step(x_form(31, 3 << 2, 4, 5, 32)); // cmplw cr3
    assert_eq!(machine.cr(3), GREATER);
    machine.step(x_form(31, 4 << 2 | 1, 4, 5, 0)); // cmpd cr4
    assert_eq!(machine.cr(4), GREATER);
    machine.step(d_form(11, 7 << 2, 5, 1)); // cmpwi cr7
    assert_eq!(machine.cr(7), EQUAL);
    assert_eq!(machine.cr(2), LESS, "other fields stay");
}
