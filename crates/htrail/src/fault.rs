//! A guest thread that did what no program may, in words.

use std::fmt::Write;

use handle_diagnosis::Symbolize;
use ppc::Cpu;
use xenon_kernel::FaultReport;

/// Registers in a row: as many as fit the narrowest report.
const REGISTERS_PER_ROW: usize = 4;

/// The thread, the cause, the instruction, the registers and the back-chain.
pub(crate) fn describe(fault: &FaultReport, names: &dyn Symbolize) -> String {
    let place = |address: u32| match names.at(address) {
        Some(name) => format!("0x{address:08x} {name}"),
        None => format!("0x{address:08x}"),
    };
    let mut text = format!("thread {}: {}\nat {}", fault.tid, fault.cause, place(fault.pc));
    if let Some(word) = fault.word {
        put(&mut text, format_args!(", instruction 0x{word:08x}"));
    }
    put_registers(&mut text, &fault.registers);
    for (depth, frame) in fault.stack.iter().enumerate() {
        put(&mut text, format_args!("\nframe {depth} at 0x{:08x}, lr {}", frame.frame, place(frame.lr)));
    }
    text
}

fn put_registers(text: &mut String, cpu: &Cpu) {
    for (row, registers) in cpu.gpr.chunks(REGISTERS_PER_ROW).enumerate() {
        text.push('\n');
        for (column, value) in registers.iter().enumerate() {
            let name = format!("r{}", row * REGISTERS_PER_ROW + column);
            // The upper half is rarely used, and then it matters.
            let digits = if *value >> 32 == 0 { 8 } else { 16 };
            put(text, format_args!("{}{name:<3} {value:0digits$x}", if column == 0 { "" } else { "  " }));
        }
    }
    put(
        text,
        format_args!("\nlr  {:08x}  ctr {:08x}  cr  {:08x}  xer {:08x}", cpu.lr, cpu.ctr, cpu.cr, cpu.xer),
    );
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // A string takes everything.
    let _ = text.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use ppc::Frame;

    use super::*;

    struct Main;

    impl Symbolize for Main {
        fn at(&self, address: u32) -> Option<String> {
            (address == 0x8200_0274).then(|| "main+0x4".to_owned())
        }
    }

    #[test]
    fn a_fault_is_described_with_registers_and_stack() {
        let mut registers = Cpu { lr: 0x8200_0010, cr: 0x2000_0000, ..Cpu::default() };
        registers.gpr[1] = 0x7000_FF00;
        registers.gpr[3] = 0xFFFF_FFFF_DEAD_0000;
        let fault = FaultReport {
            tid: 2,
            pc: 0x8200_0274,
            word: Some(0x8083_0010),
            address: Some(0xDEAD_0010),
            cause: "load of 4 bytes at 0xdead0010, where nothing is mapped".to_owned(),
            registers: Box::new(registers),
            stack: vec![Frame { frame: 0x7000_FF00, lr: 0x8200_0010 }],
        };
        insta::assert_snapshot!(describe(&fault, &Main), @r"
        thread 2: load of 4 bytes at 0xdead0010, where nothing is mapped
        at 0x82000274 main+0x4, instruction 0x80830010
        r0  00000000  r1  7000ff00  r2  00000000  r3  ffffffffdead0000
        r4  00000000  r5  00000000  r6  00000000  r7  00000000
        r8  00000000  r9  00000000  r10 00000000  r11 00000000
        r12 00000000  r13 00000000  r14 00000000  r15 00000000
        r16 00000000  r17 00000000  r18 00000000  r19 00000000
        r20 00000000  r21 00000000  r22 00000000  r23 00000000
        r24 00000000  r25 00000000  r26 00000000  r27 00000000
        r28 00000000  r29 00000000  r30 00000000  r31 00000000
        lr  82000010  ctr 00000000  cr  20000000  xer 00000000
        frame 0 at 0x7000ff00, lr 0x82000010
        ");
    }
}
