//! Finding the geometry of a capture, from its header or from any section that is intact.

use std::collections::HashMap;

use crate::error::CaptureError;
use crate::frame::to_words;
use crate::layout::{BLOCK_WORDS, Block, Geometry, PAGE, Role, Sighting, VERSION};
use crate::source::Source;

/// What was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) geometry: Geometry,
    /// Both headers are intact and say the same.
    pub(crate) headers_intact: bool,
}

/// The block at an offset, if there is one that belongs there.
fn sight(source: &dyn Source, at: u64) -> Option<Sighting> {
    let words = to_words(&source.read(at, BLOCK_WORDS * 8));
    Block::read(words.as_slice().try_into().ok()?, at)
}

/// The block of one section, if it is intact and of this capture.
pub(crate) fn section(source: &dyn Source, geometry: &Geometry, role: Role, index: u64) -> Option<Block> {
    match sight(source, geometry.section_at(role, index))? {
        // Where the rings are elsewhere, the first of them and the notes begin at one offset.
        Sighting::Block(block) => (block.role == role && block.geometry == *geometry).then_some(block),
        Sighting::OtherVersion(_) => None,
    }
}

/// Finds the geometry. Two headers that agree and are confirmed by another section are believed; otherwise every
/// page is looked at, and the geometry that most blocks tell wins.
pub(crate) fn geometry(source: &dyn Source) -> Result<Found, CaptureError> {
    let headers = [sight(source, 0), sight(source, PAGE)];
    if let [Some(Sighting::Block(first)), Some(Sighting::Block(second))] = headers {
        let geometry = first.geometry;
        if geometry == second.geometry && section(source, &geometry, Role::Notes, 0).is_some() {
            return Ok(Found { geometry, headers_intact: true });
        }
    }
    let mut votes: HashMap<u64, (usize, Geometry)> = HashMap::new();
    let mut other_version = None;
    for page in 0..source.length() / PAGE + 1 {
        match sight(source, page * PAGE) {
            Some(Sighting::Block(block)) => {
                votes.entry(block.geometry.id).or_insert((0, block.geometry)).0 += 1;
            }
            Some(Sighting::OtherVersion(version)) => other_version = Some(version),
            None => {}
        }
    }
    match (votes.into_values().max_by_key(|(count, geometry)| (*count, geometry.id)), other_version) {
        (Some((_, geometry)), _) => Ok(Found { geometry, headers_intact: false }),
        (None, Some(found)) => Err(CaptureError::UnknownVersion { found, known: VERSION }),
        (None, None) => Err(CaptureError::NotACapture { length: source.length() }),
    }
}
