//! Arbitrary words as code, on arbitrary registers: the host must stand.

use ppc::{Code, Cpu, Memory, Reservation, Stop, run};
use proptest::prelude::*;

use crate::common::{DATA, TEXT};

const BUDGET: u32 = 300;

/// Words of which most are instructions: any, and those of the opcodes with many forms.
fn words() -> impl Strategy<Value = Vec<u32>> {
    let family = |op: u32| any::<u32>().prop_map(move |bits| bits & 0x03FF_FFFF | op << 26);
    let word = prop_oneof![
        2 => any::<u32>(),
        4 => family(31),
        1 => family(30),
        1 => family(19),
        1 => family(16),
        2 => family(59),
        4 => family(63),
        4 => (32u32..56, any::<u32>()).prop_map(|(op, bits)| bits & 0x03FF_00FF | op << 26),
        4 => (7u32..30, any::<u32>()).prop_map(|(op, bits)| bits & 0x03FF_FFFF | op << 26),
        // Any XO form, so that a random extended opcode is more often one that exists.
        4 => (any::<u32>(), prop::sample::select(vec![8u32, 10, 40, 104, 138, 235, 266, 459, 491, 489, 792, 824, 20, 150, 597, 533, 661, 725, 1014]))
            .prop_map(|(bits, extended)| bits & 0x03FF_F801 | 31 << 26 | extended << 1),
    ];
    prop::collection::vec(word, 1..24)
}

/// Registers that often point into the data, and the values at which arithmetic breaks.
fn register() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (0..0x1_0100u64).prop_map(|offset| u64::from(DATA) + offset),
        prop::sample::select(vec![
            0,
            1,
            u64::MAX,
            1 << 31,
            (1 << 31) - 1,
            1 << 63,
            u64::from(u32::MAX),
            u64::from(TEXT)
        ]),
    ]
}

prop_compose! {
    fn cpu()(
        gpr in prop::array::uniform32(register()),
        fpr in prop::array::uniform32(any::<u64>()),
        [cr, xer, lr, fpscr] in prop::array::uniform4(any::<u32>()),
        ctr in prop_oneof![any::<u32>(), 0..5u32],
        reserved in any::<Option<u64>>(),
    ) -> Cpu {
        let reservation = reserved.map(|value| Reservation { address: DATA, value, size: 4 });
        Cpu { gpr, fpr, cr, xer, lr, ctr, fpscr, reservation, ..Cpu::default() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn no_code_makes_the_host_panic_or_run_on(words in words(), cpu in cpu()) {
        let memory = Memory::new();
        memory.map(DATA, 0x1_0000).unwrap();
        let code = Code::new(TEXT, &words);
        // Each word is executed once at least, whatever those before it do.
        for start in 0..words.len() as u32 {
            let mut cpu = Cpu { pc: TEXT + 4 * start, ..cpu.clone() };
            let stop = run(&mut cpu, &code, &memory, BUDGET);
            prop_assert!(cpu.retired <= BUDGET.into());
            prop_assert_eq!(cpu.pc & 3, 0);
            match stop {
                Stop::Budget => prop_assert_eq!(cpu.retired, u64::from(BUDGET)),
                Stop::Fault(fault) => prop_assert_eq!(fault.pc, cpu.pc),
                Stop::Trap { pc } => prop_assert_eq!(code.word(pc), Some(0x4400_0042)),
                Stop::Returned => prop_assert_eq!(cpu.pc, ppc::EXIT_SENTINEL),
            }
        }
    }
}
