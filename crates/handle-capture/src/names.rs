//! Reading the notes: labels, attachments, the reason of the end.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use handle_audit::{Label, MAX_LABELS};

use crate::frame::{Frame, Frames, Kind};
use crate::layout::Geometry;
use crate::notes::MAX_PARTS;
use crate::source::Source;
use crate::words::{Glass, LabelOf};

/// How often labels are read again. A capture that is still written to gets some more now and then.
const MAX_REFRESHES: u32 = 64;

/// The labels of a capture. Ids are given in order, and a label is written before its first use. So an id beyond the
/// last one known came after the last reading, and the labels are read again; one before it is damaged.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    source: &'a dyn Source,
    geometry: Geometry,
    labels: RefCell<Vec<Option<Label>>>,
    refreshes: Cell<u32>,
}

/// Everything else among the notes.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) attachments: BTreeMap<String, Vec<u8>>,
    pub(crate) end: Option<String>,
    /// Notes that were there and cannot be read.
    pub(crate) lost: u64,
}

fn frames<'a>(source: &'a dyn Source, geometry: &Geometry) -> Frames<'a> {
    Frames::new(source, geometry.notes_seal(), geometry.frames_of_notes())
}

impl<'a> Names<'a> {
    pub(crate) fn new(source: &'a dyn Source, geometry: Geometry) -> Self {
        Self { source, geometry, labels: RefCell::default(), refreshes: Cell::default() }
    }

    fn refresh(&self) {
        let mut labels = self.labels.borrow_mut();
        for frame in frames(self.source, &self.geometry).filter(|frame| frame.kind == Kind::Label) {
            if let Some((id, label)) = self.read(&frame)
                && id < MAX_LABELS
            {
                let length = labels.len().max(id + 1);
                labels.resize(length, None);
                labels[id] = Some(label);
            }
        }
    }

    fn read(&self, frame: &Frame) -> Option<(usize, Label)> {
        let mut glass = Glass { words: &frame.body, labels: self };
        let id = usize::try_from(glass.word()?).ok()?;
        let name = String::from_utf8(glass.bytes()?).ok()?;
        Some((id, Label::from_data(&name)))
    }

    /// Attachments and the end.
    pub(crate) fn notes(&self) -> Notes {
        let mut notes = Notes::default();
        let mut parts: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        let mut next = 0;
        for frame in frames(self.source, &self.geometry) {
            if frame.number > next {
                notes.lost += frame.number - next;
                // An attachment's parts are noted in one go, so what comes now continues none that came before.
                parts.clear();
            }
            next = frame.number.saturating_add(1);
            let mut glass = Glass { words: &frame.body, labels: self };
            match frame.kind {
                Kind::Attachment => self.part(glass, &mut parts, &mut notes),
                Kind::End => {
                    let text = glass.bytes().and_then(|bytes| String::from_utf8(bytes).ok());
                    notes.end = text.or(notes.end);
                }
                _ => {}
            }
        }
        notes
    }

    /// Adds a part of an attachment; the last one completes it.
    fn part(&self, mut glass: Glass<'_>, parts: &mut BTreeMap<String, Vec<Vec<u8>>>, notes: &mut Notes) {
        let mut read = || {
            let (index, count) = (usize::try_from(glass.word()?).ok()?, usize::try_from(glass.word()?).ok()?);
            let name = String::from_utf8(glass.bytes()?).ok()?;
            Some((index, count, name, glass.bytes()?))
        };
        let Some((index, count, name, bytes)) = read() else { return };
        let so_far = parts.entry(name.clone()).or_default();
        if index == 0 {
            so_far.clear();
        }
        if index == so_far.len() && index < count.min(MAX_PARTS) {
            so_far.push(bytes);
        }
        if so_far.len() == count {
            notes.attachments.insert(name.clone(), so_far.concat());
            parts.remove(&name);
        }
    }
}

impl LabelOf for Names<'_> {
    fn label(&self, id: u16) -> Label {
        let id = usize::from(id);
        let (unknown, before) = (id >= self.labels.borrow().len(), self.refreshes.get());
        if unknown && (before == 0 || before < MAX_REFRESHES && self.source.is_written()) {
            self.refreshes.set(before + 1);
            self.refresh();
        }
        let label = self.labels.borrow().get(id).copied().flatten();
        label.unwrap_or_else(|| Label::from_data(&format!("(label {id} lost)")))
    }
}
