//! Values of options that are read in a way of their own.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::str::FromStr;

/// Where the scheduler's choices come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seed {
    /// As given.
    Given(u64),
    /// Drawn once, when the run begins.
    Random,
}

impl Seed {
    /// The number to run with.
    pub(crate) fn draw(self) -> u64 {
        match self {
            Self::Given(seed) => seed,
            // The standard library seeds each of its hashers from the operating system. 32 bits are enough to be
            // different every time, and short enough to be typed again.
            Self::Random => RandomState::new().hash_one(std::process::id()) & u64::from(u32::MAX),
        }
    }
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "random" => Ok(Self::Random),
            text => {
                let seed = number(text).map_err(|reason| format!("{reason}, or write random"))?;
                Ok(Self::Given(seed))
            }
        }
    }
}

/// Reads an unsigned number, decimal or in hexadecimal with `0x`; `_` may group its digits.
pub(crate) fn number<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let grouped: String = text.chars().filter(|c| *c != '_').collect();
    let (digits, radix) = match grouped.strip_prefix("0x").or_else(|| grouped.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (grouped.as_str(), 10),
    };
    // `from_str_radix` would take a sign.
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err("write a number such as 4100 or 0x1004".to_owned());
    }
    let number = u64::from_str_radix(digits, radix).ok().and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("it does not fit {} bits", 8 * size_of::<T>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(number("4100"), Ok(4100_u32));
        assert_eq!(number("0x1004"), Ok(0x1004_u32));
        assert_eq!(number("200_000_000"), Ok(200_000_000_u64));
        for bad in ["", "0x", "+1", "-1", "1k", "0x1g"] {
            assert!(number::<u64>(bad).unwrap_err().contains("0x1004"), "{bad}");
        }
        assert_eq!(number::<u32>("0x100000000"), Err("it does not fit 32 bits".to_owned()));
        assert_eq!(number::<u64>("18446744073709551616"), Err("it does not fit 64 bits".to_owned()));
    }

    #[test]
    fn a_seed_is_a_number_or_random() {
        assert_eq!("7".parse(), Ok(Seed::Given(7)));
        assert_eq!("random".parse(), Ok(Seed::Random));
        assert!("dice".parse::<Seed>().unwrap_err().contains("random"));
        assert_eq!(Seed::Given(7).draw(), 7);
    }
}
