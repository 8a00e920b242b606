//! The command's exit codes. Other people's scripts depend on them.

use std::process::ExitCode;

/// How the command ends. The order is that of precedence: of several that hold, the greatest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// The guest finished, or the file was read: no finding.
    Clean,
    /// No finding, but the evidence is incomplete.
    Incomplete,
    /// Findings, or the run itself ended badly.
    Findings,
    /// A file that cannot be used.
    Unusable,
    /// Wrong usage.
    Usage,
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::Unusable => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_2_4_1_3_0_wins() {
        let mut all = [Exit::Clean, Exit::Findings, Exit::Usage, Exit::Incomplete, Exit::Unusable];
        all.sort_unstable_by(|one, other| other.cmp(one));
        assert_eq!(all.map(Exit::code), [2, 4, 1, 3, 0]);
    }
}
