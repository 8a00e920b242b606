//! Captures made by hand, so that each word can be wrong.

mod checkpoints;
mod history;
pub(crate) mod image;
mod notes;
mod places;
mod rings;
mod segments;
mod stories;
