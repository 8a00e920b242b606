//! Bugs that are planted on purpose, to see that the tests find them.
//!
//! With `--cfg planted`, the one that the environment variable `PLANTED` names while the crate is compiled is there;
//! `ci/planted.sh` does that with each. Otherwise the condition is a constant, and nothing of it is left.

/// Whether this bug is planted.
#[cfg(planted)]
#[doc(hidden)]
#[must_use]
pub const fn is_planted(bug: &str) -> bool {
    let Some(name) = option_env!("PLANTED") else { return false };
    let (name, bug) = (name.as_bytes(), bug.as_bytes());
    let mut same = 0;
    while same < name.len() && same < bug.len() && name[same] == bug[same] {
        same += 1;
    }
    same == name.len() && same == bug.len()
}

/// Whether this bug is planted: it is not.
#[cfg(not(planted))]
#[doc(hidden)]
#[must_use]
pub const fn is_planted(_bug: &str) -> bool {
    false
}

/// Whether the bug of this name is planted, as a constant.
#[doc(hidden)]
#[macro_export]
macro_rules! planted {
    ($bug:literal) => {
        const { $crate::is_planted($bug) }
    };
}
