//! What a capture gave.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use handle_audit::{CapturedRecord, Gap, Snapshot};

/// Everything that could be read from a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The trails, as a live run would have shown them.
    pub snapshot: Snapshot,
    /// About the capture itself.
    pub info: Info,
    /// What it lacks, worst first.
    pub notes: Vec<Note>,
    /// What the host attached, by name.
    pub attachments: BTreeMap<String, Vec<u8>>,
}

impl Recovered {
    /// Whether nothing is missing: every record that was published was read, and the whole history is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.notes.iter().all(|note| !note.is_loss())
    }
}

/// About a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Identifies the capture.
    pub id: u64,
    /// When it was begun, in nanoseconds since 1970.
    pub created: u64,
    /// The process that wrote it.
    pub pid: u64,
    /// How it ended.
    pub ending: Ending,
    /// Rings of the audit.
    pub rings: u64,
    /// Records a ring holds.
    pub ring_capacity: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Where the rings are, if they are in a file of their own that is there.
    pub rings_at: Option<PathBuf>,
    /// Segments of history that were written.
    pub segments_written: u64,
    /// Segments that can still be read.
    pub segments_kept: u64,
    /// Slots read from segments.
    pub slots_in_segments: u64,
    /// Slots read from rings, which had not been folded yet.
    pub slots_in_rings: u64,
}

/// How a capture ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its process still writes it.
    Running,
    /// The host noted a reason, such as `finished` or `deadlock`.
    Noted(String),
    /// A fatal signal.
    Signal {
        /// Its number.
        number: u32,
        /// The address it was about.
        address: u64,
    },
    /// A panic of the host.
    Panic(String),
    /// Nothing was noted: the process was killed, or the machine stopped.
    Killed,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("still running"),
            Self::Noted(reason) => f.write_str(reason),
            Self::Signal { number, address } => write!(f, "signal {number} at address {address:#x}"),
            Self::Panic(text) => write!(f, "panic: {text}"),
            Self::Killed => f.write_str("killed: nothing was noted"),
        }
    }
}

/// Something to know about what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Frames of folded records are damaged or cut off.
    LostSlots {
        /// How many slots they held.
        slots: u64,
    },
    /// Published records in a ring cannot be read.
    DamagedLines {
        /// The ring.
        ring: u64,
        /// How many lines.
        lines: u64,
    },
    /// The control words of a ring are damaged; its lines were read without them.
    RingControl {
        /// The ring.
        ring: u64,
    },
    /// The account of what a ring refused is damaged; only gaps that came as records are known.
    Account {
        /// The ring.
        ring: u64,
    },
    /// The rings' file is missing or belongs to another capture: what was not folded is lost.
    RingsMissing {
        /// Where it should be.
        path: String,
    },
    /// A checkpoint did not have room for all trails.
    OmittedTrails {
        /// How many trails, ghosts, leads and threads.
        count: u64,
    },
    /// Notes (labels, attachments or the reason of the end) are damaged.
    LostNotes {
        /// How many.
        count: u64,
    },
    /// A header is damaged; the others were used.
    Header,
    /// The oldest history was dropped to stay within the size. The trails are whole: a checkpoint holds them.
    DroppedSegments {
        /// How many segments.
        count: u64,
    },
    /// Records were published while the others were read; they are left out, with what might follow them.
    InFlight {
        /// How many.
        records: u64,
    },
    /// Lines beyond the tail: written, but not published when the process ended.
    Unordered {
        /// How many slots could not be read as records.
        slots: u64,
    },
}

impl Note {
    /// Whether it means that something published is missing from what was read.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        !matches!(self, Self::Header | Self::DroppedSegments { .. } | Self::InFlight { .. })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LostSlots { slots } => write!(f, "{slots} slots of folded records are lost"),
            Self::DamagedLines { ring, lines } => {
                write!(f, "{lines} published slots of ring {ring} are damaged")
            }
            Self::RingControl { ring } => write!(f, "the control words of ring {ring} are damaged"),
            Self::Account { ring } => write!(f, "the account of ring {ring} is damaged"),
            Self::RingsMissing { path } => {
                write!(f, "the rings are not at {path}: what had not been folded is lost")
            }
            Self::OmittedTrails { count } => write!(f, "{count} trails did not fit a checkpoint"),
            Self::LostNotes { count } => write!(f, "{count} labels or attachments are damaged"),
            Self::Header => f.write_str("a header is damaged, the others were used"),
            Self::DroppedSegments { count } => {
                write!(f, "{count} oldest segments were dropped, a checkpoint holds their trails")
            }
            Self::InFlight { records } => write!(f, "{records} records are in flight and left out"),
            Self::Unordered { slots } => write!(f, "{slots} slots continue records that are lost"),
        }
    }
}

/// What a capture tells, in the order of the fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The history before this is not there; this is the state that it led to.
    Resumed(Box<Snapshot>),
    /// A record.
    Record(CapturedRecord),
    /// A ring was full for a while, or here records are missing of which nobody knows how many: see [`Gap::is_hole`].
    Gap(Gap),
    /// Here something is missing that was there.
    Lost {
        /// How many slots.
        slots: u64,
    },
}
