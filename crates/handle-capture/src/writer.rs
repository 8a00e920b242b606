//! Making a capture.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use handle_audit::{
    Capture, DEFAULT_RING_CAPACITY, Label, LabelWatcher, MAX_RING_CAPACITY, MAX_RINGS, MIN_RING_CAPACITY,
    watch_labels,
};
use host_os::SharedMapping;
use spsc_ring::{CONTROL_WORDS, LINE_WORDS, SharedWords};
use std::sync::OnceLock;

use crate::error::CaptureError;
use crate::frame::to_bytes;
use crate::layout::{Block, Geometry, HEADERS, PAGE, RING_CONTROL, Role, header};
use crate::notes::{LABEL_RESERVE, NotesWriter};
use crate::place::{self, NewFile, Turn};
use crate::segment::SegmentWriter;
use crate::words::Pen;

/// Bytes that a capture takes unless it is told otherwise: 256 MiB.
pub const DEFAULT_MAX_BYTES: u64 = 256 << 20;

/// The shortest segment: room for a checkpoint and some frames.
const MIN_SEGMENT: u64 = 512 << 10;

/// Segments, if each can be [`MIN_SEGMENT`] long. More of them would keep more of the history when one is dropped; fewer
/// have room for more trails in a checkpoint.
const SEGMENTS: u64 = 4;

/// Bytes for attachments that come later, at most a quarter of the capture.
const ATTACHMENTS: u64 = 4 << 20;

/// How a capture is set up.
#[derive(Clone, Debug)]
pub struct CaptureOptions {
    path: PathBuf,
    rings_in: Option<PathBuf>,
    max_bytes: u64,
    rings: usize,
    ring_capacity: usize,
    attached: Vec<(String, Vec<u8>)>,
}

impl CaptureOptions {
    /// A capture at `path`, for an audit of eight rings. A capture that is there is replaced, once the new one has its
    /// space; anything else is left alone.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            rings_in: None,
            max_bytes: DEFAULT_MAX_BYTES,
            rings: 8,
            ring_capacity: DEFAULT_RING_CAPACITY,
            attached: Vec::new(),
        }
    }

    /// Rings of the audit; must be what its configuration says.
    #[must_use]
    pub fn rings(mut self, rings: usize) -> Self {
        self.rings = rings;
        self
    }

    /// Records a ring holds, rounded up to a power of two. A record takes 64 bytes.
    #[must_use]
    pub fn ring_capacity(mut self, records: usize) -> Self {
        self.ring_capacity = records;
        self
    }

    /// Bytes that the capture takes, rings included wherever they are. When they are used up, the oldest segment of
    /// history is dropped.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Puts the rings into a file of their own in this directory, such as `/dev/shm`: a producer then never waits
    /// for a disk. The file is removed when the capture is finished.
    #[must_use]
    pub fn rings_in(mut self, directory: impl Into<PathBuf>) -> Self {
        self.rings_in = Some(directory.into());
        self
    }

    /// Attaches bytes under a name from the beginning on. Room is made for them, which counts among the bytes that the
    /// capture takes.
    #[must_use]
    pub fn attach(mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.attached.push((name.into(), bytes.into()));
        self
    }

    fn geometry(&self) -> Result<Geometry, CaptureError> {
        let (rings, ring_capacity) = (self.rings, self.ring_capacity);
        if !(1..=MAX_RINGS).contains(&rings)
            || !(MIN_RING_CAPACITY..=MAX_RING_CAPACITY).contains(&ring_capacity)
        {
            return Err(CaptureError::TooLarge {
                rings,
                ring_capacity,
                max_rings: MAX_RINGS,
                max_capacity: MAX_RING_CAPACITY,
            });
        }
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut geometry = Geometry {
            id: RandomState::new().hash_one(since_1970),
            rings: rings as u64,
            ring_capacity: ring_capacity.next_power_of_two() as u64,
            first_position: 0,
            rings_elsewhere: self.rings_in.is_some(),
            notes_bytes: self.notes_bytes(self.max_bytes),
            segment_bytes: MIN_SEGMENT,
            segments: 2,
            created: since_1970.as_nanos() as u64,
            pid: std::process::id().into(),
        };
        let others = geometry.rings_end() + geometry.segments * MIN_SEGMENT;
        if others + geometry.notes_bytes > self.max_bytes {
            let needed = self.needed(others);
            return Err(CaptureError::TooSmall { max_bytes: self.max_bytes, rings, ring_capacity, needed });
        }
        let left = self.max_bytes - geometry.rings_end() - geometry.notes_bytes;
        geometry.segments = (left / MIN_SEGMENT).min(SEGMENTS);
        geometry.segment_bytes = (left / geometry.segments) / PAGE * PAGE;
        Ok(geometry)
    }

    /// Bytes of the notes in a capture of so many.
    fn notes_bytes(&self, max_bytes: u64) -> u64 {
        let attached = self.attached.iter().map(|(_, bytes)| NotesWriter::attachment_bytes(bytes.len()));
        let bytes = LABEL_RESERVE + attached.sum::<u64>() + ATTACHMENTS.min(max_bytes / 4);
        bytes.next_multiple_of(PAGE)
    }

    /// The least that holds the notes beside so many bytes: what is given for the notes makes room for more of them.
    fn needed(&self, others: u64) -> u64 {
        let mut needed = others;
        while needed < others + self.notes_bytes(needed) {
            needed = others + self.notes_bytes(needed);
        }
        needed
    }
}

/// What the writer, the drain and label makers share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) geometry: Geometry,
    /// The header, and the rings if they are in the same file.
    pub(crate) mapping: Arc<SharedMapping>,
    /// The rings.
    rings: Arc<SharedMapping>,
    rings_path: Option<PathBuf>,
    notes: Mutex<NotesWriter>,
    /// Why the capture could not go on. The first reason stays.
    pub(crate) failure: OnceLock<String>,
    /// Everything that was published is in the segments.
    pub(crate) stopped: AtomicBool,
    /// Where the used part of the file ends.
    pub(crate) used: AtomicU64,
}

impl Inner {
    pub(crate) fn fail(&self, error: &io::Error) {
        // A later failure is a consequence.
        let _ = self.failure.set(error.to_string());
    }

    /// Whether the file still has all its space. Somebody else may have cut it short.
    pub(crate) fn check_length(&self) -> io::Result<()> {
        let whole = !self.mapping.is_lost() && !self.rings.is_lost();
        if whole && self.file.metadata()?.len() >= self.geometry.end() {
            return Ok(());
        }
        Err(io::Error::other("somebody cut the file short while it was written"))
    }

    fn with_notes<T>(&self, what: impl FnOnce(&mut NotesWriter) -> T) -> Result<T, CaptureError> {
        if !self.mapping.is_ours() {
            return Err(CaptureError::Forked);
        }
        Ok(what(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl LabelWatcher for Inner {
    fn learn(&self, label: Label) {
        if let Ok(Err(error)) = self.with_notes(|notes| notes.label(&self.file, label)) {
            self.fail(&error);
        }
    }
}

/// The memory of one ring.
#[derive(Debug)]
struct RingWords {
    mapping: Arc<SharedMapping>,
    first: usize,
    count: usize,
}

impl SharedWords for RingWords {
    fn words(&self) -> Option<&[AtomicU64]> {
        self.mapping.words().map(|words| &words[self.first..][..self.count])
    }
}

/// A capture that is being written: the host's end of it.
///
/// Dropping it leaves a valid capture without a reason for the end.
#[derive(Debug)]
pub struct CaptureWriter {
    inner: Arc<Inner>,
}

impl CaptureWriter {
    /// Makes the file, reserves all its space, and returns the writer together with what the audit needs
    /// ([`HandleAudit::with_capture`](handle_audit::HandleAudit::with_capture)). The file appears at its path, in place of
    /// an earlier capture, when nothing can fail any more.
    ///
    /// # Errors
    ///
    /// [`CaptureError`] if the numbers do not fit each other, something that is no capture stands at the path, the
    /// capture there is being written by another process, or there is no space. Nothing is left behind then, and what
    /// was at the path is as it was.
    pub fn create(options: &CaptureOptions) -> Result<(Self, Capture), CaptureError> {
        let geometry = options.geometry()?;
        let path = place::resolve(&options.path)?;
        let turn = Turn::at(&path);
        let orphaned_rings = place::may_replace(&path)?;
        let part = NewFile::beside(&path, &turn)?;
        let own_rings = if geometry.rings_elsewhere { HEADERS } else { geometry.rings_end() };
        let mapping = prepare(&part, geometry.end(), own_rings)?;
        let rings_file = match &options.rings_in {
            None => None,
            Some(directory) => {
                let file = rings_path(directory, &path, geometry.id);
                let file = NewFile::create(file.clone(), &file)?;
                let rings = prepare(&file, geometry.rings_end(), geometry.rings_end())?;
                write_headers(&file.file, &file.path, geometry)?;
                Some((file, rings))
            }
        };
        let rings = rings_file.as_ref().map_or_else(|| mapping.clone(), |(_, rings)| rings.clone());
        let inner = Arc::new(Inner {
            path: path.clone(),
            file: part.file.try_clone().map_err(CaptureError::io(&path, "cannot make the capture"))?,
            geometry,
            mapping,
            rings: rings.clone(),
            rings_path: rings_file.as_ref().map(|(file, _)| file.path.clone()),
            notes: Mutex::new(NotesWriter::new(geometry)),
            failure: OnceLock::new(),
            stopped: AtomicBool::new(false),
            used: AtomicU64::new(0),
        });
        let sink = inner.begin().map_err(CaptureError::io(&path, "cannot write"))?;
        let writer = Self { inner: inner.clone() };
        options.attached.iter().try_for_each(|(name, bytes)| writer.attach(name, bytes))?;
        // The header comes last: what has one is complete.
        write_headers(&inner.file, &path, geometry)?;
        part.put().map_err(CaptureError::io(&path, "cannot put the capture there"))?;
        rings_file.into_iter().for_each(|(file, _)| file.keep());
        if let Some(orphan) = orphaned_rings {
            // The rings of a killed process, of which the capture is gone now. If they stay, they only take space.
            let _ = std::fs::remove_file(orphan);
        }
        let watcher: Weak<dyn LabelWatcher> = Arc::downgrade(&(inner.clone() as Arc<dyn LabelWatcher>));
        watch_labels(watcher);
        let ring = |ring| -> (Arc<dyn SharedWords>, _) {
            let words = RingWords {
                mapping: rings.clone(),
                first: ((geometry.ring_at(ring) + RING_CONTROL) / 8) as usize,
                count: CONTROL_WORDS + LINE_WORDS * geometry.ring_capacity as usize,
            };
            (Arc::new(words), geometry.ring_seal(ring))
        };
        let capture = Capture { rings: (0..geometry.rings).map(ring).collect(), sink: Box::new(sink) };
        Ok((writer, capture))
    }

    /// Attaches bytes under a name, such as `run.json`; those attached under that name before are replaced.
    ///
    /// # Errors
    ///
    /// [`CaptureError::AttachmentTooLarge`], or what the operating system says.
    pub fn attach(&self, name: &str, bytes: &[u8]) -> Result<(), CaptureError> {
        let inner = &self.inner;
        let attached = inner.with_notes(|notes| {
            if notes.takes(name, bytes.len()) {
                Ok(notes.attachment(&inner.file, name, bytes))
            } else {
                Err(notes.room())
            }
        })?;
        match attached {
            Ok(written) => written.map_err(CaptureError::io(&inner.path, "cannot attach")),
            Err(room) => {
                Err(CaptureError::AttachmentTooLarge { name: name.to_owned(), bytes: bytes.len(), room })
            }
        }
    }

    /// Notes why the run ended, in the host's words, such as `deadlock`. The last note counts.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn note_end(&self, reason: &str) -> Result<(), CaptureError> {
        let inner = &self.inner;
        inner
            .with_notes(|notes| notes.end(&inner.file, reason))?
            .map_err(CaptureError::io(&inner.path, "cannot note the end"))
    }

    /// From now on, a fatal signal or a panic of this process is noted in the capture, before it goes to the handler
    /// or hook that was there. A panic that is caught is noted too; the reason of an end overrides it. If somebody cuts
    /// the file short, the audit goes on in memory instead of a SIGBUS, and [`finish`](Self::finish) says so.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn note_crashes(&self) -> Result<(), CaptureError> {
        host_os::leave_crash_notes(self.inner.mapping.clone(), header::CRASH)
            .and_then(|()| self.inner.mapping.guard())
            .and_then(|()| self.inner.rings.guard())
            .map_err(CaptureError::io(&self.inner.path, "cannot watch for crashes"))?;
        let mapping = Arc::downgrade(&self.inner.mapping);
        let earlier = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if let Some(mapping) = mapping.upgrade() {
                note_panic(&mapping, &panic.to_string());
            }
            earlier(panic);
        }));
        Ok(())
    }

    /// Ends the capture: cuts off what was never used, and removes the rings' file if everything in it is in the
    /// segments. Shut the audit down first.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Incomplete`] if the drain could not write at some time; what the operating system says.
    pub fn finish(&self) -> Result<(), CaptureError> {
        let inner = &self.inner;
        if !inner.mapping.is_ours() {
            return Err(CaptureError::Forked);
        }
        host_os::leave_no_crash_notes();
        // Whatever was noted, the process has survived it.
        if let Some(words) = inner.mapping.words() {
            words[header::CRASH].store(0, Ordering::Relaxed);
        }
        if let Err(error) = inner.check_length().and_then(|()| inner.check_name()) {
            inner.fail(&error);
        }
        if let Some(reason) = inner.failure.get() {
            return Err(CaptureError::Incomplete { path: inner.path.clone(), reason: reason.clone() });
        }
        if inner.stopped.load(Ordering::Acquire) {
            let used = inner.used.load(Ordering::Relaxed).next_multiple_of(8);
            inner
                .file
                .set_len(used)
                .map_err(CaptureError::io(&inner.path, "cannot cut off what is unused"))?;
            if let Some(path) = &inner.rings_path {
                std::fs::remove_file(path)
                    .map_err(CaptureError::io(path, "cannot remove the rings' file"))?;
            }
        }
        Ok(())
    }
}

impl Inner {
    /// Whether the file has a name.
    fn check_name(&self) -> io::Result<()> {
        let named = self.file.metadata()?.nlink() > 0;
        named.then_some(()).ok_or_else(|| io::Error::other("somebody removed the file while it was written"))
    }

    /// Writes everything that stands before the first record.
    fn begin(self: &Arc<Self>) -> io::Result<SegmentWriter> {
        let geometry = self.geometry;
        let block = |role, index| Block { role, index, generation: 0, geometry }.words();
        if let Some(words) = self.rings.words() {
            for ring in 0..geometry.rings {
                let at = (geometry.ring_at(ring) / 8) as usize;
                for (place, word) in words[at..].iter().zip(block(Role::Ring, ring)) {
                    place.store(word, Ordering::Relaxed);
                }
            }
        }
        if let (Some(path), Some(words)) = (&self.rings_path, self.mapping.words()) {
            let mut pen = Pen::default();
            let path = std::path::absolute(path)?;
            let bytes = path.as_os_str().as_encoded_bytes();
            if bytes.len() > header::RINGS_PATH_BYTES {
                return Err(io::Error::other("the path of the rings' file is too long"));
            }
            pen.bytes(bytes);
            for (place, word) in words[header::RINGS_PATH..].iter().zip(pen.words) {
                place.store(word, Ordering::Relaxed);
            }
        }
        self.file.write_all_at(&to_bytes(&block(Role::Notes, 0)), geometry.notes_at())?;
        SegmentWriter::new(self.clone())
    }
}

/// Reserves all of a file's space and maps its beginning.
fn prepare(new: &NewFile, bytes: u64, mapped: u64) -> Result<Arc<SharedMapping>, CaptureError> {
    let NewFile { name, file, .. } = new;
    host_os::reserve(file, bytes).map_err(CaptureError::io(name, "cannot reserve the space"))?;
    let mapping = SharedMapping::new(file, mapped).map_err(CaptureError::io(name, "cannot map the file"))?;
    Ok(Arc::new(mapping))
}

fn write_headers(file: &File, path: &Path, geometry: Geometry) -> Result<(), CaptureError> {
    for index in [1, 0] {
        let block = Block { role: Role::Header, index, generation: 0, geometry };
        let written = file.write_all_at(&to_bytes(&block.words()), index * PAGE);
        written.map_err(CaptureError::io(path, "cannot write the header"))?;
    }
    Ok(())
}

fn rings_path(directory: &Path, capture: &Path, id: u64) -> PathBuf {
    let name = capture.file_name().unwrap_or_default().to_string_lossy().into_owned();
    directory.join(format!("{name}.{id:016x}.rings"))
}

/// Leaves the text of a panic in the header. The first one stays; its length comes last, so that it is whole.
fn note_panic(mapping: &SharedMapping, text: &str) {
    let Some(words) = mapping.words() else { return };
    let [length, place @ ..] = &words[header::PANIC..] else { return };
    if length.load(Ordering::Relaxed) != 0 {
        return;
    }
    let mut pen = Pen::default();
    let cut = text.floor_char_boundary(header::PANIC_BYTES);
    pen.bytes(&text.as_bytes()[..cut]);
    for (place, word) in place.iter().zip(&pen.words[1..]) {
        place.store(*word, Ordering::Relaxed);
    }
    length.store(cut as u64 | 1 << 63, Ordering::Release);
}
