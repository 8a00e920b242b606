//! `DbgPrint`'s format, as the kernel's printf has it, without floating point.

use ppc::{Memory, MemoryFault};

/// Bytes of a string argument, and of the format itself, that are read.
const MAX_TEXT: usize = 1024;
/// Columns that one conversion can be padded to.
const MAX_WIDTH: usize = 256;

/// Where the words of the variable arguments come from, in order.
pub(crate) trait Arguments {
    /// The next word.
    fn word(&mut self) -> Result<u32, MemoryFault>;

    /// The next doubleword, which begins in an odd register or at a multiple of 8 (System V ABI).
    fn doubleword(&mut self) -> Result<u64, MemoryFault>;
}

/// One conversion: `%08x`, `%-5s`, `%llu`.
#[derive(Debug, Default)]
struct Spec {
    left: bool,
    zero: bool,
    plus: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
    long_long: bool,
}

/// Formats what the guest prints. A string that cannot be read is shown as `(bad pointer 0x...)`.
pub(crate) fn format(
    memory: &Memory,
    format: u32,
    arguments: &mut impl Arguments,
) -> Result<String, MemoryFault> {
    let format = memory.read_c_string(format, MAX_TEXT)?;
    let mut text = Vec::new();
    let mut rest = format.as_slice();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            text.push(byte);
            continue;
        }
        let spec = Spec::parse(&mut rest, arguments)?;
        let Some((&conversion, after)) = rest.split_first() else { break };
        rest = after;
        text.extend(spec.convert(conversion, memory, arguments)?);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

impl Spec {
    fn parse(rest: &mut &[u8], arguments: &mut impl Arguments) -> Result<Self, MemoryFault> {
        let mut spec = Self::default();
        while let Some(&flag) = rest.first() {
            match flag {
                b'-' => spec.left = true,
                b'0' => spec.zero = true,
                b'+' => spec.plus = true,
                b'#' => spec.alternate = true,
                b' ' => {}
                _ => break,
            }
            *rest = &rest[1..];
        }
        spec.width = number(rest, arguments)?.unwrap_or(0);
        if let Some(after) = rest.strip_prefix(b".") {
            *rest = after;
            spec.precision = Some(number(rest, arguments)?.unwrap_or(0));
        }
        for prefix in [&b"I64"[..], b"ll", b"l", b"hh", b"h", b"z"] {
            if let Some(after) = rest.strip_prefix(prefix) {
                *rest = after;
                spec.long_long = prefix == b"ll" || prefix == b"I64";
                break;
            }
        }
        Ok(spec)
    }

    fn convert(
        &self,
        conversion: u8,
        memory: &Memory,
        arguments: &mut impl Arguments,
    ) -> Result<Vec<u8>, MemoryFault> {
        Ok(match conversion {
            b'd' | b'i' => self.signed(self.integer(arguments)?),
            b'u' => self.number("", self.unsigned(arguments)?.to_string()),
            b'x' => self.number(self.prefix("0x"), format!("{:x}", self.unsigned(arguments)?)),
            b'X' => self.number(self.prefix("0X"), format!("{:X}", self.unsigned(arguments)?)),
            b'o' => self.number("", format!("{:o}", self.unsigned(arguments)?)),
            b'p' => self.pad(format!("0x{:08x}", arguments.word()?).into_bytes()),
            b'c' => self.pad(vec![arguments.word()? as u8]),
            b's' => {
                let address = arguments.word()?;
                let max = self.precision.unwrap_or(MAX_TEXT).min(MAX_TEXT);
                let text = memory.read_c_string(address, max);
                self.pad(text.unwrap_or_else(|_| format!("(bad pointer 0x{address:08x})").into_bytes()))
            }
            b'%' => b"%".to_vec(),
            other => vec![b'%', other],
        })
    }

    fn integer(&self, arguments: &mut impl Arguments) -> Result<i64, MemoryFault> {
        if self.long_long {
            Ok(arguments.doubleword()? as i64)
        } else {
            Ok(i64::from(arguments.word()? as i32))
        }
    }

    fn unsigned(&self, arguments: &mut impl Arguments) -> Result<u64, MemoryFault> {
        if self.long_long { arguments.doubleword() } else { arguments.word().map(u64::from) }
    }

    fn prefix(&self, prefix: &'static str) -> &'static str {
        if self.alternate { prefix } else { "" }
    }

    fn signed(&self, value: i64) -> Vec<u8> {
        let sign = match value {
            ..0 => "-",
            _ if self.plus => "+",
            _ => "",
        };
        self.number(sign, value.unsigned_abs().to_string())
    }

    /// Zeros go between the sign and the digits.
    fn number(&self, sign: &str, digits: String) -> Vec<u8> {
        let fill = if self.zero && !self.left { self.width.saturating_sub(sign.len()) } else { 0 };
        let least = self.precision.unwrap_or(fill);
        self.pad(format!("{sign}{digits:0>least$}").into_bytes())
    }

    fn pad(&self, mut text: Vec<u8>) -> Vec<u8> {
        let missing = self.width.saturating_sub(text.len());
        if self.left {
            text.resize(text.len() + missing, b' ');
            return text;
        }
        let mut padded = vec![b' '; missing];
        padded.append(&mut text);
        padded
    }
}

/// Digits, or `*` for the next argument.
fn number(rest: &mut &[u8], arguments: &mut impl Arguments) -> Result<Option<usize>, MemoryFault> {
    if let Some(after) = rest.strip_prefix(b"*") {
        *rest = after;
        return Ok(Some((arguments.word()? as usize).min(MAX_WIDTH)));
    }
    let mut value = None;
    while let Some((&digit @ b'0'..=b'9', after)) = rest.split_first() {
        value = Some((value.unwrap_or(0) * 10 + usize::from(digit - b'0')).min(MAX_WIDTH));
        *rest = after;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u32 = 0x1_0000;

    struct Words<'a>(std::slice::Iter<'a, u32>);

    impl Arguments for Words<'_> {
        fn word(&mut self) -> Result<u32, MemoryFault> {
            Ok(self.0.next().copied().unwrap_or(0))
        }

        fn doubleword(&mut self) -> Result<u64, MemoryFault> {
            Ok(u64::from(self.word()?) << 32 | u64::from(self.word()?))
        }
    }

    fn print(text: &str, words: &[u32]) -> String {
        let memory = Memory::new();
        memory.map(BASE, 0x1000).expect("there is room");
        memory.write_bytes(BASE, text.as_bytes()).expect("it is mapped");
        memory.write_bytes(BASE + 0x800, b"guest").expect("it is mapped");
        format(&memory, BASE, &mut Words(words.iter())).expect("the format is mapped")
    }

    #[test]
    fn formats_what_guests_use() {
        assert_eq!(print("%d of %u, %s\n", &[-5i32 as u32, 7, BASE + 0x800]), "-5 of 7, guest\n");
        assert_eq!(
            print("%08x %x %X %p", &[0xABC, 0xABC, 0xABC, 0x8201_0040]),
            "00000abc abc ABC 0x82010040"
        );
        assert_eq!(print("[%c%5d%-5d%05d]", &[65, 42, 42, -42i32 as u32]), "[A   4242   -0042]");
        assert_eq!(print("%llu %I64x %ld", &[1, 0, 2, 3, 4]), "4294967296 200000003 4");
        assert_eq!(print("100%% %.2s %*d", &[BASE + 0x800, 4, 9]), "100% gu    9");
        assert_eq!(print("%#x %+d", &[255, 3]), "0xff +3");
    }

    #[test]
    fn bad_formats_and_pointers_are_shown() {
        assert_eq!(print("%q %", &[]), "%q ");
        assert_eq!(print("%s", &[0x44]), "(bad pointer 0x00000044)");
        assert_eq!(print("%99999d", &[1]).len(), MAX_WIDTH);
    }
}
