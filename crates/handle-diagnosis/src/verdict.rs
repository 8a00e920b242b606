//! Verdicts: their names, their confidence, and what one holds.

use std::fmt;
use std::str::FromStr;

use handle_audit::TrailEntry;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// How sure a verdict is, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// A loss overlaps the window, or tracing began too late.
    Unknown,
    /// A lead.
    Hint,
    /// It rests on history or on a sibling object.
    Likely,
    /// It rests on complete evidence of absence.
    Strong,
    /// It contradicts the kernel's own semantics, with no loss in the window.
    Proven,
}

impl Confidence {
    const ALL: [Self; 5] = [Self::Unknown, Self::Hint, Self::Likely, Self::Strong, Self::Proven];

    /// The word used in reports and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Hint => "HINT",
            Self::Likely => "LIKELY",
            Self::Strong => "STRONG",
            Self::Proven => "PROVEN",
        }
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that is no confidence.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is not a confidence; write hint, likely, strong or proven")]
pub struct BadConfidence(String);

impl FromStr for Confidence {
    type Err = BadConfidence;

    fn from_str(word: &str) -> Result<Self, BadConfidence> {
        let known =
            Self::ALL.into_iter().skip(1).find(|confidence| confidence.name().eq_ignore_ascii_case(word));
        known.ok_or_else(|| BadConfidence(word.to_owned()))
    }
}

macro_rules! verdicts {
    ($($variant:ident $code:literal $name:literal $doc:literal)*) => {
        /// The verdicts. Their codes are stable; HT19 is reserved.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum VerdictId { $(#[doc = $doc] $variant,)* }

        impl VerdictId {
            /// All of them, by code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code, e.g. `HT01`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The name, e.g. `promise-broken`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

verdicts! {
    PromiseBroken "HT01" "promise-broken" "An export took the handle as its completion object and never signalled it."
    NeverSignalled "HT02" "never-signalled" "Created, waited on for ever, never signalled."
    SignalledNotWoken "HT03" "signalled-not-woken" "The object can be had, and the waiter was not woken."
    LostPulse "HT04" "lost-pulse" "The signal was gone before the waiter came."
    CreditStolen "HT05" "credit-stolen" "Other threads consumed every signal."
    WrongTwin "HT06" "wrong-twin" "A sibling object has the signals, this one has the waiter."
    Ghost "HT07" "ghost" "The handle was used and never created."
    UseAfterClose "HT08" "use-after-close" "The handle was closed under its user."
    OwnerDead "HT09" "owner-dead" "The owner ended without releasing it."
    Deadlock "HT10" "deadlock" "Threads wait for each other in a circle."
    Victim "HT11" "victim" "Blocked only because another thread is."
    LostResume "HT12" "lost-resume" "Created suspended, never ran, and is waited for."
    DeadTimer "HT13" "dead-timer" "The timer was never armed, or is overdue."
    ApcStarved "HT14" "apc-starved" "An APC is queued and is not delivered."
    WaitAllPartial "HT15" "wait-all-partial" "Some members of a wait for all are unmet."
    BusyPoll "HT16" "busy-poll" "A thread polls in vain while others wait for it."
    HeartbeatStopped "HT17" "heartbeat-stopped" "A steady source of signals has gone silent."
    Coalesced "HT18" "coalesced" "A signal overwrote one that nobody had consumed."
    IdleByDesign "HT20" "idle-by-design" "Parked where it always parks, and nobody waits for it."
    NoSyncGap "HT21" "no-sync-gap" "No open wait explains the end of the run."
    InsufficientEvidence "HT22" "insufficient-evidence" "Records are missing where the answer would be."
}

impl VerdictId {
    /// Whether it accuses somebody: HT20 to HT22 never do.
    #[must_use]
    pub const fn can_be_finding(self) -> bool {
        !matches!(self, Self::IdleByDesign | Self::NoSyncGap | Self::InsufficientEvidence)
    }

    /// The most that it may claim, however good the evidence.
    #[must_use]
    pub const fn at_most(self) -> Confidence {
        match self {
            Self::SignalledNotWoken
            | Self::LostPulse
            | Self::UseAfterClose
            | Self::OwnerDead
            | Self::Deadlock
            | Self::Victim
            | Self::LostResume => Confidence::Proven,
            Self::PromiseBroken
            | Self::CreditStolen
            | Self::Ghost
            | Self::DeadTimer
            | Self::ApcStarved
            | Self::WaitAllPartial
            | Self::BusyPoll
            | Self::HeartbeatStopped => Confidence::Strong,
            Self::NeverSignalled | Self::WrongTwin | Self::Coalesced => Confidence::Likely,
            Self::IdleByDesign | Self::NoSyncGap | Self::InsufficientEvidence => Confidence::Unknown,
        }
    }
}

impl fmt::Display for VerdictId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// A word that names no verdict.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is not a verdict; write its code, HT01 to HT22, or its name, e.g. promise-broken")]
pub struct BadVerdictId(String);

impl FromStr for VerdictId {
    type Err = BadVerdictId;

    fn from_str(word: &str) -> Result<Self, BadVerdictId> {
        let same = |id: &&Self| id.code().eq_ignore_ascii_case(word) || id.name().eq_ignore_ascii_case(word);
        Self::ALL.iter().find(same).copied().ok_or_else(|| BadVerdictId(word.to_owned()))
    }
}

/// As its code.
impl Serialize for VerdictId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for VerdictId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One piece of evidence: a record, or a fact that no record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The handle it is about.
    pub handle: u32,
    /// The record, if it is one.
    pub record: Option<TrailEntry>,
    /// What it shows, in a few words; may be empty.
    pub note: String,
}

/// One verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Its place, from 1: the one to read first.
    pub rank: usize,
    /// Which.
    pub id: VerdictId,
    /// How sure it is. [`Confidence::Unknown`] for HT20 to HT22.
    pub confidence: Confidence,
    /// The handle or object address it is about, if it is about one.
    pub handle: Option<u32>,
    /// The generation of that handle.
    pub generation: Option<u64>,
    /// The export, thread or guest function that should have acted.
    pub culprit: Option<String>,
    /// The threads it is about, ascending.
    pub threads: Vec<u32>,
    /// All threads that are blocked through it, those above included where they are blocked, ascending.
    pub blocks: Vec<u32>,
    /// The rank of the verdict that explains this one, if one does.
    pub root: Option<usize>,
    /// One sentence.
    pub summary: String,
    /// What it rests on, in order.
    pub evidence: Vec<Evidence>,
    /// One action.
    pub next: String,
}

impl Verdict {
    /// Whether it counts as a finding at this bar: it accuses somebody, is sure enough, and no other verdict
    /// explains it. Findings with one root are one finding.
    #[must_use]
    pub fn is_finding(&self, bar: Confidence) -> bool {
        self.id.can_be_finding() && self.confidence >= bar && self.root.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_read_back() {
        for id in VerdictId::ALL {
            assert_eq!(id.code().parse(), Ok(*id));
            assert_eq!(id.name().parse(), Ok(*id));
        }
        assert_eq!("ht10".parse(), Ok(VerdictId::Deadlock));
        assert!("HT19".parse::<VerdictId>().unwrap_err().to_string().contains("HT01 to HT22"));
    }

    #[test]
    fn unknown_is_no_bar() {
        assert_eq!("strong".parse(), Ok(Confidence::Strong));
        assert!("unknown".parse::<Confidence>().is_err());
        assert!(Confidence::Proven > Confidence::Strong && Confidence::Hint > Confidence::Unknown);
    }
}
