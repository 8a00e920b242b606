//! How things are called: threads, objects, places, times, counts. One way for the text and for JSON.

use handle_audit::Operation;

use crate::input::{Case, Symbolize};

/// Cycles of the guest timebase in a millisecond.
pub(crate) const CYCLES_PER_MS: u64 = 50_000;

/// `1 signal`, `3 signals`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let number_text = digits(number);
    if number == 1 { format!("{number_text} {noun}") } else { format!("{number_text} {}", plural(noun)) }
}

/// `3 signals`, `1 wake`, `2 satisfied`.
pub(crate) fn operations(number: u64, operation: Operation) -> String {
    match operation {
        Operation::Satisfied => format!("{} satisfied", digits(number)),
        Operation::GhostSignal => count(number, "ghost signal"),
        Operation::Thread => count(number, "thread event"),
        Operation::Timer => count(number, "timer event"),
        Operation::Apc => count(number, "APC event"),
        named => count(number, named.name()),
    }
}

fn plural(noun: &str) -> String {
    match noun.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if noun.ends_with(['h', 's']) => format!("{noun}es"),
        None => format!("{noun}s"),
    }
}

/// Digits in groups of three: `12 345 678`.
pub(crate) fn digits(number: u64) -> String {
    let plain = number.to_string();
    let mut grouped = String::with_capacity(plain.len() * 4 / 3);
    for (index, digit) in plain.chars().enumerate() {
        if index > 0 && (plain.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// A point or a length of guest time: `12.345 ms`, from 10 s on `12.3 s`.
pub(crate) fn time(cycles: u64) -> String {
    let micros = cycles / (CYCLES_PER_MS / 1000);
    if micros >= 10_000_000 {
        format!("{}.{} s", digits(micros / 1_000_000), micros / 100_000 % 10)
    } else {
        format!("{}.{:03} ms", digits(micros / 1000), micros % 1000)
    }
}

/// A handle or an address.
pub(crate) fn hex(value: u32) -> String {
    format!("{value:#x}")
}

/// A place in the guest: the symbol, or the bare address. What the host records by itself has none.
pub(crate) fn place(symbols: &dyn Symbolize, address: u32) -> String {
    match address {
        0 => "the host".to_owned(),
        address => symbols.at(address).unwrap_or_else(|| hex(address)),
    }
}

/// The function around a place, or the bare address.
pub(crate) fn function(symbols: &dyn Symbolize, address: u32) -> String {
    match symbols.at(address) {
        Some(symbol) => match symbol.rsplit_once("+0x") {
            Some((name, _)) => name.to_owned(),
            None => symbol,
        },
        None => hex(address),
    }
}

/// `thread 1 (main)`; thread 0 is the host itself.
pub(crate) fn thread(case: &Case<'_>, tid: u32) -> String {
    match tid {
        0 => "the host".to_owned(),
        tid if case.is_main(tid) => format!("thread {tid} (main)"),
        tid => format!("thread {tid}"),
    }
}

/// `thread 1 (main), thread 3 and thread 4`.
pub(crate) fn threads(case: &Case<'_>, tids: &[u32]) -> String {
    list(&tids.iter().map(|tid| thread(case, *tid)).collect::<Vec<_>>())
}

/// `a, b and c`.
pub(crate) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// The first letter as a capital.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What a status means, where it is known: `0x103 (pending)`.
pub(crate) fn status(status: u64) -> String {
    let meaning = match status as u32 {
        0 => return "0 (success)".to_owned(),
        1..=0x3F => "satisfied",
        0x80..=0xBF => "abandoned",
        0xC0 => "user APC",
        0x101 => "alerted",
        0x102 => "timeout",
        0x103 => "pending",
        0xC000_0002 => "not implemented",
        0xC000_0008 => "invalid handle",
        0xC000_0024 => "wrong object type",
        0xC000_0046 => "mutant not owned",
        0xC000_0047 => "semaphore limit exceeded",
        other => return format!("{other:#x}"),
    };
    format!("{:#x} ({meaning})", status as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_comes_before_noun() {
        assert_eq!(count(0, "signal"), "0 signals");
        assert_eq!(count(1, "signal"), "1 signal");
        assert_eq!(count(12_345, "entry"), "12 345 entries");
        assert_eq!(count(2, "context switch"), "2 context switches");
        assert_eq!(operations(2, Operation::Alias), "2 aliases");
        assert_eq!(operations(2, Operation::Satisfied), "2 satisfied");
    }

    #[test]
    fn times_are_milliseconds_until_they_are_long() {
        assert_eq!(time(0), "0.000 ms");
        assert_eq!(time(617_250), "12.345 ms");
        assert_eq!(time(50 * 12_345_000), "12.3 s");
    }

    #[test]
    fn a_function_is_a_place_without_its_offset() {
        struct One;
        impl Symbolize for One {
            fn at(&self, address: u32) -> Option<String> {
                (address == 0x8200_003c).then(|| "boot+0x3c".to_owned())
            }
        }
        assert_eq!(function(&One, 0x8200_003c), "boot");
        assert_eq!(place(&One, 0x8200_003c), "boot+0x3c");
        assert_eq!(function(&One, 4), "0x4");
    }
}
