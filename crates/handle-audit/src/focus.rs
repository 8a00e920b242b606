//! The handles picked by the person debugging, and the switch that carries them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A set of handles. It adds ghosts and asks call sites for stacks; it does not narrow what gets a trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Focus(BTreeSet<u32>);

impl Focus {
    /// Whether `handle` was picked.
    #[must_use]
    pub fn contains(&self, handle: u32) -> bool {
        self.0.contains(&handle)
    }

    /// Whether nothing was picked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The picked handles, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().copied()
    }
}

impl FromIterator<u32> for Focus {
    fn from_iter<I: IntoIterator<Item = u32>>(handles: I) -> Self {
        Self(handles.into_iter().collect())
    }
}

/// A handle list that cannot be read, with the place of the bad item.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "item {item} of the handle list, {text:?} at character {column}, is not a handle: {reason}; \
     write handles as 0x1004 or 4100, separated by commas"
)]
pub struct BadHandleList {
    /// The item's place in the list, from 1.
    pub item: usize,
    /// The character where it begins, from 1.
    pub column: usize,
    /// The item.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for Focus {
    type Err = BadHandleList;

    /// Reads handles separated by commas, each in hexadecimal with `0x` or in decimal.
    fn from_str(list: &str) -> Result<Self, BadHandleList> {
        let mut handles = BTreeSet::new();
        let mut column = 1;
        for (index, text) in list.split(',').enumerate() {
            let padding = text.chars().take_while(|c| c.is_whitespace()).count();
            let handle = parse_handle(text.trim()).map_err(|reason| BadHandleList {
                item: index + 1,
                column: column + padding,
                text: text.trim().to_owned(),
                reason,
            })?;
            handles.insert(handle);
            column += text.chars().count() + 1;
        }
        Ok(Self(handles))
    }
}

/// Reads one handle, in hexadecimal with `0x` or in decimal.
///
/// # Errors
///
/// What is wrong with it, in a few words.
pub fn parse_handle(text: &str) -> Result<u32, &'static str> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    if digits.is_empty() {
        return Err(if radix == 16 { "no digits after 0x" } else { "it is empty" });
    }
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(if radix == 16 { "not a hexadecimal number" } else { "not a decimal number" });
    }
    u32::from_str_radix(digits, radix).map_err(|_| "it does not fit 32 bits")
}

/// What `--trace-handles` and `XENIA_TRACE_HANDLES` say: off, or on with a focus.
///
/// A type that any clap program can embed: it is `FromStr` and `Clone`, so
/// `#[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "on")] trace_handles: Option<TraceHandles>`
/// is the whole option.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TraceHandles {
    /// Nothing is recorded. The default.
    #[default]
    Off,
    /// Everything is recorded; the focus may be empty.
    On(Focus),
}

/// The environment variable that does what the option does.
pub const TRACE_HANDLES_VARIABLE: &str = "XENIA_TRACE_HANDLES";

impl TraceHandles {
    /// On, with nothing in focus.
    #[must_use]
    pub fn on() -> Self {
        Self::On(Focus::default())
    }

    /// Reads the value of the environment variable: empty or `0` is off, `1` is on, anything else is a list. Blanks
    /// around it do not count, since shells and scripts leave some.
    ///
    /// # Errors
    ///
    /// [`BadHandleList`] if it is not a list either.
    pub fn from_variable(value: &str) -> Result<Self, BadHandleList> {
        match value.trim() {
            "" | "0" => Ok(Self::Off),
            "1" => Ok(Self::on()),
            // Untrimmed: an error says at which character.
            _ => value.parse(),
        }
    }

    /// What holds when both can speak: the command line wins, also when it says `off`.
    ///
    /// # Errors
    ///
    /// [`BadHandleList`] if the variable decides and cannot be read.
    pub fn resolve(option: Option<Self>, variable: Option<&str>) -> Result<Self, BadHandleList> {
        match (option, variable) {
            (Some(option), _) => Ok(option),
            (None, Some(value)) => Self::from_variable(value),
            (None, None) => Ok(Self::Off),
        }
    }
}

impl FromStr for TraceHandles {
    type Err = BadHandleList;

    /// Reads the value of the option: `on`, `off`, or a list.
    fn from_str(value: &str) -> Result<Self, BadHandleList> {
        match value {
            "off" => Ok(Self::Off),
            "on" => Ok(Self::on()),
            list => list.parse().map(Self::On),
        }
    }
}

impl fmt::Display for TraceHandles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::On(focus) if focus.is_empty() => f.write_str("on"),
            Self::On(focus) => {
                let handles: Vec<_> = focus.iter().map(|handle| format!("{handle:#x}")).collect();
                f.write_str(&handles.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn focus(handles: &[u32]) -> TraceHandles {
        TraceHandles::On(handles.iter().copied().collect())
    }

    #[test]
    fn the_command_line_wins() {
        let resolve = |option: Option<&str>, variable| {
            TraceHandles::resolve(option.map(|o| o.parse().unwrap()), variable)
        };
        assert_eq!(resolve(None, None), Ok(TraceHandles::Off));
        assert_eq!(resolve(None, Some("")), Ok(TraceHandles::Off));
        assert_eq!(resolve(None, Some("0")), Ok(TraceHandles::Off));
        assert_eq!(resolve(None, Some("1")), Ok(TraceHandles::on()));
        for (variable, read) in
            [(" 0 ", TraceHandles::Off), (" ", TraceHandles::Off), ("1 ", TraceHandles::on())]
        {
            assert_eq!(resolve(None, Some(variable)), Ok(read));
        }
        assert_eq!(resolve(None, Some("0x1004,0x100c")), Ok(focus(&[0x1004, 0x100c])));
        assert_eq!(resolve(Some("off"), Some("1")), Ok(TraceHandles::Off));
        assert_eq!(resolve(Some("on"), Some("rubbish")), Ok(TraceHandles::on()));
        assert_eq!(resolve(Some("0x1004"), Some("0")), Ok(focus(&[0x1004])));
    }

    #[test]
    fn a_bad_list_names_the_item_and_its_position() {
        let error = "0x1004, 0xzz,12".parse::<TraceHandles>().unwrap_err();
        assert_eq!((error.item, error.column, error.text.as_str()), (2, 9, "0xzz"));
        let error = "0x1004,,12".parse::<TraceHandles>().unwrap_err();
        assert_eq!((error.item, error.column, error.reason), (2, 8, "it is empty"));
        let error = "4294967296".parse::<TraceHandles>().unwrap_err();
        assert_eq!(error.reason, "it does not fit 32 bits");
        for (item, reason) in [
            ("0x", "no digits after 0x"),
            ("0xzz", "not a hexadecimal number"),
            ("12a", "not a decimal number"),
            ("0x100000000", "it does not fit 32 bits"),
        ] {
            assert_eq!(parse_handle(item), Err(reason));
        }
        assert!(TraceHandles::from_variable("2x").is_err());
        assert!("+5".parse::<TraceHandles>().is_err());
    }

    #[test]
    fn what_is_printed_reads_back() {
        for value in ["off", "on", "0x1004,0x100c"] {
            assert_eq!(value.parse::<TraceHandles>().unwrap().to_string(), value);
        }
    }
}
