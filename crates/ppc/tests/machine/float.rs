//! The rules of this machine's floating point that a host does not have. Arithmetic itself is compared with an oracle.

use crate::common::{DATA, Machine, RC, d_form};

const SIGNALLING: u64 = 0xFFF0_0000_0000_0001;
const QUIET_A: u64 = 0x7FF8_0000_0000_00AA;
const QUIET_B: u64 = 0xFFF8_0000_0000_00BB;
const QUIET_C: u64 = 0x7FF8_0000_0000_00CC;
const DEFAULT_NAN: u64 = 0x7FF8_0000_0000_0000;
const INFINITY: u64 = 0x7FF0_0000_0000_0000;
const INVALID: u32 = 0xA000_0000;
const OVERFLOW: u32 = 0x9000_0000;
const ZERO_DIVIDE: u32 = 0x8400_0000;

const A: u32 = 4 << 16;
const B: u32 = 5 << 11;
const C: u32 = 6 << 6;

/// An instruction that writes f3, of which `operands` are A (f4), B (f5) and C (f6).
fn a_form(op: u32, extended: u32, operands: u32) -> u32 {
    op << 26 | 3 << 21 | operands | extended << 1
}

/// f3 of one instruction on A, B and C, and the exceptions without the class of the result.
fn compute(word: u32, [a, b, c]: [u64; 3]) -> (u64, u32) {
    let mut machine = Machine::new();
    machine.cpu.fpr[4..7].copy_from_slice(&[a, b, c]);
    machine.step(word);
    (machine.cpu.fpr[3], machine.cpu.fpscr & !0x1_F000)
}

fn bits(values: [f64; 3]) -> [u64; 3] {
    values.map(f64::to_bits)
}

#[test]
fn the_first_nan_wins_in_the_order_a_b_c() {
    let fmadd = a_form(63, 29, A | B | C);
    assert_eq!(compute(fmadd, [QUIET_A, QUIET_B, QUIET_C]), (QUIET_A, 0));
    assert_eq!(compute(fmadd, [0, QUIET_B, QUIET_C]), (QUIET_B, 0));
    assert_eq!(compute(fmadd, [0, 0, QUIET_C]), (QUIET_C, 0));
    assert_eq!(
        compute(a_form(63, 31, A | B | C), [0, QUIET_B, 0]),
        (QUIET_B, 0),
        "fnmadd leaves the sign of a NaN"
    );
    let signalled = INVALID | 0x0100_0000;
    assert_eq!(
        compute(a_form(63, 21, A | B), [1, SIGNALLING, 0]),
        (0xFFF8_0000_0000_0001, signalled),
        "fadd makes it quiet"
    );
}

#[test]
fn an_invalid_operation_gives_the_positive_default_nan() {
    let subtract = compute(a_form(63, 20, A | B), [INFINITY, INFINITY, 0]); // fsub
    assert_eq!(subtract, (DEFAULT_NAN, INVALID | 0x0080_0000));
    let multiply = compute(a_form(63, 25, A | C), [INFINITY, 0, 0]); // fmul
    assert_eq!(multiply, (DEFAULT_NAN, INVALID | 0x0010_0000));
    let divide = compute(a_form(63, 18, A | B), [0, 0, 0]); // fdiv
    assert_eq!(divide, (DEFAULT_NAN, INVALID | 0x0020_0000));
    let root = compute(a_form(63, 22, B), bits([0.0, -1.0, 0.0])); // fsqrt
    assert_eq!(root, (DEFAULT_NAN, INVALID | 0x0000_0200));
}

#[test]
fn infinities_from_numbers_are_overflow_or_zero_divide() {
    assert_eq!(compute(a_form(63, 25, A | C), bits([f64::MAX, 0.0, 2.0])), (INFINITY, OVERFLOW));
    assert_eq!(
        compute(a_form(59, 25, A | C), bits([f32::MAX.into(), 0.0, 2.0])),
        (INFINITY, OVERFLOW),
        "a single's"
    );
    assert_eq!(compute(a_form(63, 18, A | B), bits([1.0, 0.0, 0.0])), (INFINITY, ZERO_DIVIDE));
    assert_eq!(compute(a_form(63, 18, A | B), [INFINITY, 0, 0]), (INFINITY, 0), "it was infinite before");
}

#[test]
fn infinity_times_zero_is_invalid_beside_a_signalling_nan() {
    // Power ISA, Book I, 4.4: the one case of two causes in a multiply-add.
    let (result, status) = compute(a_form(63, 29, A | B | C), [INFINITY, SIGNALLING, 0]);
    assert_eq!((result, status), (0xFFF8_0000_0000_0001, INVALID | 0x0110_0000));
}

#[test]
fn a_single_multiply_add_rounds_once() {
    // a * c is 1 + 2^-23 + 2^-46 + ..., so close above a tie of singles that a double sum rounds to the tie.
    let a = f32::from_bits(0x3F80_0001);
    let (b, c) = (2f32.powi(-24), a);
    let once = a.mul_add(c, b);
    let (result, _) = compute(a_form(59, 29, A | B | C), bits([a.into(), b.into(), c.into()]));
    assert_eq!(f64::from_bits(result), f64::from(once));
    let tiny = 2f32.powi(-80);
    let one_and_tie = bits([(1.0 + 2f32.powi(-12)).into(), tiny.into(), (1.0 + 2f32.powi(-12)).into()]);
    // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24: a tie, which the addend breaks upwards. Twice rounded it would go down.
    let (result, _) = compute(a_form(59, 29, A | B | C), one_and_tie);
    assert_eq!(f64::from_bits(result), 1.0 + 2f64.powi(-11) + 2f64.powi(-23));
}

#[test]
fn single_loads_and_stores_move_bits() {
    let mut machine = Machine::with(&[(4, DATA.into())]);
    for single in [0u32, 0x8000_0001, 0x0080_0000, 0x3F80_0000, 0x7F80_0001, 0xFFC0_1234, 0x7F7F_FFFF] {
        machine.memory.write_u32(DATA, single).unwrap();
        machine.step(d_form(48, 3, 4, 0)).step(d_form(52, 3, 4, 8)); // lfs, stfs
        assert_eq!(machine.memory.read_u32(DATA + 8), Ok(single), "also a signalling NaN");
    }
    machine.cpu.fpr[3] = 1.5e-44f64.to_bits(); // about 10.7 times the least single
    machine.step(d_form(52, 3, 4, 8));
    assert_eq!(machine.memory.read_u32(DATA + 8), Ok(10), "cut off, not rounded");
}

#[test]
fn conversions_saturate_and_follow_the_mode() {
    let fctiw = 63 << 26 | 3 << 21 | 5 << 11 | 14 << 1;
    let fctiwz = fctiw | 1 << 1;
    let word = |value: f64, word: u32, mode: u32| {
        let mut machine = Machine::new();
        machine.cpu.fpr[5] = value.to_bits();
        machine.cpu.fpscr = mode;
        machine.step(word);
        machine.cpu.fpr[3] as i32
    };
    for (mode, expected) in [(0, -2), (1, -2), (2, -2), (3, -3)] {
        assert_eq!(word(-2.5, fctiw, mode), expected, "mode {mode}");
    }
    assert_eq!(word(3.5, fctiw, 0), 4, "ties to even");
    assert_eq!(word(1e10, fctiwz, 0), i32::MAX);
    assert_eq!(word(-1e10, fctiwz, 0), i32::MIN);
    assert_eq!(word(f64::NAN, fctiwz, 0), i32::MIN);
}

#[test]
fn a_selection_takes_negative_zero_for_zero_and_a_nan_for_less() {
    let fsel = a_form(63, 23, A | B | C);
    for (a, chosen) in [(0, 6), (1 << 63, 6), (QUIET_A, 5), ((-1f64).to_bits(), 5)] {
        assert_eq!(compute(fsel, [a, 5, 6]).0, chosen, "{a:#x}");
    }
}

#[test]
fn a_record_form_shows_the_exceptions_in_cr1() {
    let mut machine = Machine::new();
    machine.cpu.fpr[4] = INFINITY;
    machine.cpu.fpr[5] = INFINITY;
    machine.step(a_form(63, 20, A | B) | RC); // fsub.
    assert_eq!(machine.cr(1), 0b1010, "FX and VX");
}

#[test]
fn estimates_are_the_exact_values_rounded() {
    let fres = a_form(59, 24, B);
    let frsqrte = a_form(63, 26, B);
    assert_eq!(compute(fres, bits([0.0, 3.0, 0.0])).0, f64::from(1.0f32 / 3.0).to_bits());
    assert_eq!(compute(fres, bits([0.0, -0.0, 0.0])), (f64::NEG_INFINITY.to_bits(), ZERO_DIVIDE));
    assert_eq!(compute(frsqrte, bits([0.0, 4.0, 0.0])).0, 0.5f64.to_bits());
    assert_eq!(compute(frsqrte, bits([0.0, -4.0, 0.0])), (DEFAULT_NAN, INVALID | 0x200));
}
