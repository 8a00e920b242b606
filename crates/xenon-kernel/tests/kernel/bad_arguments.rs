//! Whatever a guest passes to an export, the host stays up: a status comes back, or the run ends as a fault.

use xenon_kernel::{Ended, MachineConfig};

use crate::assembler::{Arg, Program};
use crate::harness::{Trace, repository, run_image};

use Arg::{At, CurrentThread, Value};

/// Exports that end or park the caller by design; they are tested apart.
const NOT_HERE: [&str; 1] = ["ExTerminateThread"];

/// Pointers, handles and numbers that guests pass by mistake. Timeouts among them poll or are short.
fn strange_values(program: &mut Program) -> Vec<Arg> {
    let event = program.room(1);
    let main = program.function();
    program.call(main, "NtCreateEvent", &[Value(event), Value(0), Value(1), Value(0)]);
    let nothing = program.doubleword(0);
    let short = program.doubleword(-10_000);
    let text = program.text("%s %d %p %c %lld %n %");
    vec![
        Value(0),
        Value(1),
        Value(2),
        Value(u32::MAX),
        Value(u32::MAX - 1),
        Value(0x1000),
        Value(0x1002),
        Value(0x8000_0000),
        Value(0xFFFF_FFFC),
        Value(0x8200_0000),
        Value(0x7000_0000),
        Value(nothing),
        Value(nothing + 1),
        Value(short),
        Value(text),
        At(event),
        CurrentThread,
    ]
}

fn exports() -> Vec<String> {
    let table =
        std::fs::read_to_string(repository().join("guests/exports.tsv")).expect("part of the repository");
    let name = |line: &str| line.split('\t').nth(2).map(str::to_owned);
    table.lines().filter_map(name).filter(|name| !NOT_HERE.contains(&name.as_str())).collect()
}

/// A number that looks random and depends on nothing but its seed.
fn scramble(seed: u32) -> u32 {
    let seed = (seed ^ seed >> 16).wrapping_mul(0x85EB_CA6B);
    let seed = (seed ^ seed >> 13).wrapping_mul(0xC2B2_AE35);
    seed ^ seed >> 16
}

#[test]
fn no_argument_brings_the_host_down() {
    for (number, export) in (0u32..).zip(exports()) {
        for attempt in 0..40 {
            let mut program = Program::new();
            let values = strange_values(&mut program);
            let main = program.entry();
            for call in 0..4 {
                let draw = |argument: u32| scramble(number << 16 | attempt << 8 | call << 4 | argument);
                let arguments: Vec<_> =
                    (0..9).map(|argument| values[draw(argument) as usize % values.len()]).collect();
                program.call(main, &export, &arguments);
            }
            program.load_value(main, 0);
            program.end(main);
            let deterministic = attempt % 4 != 0;
            let config = MachineConfig {
                deterministic,
                max_instructions: Some(1_000_000),
                watchdog: Some(1_000_000),
                self_check: true,
                ..MachineConfig::default()
            };
            let run = run_image(&program.image(), config, Trace::on());
            // All but an interruption is an answer; that would be the harness, after its patience ran out.
            assert_ne!(run.outcome.ended, Ended::Interrupted, "{export}, attempt {attempt}");
            assert_eq!(run.outcome.unrecorded, [], "{export}, attempt {attempt}");
        }
    }
}
